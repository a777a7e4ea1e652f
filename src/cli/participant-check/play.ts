import { claimCountMax } from "../../commit/core/claim.ts";
import type { CoordinatorMessage } from "../../commit/core/messages.ts";
import type { Outcome } from "../../commit/core/types.ts";
import { protocolVersion } from "../../commit/limits.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { TransactionId } from "../../kernel/ids.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { Away, Broken } from "./broken.ts";
import type { ParticipantProcess } from "./process.ts";
import {
  createSession,
  decisionOf,
  epochOf,
  heartbeatIntervalMs,
  type Log,
  type Session,
  sessionTimeoutMs,
  type Work,
} from "./session.ts";
import { createStream, type RawMessage, type Stream, type StreamEnds } from "./stream.ts";
import type { Watch } from "./watch.ts";

export type PayloadKind = "commit" | "abort" | "read-only";

/** The coordinator that rules play. By itself it does nothing but to beat, and to answer what an earlier rule has left in doubt. */
export interface Play {
  readonly participantId: string;
  readonly watch: Watch;
  readonly clock: Clock;
  /** How long an answer may take. */
  readonly patienceMs: DurationMs;
  /** Undefined: the participant was started by somebody else, and stays. */
  readonly process: ParticipantProcess | undefined;
  /** All that there were. */
  readonly streams: readonly Stream[];
  /** Each transaction of a Prepare, with the decision logs that have sent one. */
  readonly prepares: ReadonlyMap<string, ReadonlySet<string>>;
  /** The decision log that is played, as it is now. */
  readonly own: Log;
  /** Another process has taken it, with the next epoch or this one. */
  takeOver(epoch?: number): void;
  /** Another decision log. */
  stranger(): Log;
  /** Work of a new transaction, that the participant answers so. */
  work(kind?: PayloadKind): Work;
  /** The next stream on which something is said. It waits for its Welcome. */
  nextStream(): Promise<Stream>;
  welcome(stream: Stream, as?: Log, sessionEpoch?: number): Session;
  /** The session that is open with this decision log, the own one if none is given; or the next. */
  session(as?: Log): Promise<Session>;
  /** Ends what is open; the participant may come back at once. */
  part(): void;
  /** Kills the participant, and starts it. */
  restart(): Promise<void>;
  /** Ends what a rule has left prepared. */
  settle(): Promise<void>;
}

/** For what must not come: so long after an answer which shows that the participant is there. */
export const quietMs: DurationMs = 400;

/** No pause between two attempts is longer. */
export const reconnectWithinMs: DurationMs = 45_000;

type Options = Pick<Play, "participantId" | "clock" | "watch" | "process" | "patienceMs"> & {
  /** Random, and not used before. */
  readonly newId: () => string;
  readonly payload: (kind: PayloadKind, transactionId: string) => Uint8Array;
};

export function createPlay(options: Options): Play & { readonly open: () => StreamEnds } {
  const { participantId, clock, watch, newId, process, payload, patienceMs } = options;
  const streams: StreamEnds[] = [];
  const taken = new WeakSet<Stream>();
  /** Who else has said Hello. */
  const others = new Set<string>();
  const prepares = new Map<string, Set<string>>();
  const decided = new Map<string, Outcome>();
  let own = newLog();
  let sessionEpochs = 0;
  let current: Session | undefined;
  /** Of the rule that is tried. */
  let works: Work[] = [];

  function newLog(): Log {
    return { coordinatorId: newId(), claims: [{ epoch: 1, id: newId() }] };
  }

  const isOwn = ({ coordinatorId }: { readonly coordinatorId: string }): boolean => coordinatorId === own.coordinatorId;

  /** One of another participant is sent away. */
  function isOurs(stream: StreamEnds): boolean {
    const first = stream.heard[0]?.message;
    if (first?.type !== "hello" || first.participantId === participantId) return true;
    others.add(first.participantId);
    stream.end({ reason: "PROTOCOL_VIOLATION", message: `only "${participantId}" is checked here` });
    return false;
  }

  function onSent(message: CoordinatorMessage | RawMessage, log: Log): void {
    const prepared = message.type === "prepare" ? message.transactionId : message.type === "raw" ? message.prepares : undefined;
    if (prepared !== undefined) prepares.set(prepared, (prepares.get(prepared) ?? new Set()).add(log.coordinatorId));
    const isLie = message.type !== "decision" || !isOwn(log) || message.coordinatorEpoch < epochOf(own);
    if (!isLie && !decided.has(message.transactionId)) decided.set(message.transactionId, message.outcome);
  }

  /** Presumed abort of what an earlier rule has left behind. */
  function answerOlder({ hello, log, send }: Session): void {
    const current = new Set(works.map(({ transactionId }) => transactionId));
    for (const { transactionId, coordinatorId } of hello.inDoubt) {
      if (!isOwn(log) || !isOwn({ coordinatorId }) || current.has(transactionId)) continue;
      const outcome = decided.get(transactionId) ?? "aborted";
      send(decisionOf({ transactionId, payload: new Uint8Array() }, outcome, log, { inReply: true }));
    }
  }

  const play: ReturnType<typeof createPlay> = {
    participantId,
    watch,
    clock,
    patienceMs,
    process,
    streams,
    prepares,
    get own() {
      return own;
    },
    takeOver(epoch = epochOf(own) + 1) {
      own = { ...own, claims: [{ epoch, id: newId() }, ...own.claims.slice(0, claimCountMax - 1)] };
    },
    stranger: newLog,
    work(kind = "commit") {
      const transactionId = newId() as TransactionId;
      const work = { transactionId, payload: payload(kind, transactionId) };
      works.push(work);
      return work;
    },
    open() {
      const stream = createStream({ clock, watch });
      streams.push(stream);
      return stream;
    },
    async nextStream() {
      const isNew = (stream: StreamEnds): boolean =>
        !taken.has(stream) && !stream.ended && stream.heard.length > 0 && isOurs(stream);
      const found = await watch.until(() => streams.findLast(isNew) ?? process?.failure, reconnectWithinMs);
      if (typeof found === "string") throw new Away(found, "that it connects");
      if (found === undefined) {
        const named = [...others].map((id) => `"${id}"`).join(", ");
        const seen = `no Hello of "${participantId}" within ${reconnectWithinMs / 1000} s`;
        throw new Away(named === "" ? seen : `${seen}, but of ${named}`, "that it connects");
      }
      taken.add(found);
      return found;
    },
    welcome(stream, as = own, sessionEpoch = sessionEpochs + 1) {
      const hello = stream.heard[0]?.message;
      if (hello?.type !== "hello") throw new Broken("a stream whose first message is no Hello that can be read", "Hello");
      sessionEpochs = Math.max(sessionEpochs, sessionEpoch);
      stream.send({
        type: "welcome",
        sessionEpoch,
        coordinatorId: as.coordinatorId,
        coordinatorEpoch: epochOf(as),
        version: protocolVersion,
        claims: as.claims,
        heartbeatIntervalMs,
        sessionTimeoutMs,
      });
      current = createSession({ stream, hello, log: as, clock, watch, patienceMs, onSent });
      answerOlder(current);
      return current;
    },
    async session(as = own) {
      const isThis = (log: Log): boolean => log.coordinatorId === as.coordinatorId && epochOf(log) === epochOf(as);
      if (current && !current.stream.ended && isThis(current.log)) return current;
      play.part();
      return play.welcome(await play.nextStream(), as);
    },
    part() {
      if (!current || current.stream.ended) return;
      const message = "the check goes on with another stream";
      current.stream.send({ type: "go-away", reason: message, reconnectAfterMs: 0 });
      current.stream.end({ reason: "SHUTTING_DOWN", message });
    },
    async restart() {
      if (!process) throw new Away("nobody who can start it", "--start");
      await process.kill();
      const areGone = await watch.until(() => streams.every(({ ended }) => ended) || undefined, patienceMs);
      if (!areGone) throw new Away("a stream that goes on after its participant was killed", "a command that kills it");
      await process.start();
    },
    async settle() {
      const left = works.filter(({ transactionId }) => prepares.has(transactionId) && !decided.has(transactionId));
      works = [];
      if (!current || current.stream.ended || !isOwn(current.log) || epochOf(current.log) < epochOf(own)) return;
      for (const work of left) await current.decide(work, "aborted");
    },
  };
  return play;
}
