import type { TransactionId } from "../../kernel/ids.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { InDoubt } from "../core/messages.ts";
import { isInDoubt, loadTransaction, stepParticipant } from "../core/participant.ts";
import type { ParticipantInput, ParticipantRecord, ParticipantTransaction } from "../core/participant-step.ts";
import { mailboxBounds, preparedPayloadBytesMax, storageBackoff, volatileVoteCountMax } from "../limits.ts";
import { createMailbox } from "../mailbox.ts";
import { aboutOf, type Box, type Envelope, isIdle } from "./box.ts";
import { carryOut, type Surroundings } from "./effects.ts";
import type { Link } from "./link.ts";
import { untilDone } from "./until-done.ts";

/** Who has sent what brings an input, in which message, and on whose behalf. */
export type Sender = { readonly link: Link; readonly sequence: number; readonly origin?: Origin | undefined };

/** The transactions that are in memory, each with a mailbox: its inputs are handled one by one, and no other waits for them. */
export interface Boxes {
  readonly count: number;
  /** What comes over a link can be lost when too much waits; what the resource says cannot. */
  post(transactionId: TransactionId, input: ParticipantInput, from?: Sender): void;
  /** What the log has kept of a transaction that is prepared. */
  load(record: ParticipantRecord): void;
  get(transactionId: TransactionId): ParticipantTransaction | undefined;
  /** What is prepared in memory was ended in the log, by an operator. Whoever asks next is answered from there. */
  reread(transactionId: TransactionId): void;
  /** Prepared here, outcome unknown here; of one coordinator, or of all. `quietForMs`: nothing has happened to it for so long. */
  inDoubt(coordinatorId?: string, quietForMs?: DurationMs): readonly InDoubt[];
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

const defectText =
  "a defect of the participant has ended its part in this transaction: its log has the cause, a restart takes it up again";

/** As far as a coordinator chooses them. */
const inputBytes = (input: ParticipantInput): number => (input.type === "prepare" ? input.message.payload.byteLength : 0);

/** The log has its end. */
const hasEnded = ({ state }: ParticipantTransaction): boolean => state === "committed" || state === "aborted" || state === "lost";

const withoutPayload = (transaction: ParticipantTransaction): ParticipantTransaction => ({
  ...transaction,
  payload: new Uint8Array(),
});

export function createBoxes(surroundings: Surroundings): Boxes {
  const { participantId, log, clock, logger, seldom, signal, trace } = surroundings;
  const boxes = new Map<TransactionId, Box>();
  /** Oldest first: transactions that ended here without a record. */
  const volatile = new Set<TransactionId>();
  let onIdle = (): void => {};
  signal.addEventListener("abort", () => {
    for (const box of boxes.values()) box.cancelVoteTimer();
  });

  function boxOf(transactionId: TransactionId): Box {
    const known = boxes.get(transactionId);
    if (known) return known;
    const box: Box = {
      transactionId,
      mailbox: createMailbox<Envelope>(
        (envelope) => handle(box, envelope),
        (error, dropped) => onDefect(box, error, dropped),
      ),
      transaction: undefined,
      loaded: false,
      hasPayload: true,
      link: undefined,
      origin: undefined,
      busy: false,
      broken: false,
      quietSinceMs: Number.NEGATIVE_INFINITY,
      cancelVoteTimer: () => {},
    };
    boxes.set(transactionId, box);
    return box;
  }

  function post(box: Box, input: ParticipantInput, refuse?: Envelope["refuse"]): void {
    if (box.broken) {
      refuse?.(defectText);
      return;
    }
    const posted = box.mailbox.post({ input, refuse }, refuse && mailboxBounds, inputBytes(input));
    if (!posted) seldom.warn(box.transactionId, { ...aboutOf(box, participantId), input: input.type }, "input lost");
  }

  async function handle(box: Box, { input, refuse }: Envelope): Promise<void> {
    box.busy = true;
    // What is carried out is the work as the log has it.
    if (!box.loaded || (!box.hasPayload && input.type !== "inquire")) {
      box.loaded = true;
      box.hasPayload = true;
      const failure = "the participant log cannot be read";
      const record = await untilDone(surroundings, box, failure, storageBackoff, () => log.get(box.transactionId));
      if (signal.aborted) return;
      // What the resource was asked before goes on to its answer.
      if (box.transaction === undefined || isInDoubt(box.transaction)) box.transaction = record && loadTransaction(record);
    }
    const { transaction, effects } = stepParticipant(box.transaction, input, trace !== undefined);
    box.transaction = transaction;
    for (const effect of effects) {
      // A stop between two effects is a crash between them, and is recovered from like one.
      if (signal.aborted) return;
      await carryOut(surroundings, box, effect, refuse, (answer) => post(boxOf(box.transactionId), answer));
    }
    box.busy = false;
    box.quietSinceMs = clock.monotonicMs();
    tidy(box);
    onIdle();
  }

  /** A defect is a crash of this transaction alone: its record stays as it is, and a restart recovers it. The others go on. */
  function onDefect(box: Box, error: unknown, dropped: readonly Envelope[]): void {
    box.broken = true;
    box.cancelVoteTimer();
    // Whatever else is forgotten, this is not: it would be taken for new.
    volatile.delete(box.transactionId);
    logger.error(
      { ...aboutOf(box, participantId), err: error },
      "a defect: nothing more is done for this transaction before a restart",
    );
    for (const { refuse } of dropped) refuse?.(defectText);
    onIdle();
  }

  /** What is in the log need not be in memory. A vote without a record is kept for a while, without its work. */
  function tidy(box: Box): void {
    const { transactionId, transaction, mailbox } = box;
    if (transaction?.busy || !mailbox.isEmpty()) return;
    if (transaction === undefined || hasEnded(transaction)) {
      boxes.delete(transactionId);
      volatile.delete(transactionId);
    } else if (transaction.state === "prepared") {
      if (transaction.payload.byteLength <= preparedPayloadBytesMax) return;
      box.transaction = withoutPayload(transaction);
      box.hasPayload = false;
    } else if (transaction.state !== "committing") {
      box.transaction = withoutPayload(transaction);
      volatile.add(transactionId);
      for (const oldest of volatile) {
        if (volatile.size <= volatileVoteCountMax) break;
        volatile.delete(oldest);
        boxes.delete(oldest);
      }
    }
  }

  return {
    get count() {
      return boxes.size;
    },
    post(transactionId, input, from) {
      const box = boxOf(transactionId);
      if (from) {
        box.link = from.link;
        box.origin = from.origin ?? box.origin;
      }
      post(box, input, from && ((reason) => from.link.nack(from.sequence, reason)));
    },
    load(record) {
      const box = boxOf(record.transactionId);
      box.transaction = loadTransaction(record);
      box.loaded = true;
    },
    get: (transactionId) => boxes.get(transactionId)?.transaction,
    reread(transactionId) {
      const box = boxes.get(transactionId);
      if (!box) return;
      box.loaded = false;
      // Asks nobody about what has ended; and what has ended leaves the memory.
      post(box, { type: "inquire", nowMs: clock.nowMs() });
    },
    inDoubt(coordinatorId, quietForMs = 0) {
      const found: InDoubt[] = [];
      const quietSinceMs = clock.monotonicMs() - quietForMs;
      for (const [transactionId, box] of boxes) {
        const { transaction } = box;
        if (!transaction || !isInDoubt(transaction) || box.quietSinceMs > quietSinceMs) continue;
        const { coordinatorId: owner } = transaction;
        if (coordinatorId === undefined || owner === coordinatorId) found.push({ transactionId, coordinatorId: owner });
      }
      return found;
    },
    idle: () =>
      new Promise((resolve) => {
        onIdle = () => {
          if ([...boxes.values()].every(isIdle)) resolve();
        };
        onIdle();
      }),
  };
}
