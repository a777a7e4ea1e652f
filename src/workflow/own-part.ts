import type { ParticipantId, TransactionId, WorkflowId } from "../kernel/ids.ts";
import type { Origin } from "../kernel/origin.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import { type Answer, type Attempts, earlierAnswers, type Moves, subjectOf } from "./attempt.ts";
import { type Call, orLeft } from "./calls.ts";
import type { ManagerError, MovesError } from "./errors.ts";
import type { TransactionClient, TransactionPart } from "./ports.ts";

/** The other halves of an atomic transition. */
export type Together = {
  readonly parts: readonly TransactionPart[];
  readonly waitForParticipantsMs: DurationMs;
  /** When its caller stops waiting: all of it must have ended by then. */
  readonly deadlineMs: TimeMs;
};

/** Who takes part besides the manager. */
export const participantsOf = ({ parts }: Together): readonly ParticipantId[] => parts.map(({ participantId }) => participantId);

type Outcome = Result<readonly Answer[], MovesError>;

/** Moves that a call of this process wants made in a transaction. */
export type WantedMoves = {
  readonly moves: Moves;
  readonly participantIds: readonly ParticipantId[];
  readonly deadlineMs: TimeMs;
  readonly begun: (transactionId: TransactionId) => void;
  readonly origin: Origin | undefined;
  /** The one transaction that may carry it. */
  transactionId: TransactionId | undefined;
  /** Why this manager voted to abort, if it did: a better answer than "aborted". */
  refusal: Outcome | undefined;
  readonly ending: Ending;
};

/** How a transaction ends here: with nothing, if it aborts. */
type Ending = PromiseWithResolvers<readonly Answer[] | undefined>;

export type OwnPart = ReturnType<typeof createOwnPart>;

/**
 * The manager's part in the transactions that it asks for. What it is to prepare stays here: the coordinator carries its name only, a
 * random one, and what nobody here waits for is not prepared. So nothing is held at the word of a stranger, nor for a caller that has left.
 */
export function createOwnPart(
  dependencies: Attempts & {
    readonly participantId: ParticipantId;
    readonly transactions: TransactionClient;
    /** Nobody can guess it. */
    readonly newName: () => string;
  },
) {
  const { store, environment, participantId, transactions, newName } = dependencies;
  const wanted = new Map<string, WantedMoves>();
  /** Of what is held, and somebody has waited for it in this process. */
  const endings = new Map<TransactionId, Ending>();

  async function endOf(transactionId: TransactionId, moves: Moves, call: Call): Promise<Outcome> {
    // Whoever waits for it can ask after it, as its first caller could.
    call.begun(transactionId);
    const ending: Ending = endings.get(transactionId) ?? Promise.withResolvers();
    endings.set(transactionId, ending);
    // It may have ended since the workflow was read.
    if ((await store.outcome(transactionId)) !== undefined) ended(transactionId, undefined);
    else await orLeft(call.signal, ending.promise);
    const answered = await earlierAnswers(dependencies, moves);
    if (answered !== undefined) return answered;
    const workflowId = subjectOf(moves);
    return (await store.outcome(transactionId))?.outcome === "aborted"
      ? err({ type: "transaction-aborted", workflowId, transactionId, abortReason: "its first attempt failed", refusals: [] })
      : err({ type: "outcome-pending", workflowId, transactionId });
  }

  function ended(transactionId: TransactionId, answers: readonly Answer[] | undefined): void {
    endings.get(transactionId)?.resolve(answers);
    endings.delete(transactionId);
  }

  return {
    /** Runs one transaction of the manager's own part and the others, and waits until its own part has ended here. */
    async run(moves: Moves, together: Together, call: Call): Promise<Outcome> {
      const workflowId = subjectOf(moves);
      const { deadlineMs, waitForParticipantsMs } = together;
      const name = newName();
      const begun = (transactionId: TransactionId): void => {
        if (asked.transactionId !== undefined) return;
        asked.transactionId = transactionId;
        call.begun(transactionId);
      };
      const asked: WantedMoves = {
        moves,
        participantIds: participantsOf(together),
        deadlineMs,
        begun,
        origin: call.origin,
        transactionId: undefined,
        refusal: undefined,
        ending: Promise.withResolvers(),
      };
      wanted.set(name, asked);
      try {
        const answer = await transactions.execute({
          parts: [{ participantId, payload: Buffer.from(name) }, ...together.parts],
          timeoutMs: Math.max(1, deadlineMs - environment.nowMs()),
          waitForParticipantsMs,
          reason: moves.reason,
          requestedBy: moves.requestedBy,
          onBegun: begun,
          signal: call.signal,
          origin: call.origin,
        });
        if (!answer.ok) return err(failure(answer.error, workflowId, asked.transactionId));
        const { transactionId, outcome, abortReason, refusals } = answer.value;
        if (outcome === "aborted") {
          return asked.refusal ?? err({ type: "transaction-aborted", workflowId, transactionId, abortReason, refusals });
        }
        const committed = await orLeft(call.signal, asked.ending.promise);
        return committed === undefined
          ? err({ type: "outcome-pending", workflowId, transactionId })
          : ok(inOrder(moves, committed));
      } finally {
        wanted.delete(name);
      }
    },

    /**
     * What an earlier attempt of the same request has led to: its answers; or, if it holds the workflows still, its end, which is waited for.
     * An attempt of this process is joined before anybody asks here, so this one was cut short by a restart or has lost its callers.
     */
    async earlier(moves: Moves, call: Call): Promise<Outcome | undefined> {
      const answered = await earlierAnswers(dependencies, moves);
      const [first] = moves.commands;
      const request = first?.move.request;
      if (answered !== undefined || first === undefined || request === undefined) return answered;
      // All of them are held, or none.
      const hold = (await store.get(first.workflowId))?.hold;
      if (hold === undefined || hold.move.request?.id !== request.id) return undefined;
      if (hold.move.request.digest !== request.digest) {
        return err({ type: "request-id-reused", requestId: moves.request?.id ?? request.id });
      }
      return endOf(hold.transactionId, moves, call);
    },

    /** The moves that this transaction is to prepare here. Nothing, if the payload does not come from a call that waits here. */
    take(transactionId: TransactionId, payload: Uint8Array): WantedMoves | undefined {
      const asked = wanted.get(Buffer.from(payload).toString());
      asked?.begun(transactionId);
      return asked?.transactionId === transactionId ? asked : undefined;
    },

    /** They are held: commit or abort will end that. */
    held(transactionId: TransactionId, { ending }: WantedMoves): void {
      // A retry may have found the hold in the store before, and waits for its end.
      const found = endings.get(transactionId);
      if (found) void ending.promise.then(found.resolve);
      endings.set(transactionId, ending);
    },

    /** How much is in memory: holds whose end is waited for, and moves that are not held yet. */
    get counts() {
      return { endings: endings.size, wanted: wanted.size };
    },

    /** Tells whoever waits for it. */
    ended,
  };
}

/** As they were asked for. */
function inOrder({ commands }: Moves, answers: readonly Answer[]): readonly Answer[] {
  const byWorkflow = new Map(answers.map((answer) => [answer.workflow.id, answer]));
  return commands.flatMap(({ workflowId }) => byWorkflow.get(workflowId) ?? []);
}

function failure(
  { type, cause }: { readonly type: "unavailable" | "pending" | "overloaded" | "refused"; readonly cause: string },
  workflowId: WorkflowId | undefined,
  transactionId: TransactionId | undefined,
): ManagerError {
  switch (type) {
    case "pending":
      return { type: "outcome-pending", workflowId, transactionId };
    case "unavailable":
      return { type: "coordinator-unavailable", cause, transactionId };
    default:
      return { type: `coordinator-${type}`, cause };
  }
}
