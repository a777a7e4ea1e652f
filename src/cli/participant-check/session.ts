import type { Claim } from "../../commit/core/claim.ts";
import type { CoordinatorMessage, Decision, Hello, Prepare } from "../../commit/core/messages.ts";
import type { Outcome } from "../../commit/core/types.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { TransactionId } from "../../kernel/ids.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Answer } from "./answer.ts";
import type { Heard, RawMessage, Stream } from "./stream.ts";
import type { Watch } from "./watch.ts";

/** Who says Welcome: a decision log, with those who have owned it, newest first. */
export type Log = { readonly coordinatorId: string; readonly claims: readonly [Claim, ...Claim[]] };

export const epochOf = ({ claims }: Log): number => claims[0].epoch;

/** A transaction of the check, with work that the participant understands. */
export type Work = { readonly transactionId: TransactionId; readonly payload: Uint8Array };

/** A stream on which Welcome was said. It beats until it falls silent. */
export interface Session {
  readonly stream: Stream;
  readonly hello: Hello;
  readonly log: Log;
  /** Its sequence. */
  send(message: CoordinatorMessage | RawMessage): number;
  /** Sends Prepare, for a vote that may take long, and waits for what comes of it. */
  prepare(work: Work, change?: Partial<Prepare>): Promise<Answer>;
  /** Sends a Decision, and waits for what comes of it. */
  decide(work: Work, outcome: Outcome, change?: Partial<Decision>): Promise<Answer>;
  /** Sends it, and waits for the first that is said of this transaction in one of these ways, or a Nack of it. */
  ask(message: CoordinatorMessage | RawMessage, transactionId: TransactionId, kinds: readonly Answer["type"][]): Promise<Answer>;
  /** What is said of this transaction within this time, from that place in `stream.heard` on. */
  saidOf(transactionId: TransactionId, from: number, withinMs: DurationMs): Promise<Heard | undefined>;
  fallSilent(): void;
}

/** What Welcome asks for: short, so that what hangs on it is soon seen. */
export const heartbeatIntervalMs = 500;
export const sessionTimeoutMs = 5_000;

/** Long enough for any participant that is well; it says so itself when it cannot. */
const voteWithinMs = 30_000;

export const prepareOf = ({ transactionId, payload }: Work, log: Log, change: Partial<Prepare> = {}): Prepare => {
  const usual = { attempt: 1, voteWithinMs, onePhase: false, coordinatorEpoch: epochOf(log) };
  return { type: "prepare", transactionId, payload, ...usual, ...change };
};

export const decisionOf = ({ transactionId }: Work, outcome: Outcome, log: Log, change: Partial<Decision> = {}): Decision => {
  const usual = { coordinatorEpoch: epochOf(log), inReply: false };
  return { type: "decision", transactionId, outcome, ...usual, ...change };
};

export function createSession(options: {
  readonly stream: Stream;
  readonly hello: Hello;
  readonly log: Log;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly patienceMs: DurationMs;
  readonly onSent: (message: CoordinatorMessage | RawMessage, log: Log) => void;
}): Session {
  const { stream, hello, log, clock, watch, patienceMs, onSent } = options;
  let isSilent = false;

  function beatLater(): void {
    clock.setTimer(heartbeatIntervalMs, () => {
      if (isSilent || stream.ended) return;
      stream.send({ type: "heartbeat", sentAtMs: clock.nowMs(), lastSequenceSeen: stream.heard.at(-1)?.sequence ?? 0 });
      beatLater();
    });
  }
  beatLater();

  const session: Session = {
    stream,
    hello,
    log,
    send(message) {
      onSent(message, log);
      return stream.send(message);
    },
    prepare: (work, change) => session.ask(prepareOf(work, log, change), work.transactionId, ["vote", "decision-ack"]),
    decide: (work, outcome, change) => session.ask(decisionOf(work, outcome, log, change), work.transactionId, ["decision-ack"]),
    async ask(message, transactionId, kinds) {
      const from = stream.heard.length;
      const sequence = session.send(message);
      const isAnswer = ({ message: said }: Heard): boolean => {
        if (said.type === "nack") return said.sequence === sequence;
        if (said.type === "unreadable") return true;
        return "transactionId" in said && said.transactionId === transactionId && kinds.some((kind) => kind === said.type);
      };
      const found = await watch.until<Answer>(() => {
        const said = stream.heard.slice(from).find(isAnswer)?.message as Answer | undefined;
        return said ?? (stream.ended && { type: "stream-ended", how: stream.ended.how });
      }, patienceMs);
      return found ?? { type: "nothing", withinMs: patienceMs };
    },
    saidOf(transactionId, from, withinMs) {
      const isOfIt = ({ message }: Heard): boolean => "transactionId" in message && message.transactionId === transactionId;
      return watch.until(() => stream.heard.slice(from).find(isOfIt), withinMs);
    },
    fallSilent() {
      isSilent = true;
    },
  };
  return session;
}
