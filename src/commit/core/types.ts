import type { ParticipantId, RequestId, TransactionId } from "../../kernel/ids.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";

/** See TransactionPhase in proto/concord/commit/v1/transaction.proto. */
export const phases = ["INIT", "PREPARING", "COMMITTING", "ABORTING", "COMPLETED"] as const;

export type Phase = (typeof phases)[number];

export type Outcome = "committed" | "aborted";

export type VoteValue = "commit" | "abort" | "read-only";

/** What a step needs from outside: the time, and a number uniform in [0, 1). */
export type Moment = { readonly nowMs: TimeMs; readonly random: number };

/** A distributed transaction, as its coordinator sees it. */
export type Transaction = {
  readonly id: TransactionId;
  readonly coordinatorEpoch: number;
  readonly phase: Phase;
  /** Undefined until it is decided. */
  readonly outcome: Outcome | undefined;
  /** Why it was aborted, for people. Empty if it was not. */
  readonly abortReason: string;
  /** In the order of the request. Exactly one: one-phase commit. */
  readonly parts: readonly Part[];
  readonly createdAtMs: TimeMs;
  readonly decidedAtMs: TimeMs | undefined;
  readonly completedAtMs: TimeMs | undefined;
  readonly waitForParticipantsMs: DurationMs;
  readonly prepareTimeoutMs: DurationMs;
  /** When the time to vote is over. Undefined until Prepare is sent. */
  readonly voteDeadlineMs: TimeMs | undefined;
  readonly requestedBy: string;
  readonly reason: string;
  readonly request: RequestKey | undefined;
};

/** One participant's part in a transaction. */
export type Part = {
  readonly participantId: ParticipantId;
  readonly payload: Uint8Array;
  /** Volatile: has an open session. Nothing is sent to a part that has none. */
  readonly connected: boolean;
  readonly vote: VoteValue | undefined;
  readonly voteReason: string;
  readonly votedAtMs: TimeMs | undefined;
  readonly acknowledgedAtMs: TimeMs | undefined;
  readonly preparesSent: number;
  readonly decisionsSent: number;
};

/** Names a request for idempotency: the same id with another digest is a misuse. */
export type RequestKey = { readonly id: RequestId; readonly digest: string };

/** True if the only participant decides. specs/TwoPhaseCommit.tla: OnePhase. */
export const isOnePhase = (transaction: Transaction): boolean => transaction.parts.length === 1;

/** True while a coordinator holds the decision. specs/TwoPhaseCommit.tla: MayAbort. */
export const mayAbort = (transaction: Transaction): boolean =>
  transaction.phase === "INIT" || (transaction.phase === "PREPARING" && !isOnePhase(transaction));

/** True if the part has to hear the outcome, and has not acknowledged it. */
export function owesAck(transaction: Transaction, part: Part): boolean {
  if (part.acknowledgedAtMs !== undefined) return false;
  if (transaction.outcome === "committed") return part.vote === "commit";
  // Whoever was asked and has not refused may be bound, or may become bound by a Prepare still under way.
  return transaction.outcome === "aborted" && part.preparesSent > 0 && (part.vote === undefined || part.vote === "commit");
}

/** True if the part needs nothing more. */
export const isDone = (transaction: Transaction, part: Part): boolean =>
  part.vote === "abort" || part.vote === "read-only" || (transaction.outcome !== undefined && !owesAck(transaction, part));
