import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import type { Proved } from "../../kernel/principal.ts";
import type { RequestKey } from "../../kernel/request-key.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";

/** See TransactionPhase in proto/concord/commit/v1/transaction.proto. */
export const phases = ["INIT", "PREPARING", "COMMITTING", "ABORTING", "COMPLETED"] as const;

export type Phase = (typeof phases)[number];

export type Outcome = "committed" | "aborted";

/** How a participant answers a decision. Lost: it does not hold what it promised, and nothing shows that it was committed. */
export type Acknowledgement = Outcome | "lost";

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
  /** Set while work may be enlisted: without any for this long, it aborts. */
  readonly idleTimeoutMs: DurationMs | undefined;
  /** Set if an operator ended it. */
  readonly resolution: Resolution | undefined;
  readonly requestedBy: string;
  readonly reason: string;
  readonly request: RequestKey | undefined;
} & Proved;

/** One participant's part in a transaction. */
export type Part = {
  readonly participantId: ParticipantId;
  /** Undefined: only the log has it, for whoever sends it. What is taken over does not hold its payload in memory. */
  readonly payload: Uint8Array | undefined;
  /** Volatile: has an open session. Nothing is sent to a part that has none. */
  readonly connected: boolean;
  readonly vote: VoteValue | undefined;
  readonly voteReason: string;
  readonly votedAtMs: TimeMs | undefined;
  readonly acknowledgedAtMs: TimeMs | undefined;
  /** Differs from the transaction's only if an operator has resolved that. */
  readonly acknowledgedOutcome: Outcome | undefined;
  /** Its promise is lost, so it still owes its acknowledgement. specs/TwoPhaseCommit.tla: RecvLost. */
  readonly lost: LostPart | undefined;
  /** Of its enlistment, if it had one of its own. */
  readonly request: RequestKey | undefined;
  readonly preparesSent: number;
  readonly decisionsSent: number;
};

export type LostPart = { readonly reason: string; readonly atMs: TimeMs };

export type Resolution = { readonly atMs: TimeMs; readonly requestedBy: string; readonly reason: string } & Proved;

/** True if the only participant decides. specs/TwoPhaseCommit.tla: OnePhase. */
export const isOnePhase = (transaction: Transaction): boolean => transaction.parts.length === 1;

/** True while a coordinator holds the decision. specs/TwoPhaseCommit.tla: MayAbort. */
export const mayAbort = (transaction: Transaction): boolean =>
  transaction.phase === "INIT" || (transaction.phase === "PREPARING" && !isOnePhase(transaction));

/** True if the part has to hear the outcome, and has not acknowledged it. */
export function owesAck(transaction: Transaction, part: Part): boolean {
  if (part.acknowledgedAtMs !== undefined) return false;
  // It has spoken, and an operator has heard it.
  if (part.lost && transaction.resolution) return false;
  // Also where the record that delegated it is all that is left, and does not tell whether it was asked.
  if (isUntold(transaction, part)) return true;
  if (transaction.outcome === "committed") return part.vote === "commit";
  // Whoever was asked and has not refused may be bound, or may become bound by a Prepare still under way.
  return transaction.outcome === "aborted" && part.preparesSent > 0 && (part.vote === undefined || part.vote === "commit");
}

/** True of the lone participant whose decision an operator has guessed. */
export const isUntold = (transaction: Transaction, part: Part): boolean =>
  transaction.resolution !== undefined &&
  isOnePhase(transaction) &&
  part.vote === undefined &&
  part.acknowledgedAtMs === undefined &&
  part.lost === undefined;

/** True once nobody is waited for. Only an operator completes a transaction before that. */
export const isFinished = (transaction: Transaction): boolean =>
  transaction.phase === "COMPLETED" && !transaction.parts.some((part) => owesAck(transaction, part));

/** When the last word about it was spoken: its retention starts then. */
export const finishedAtMs = (transaction: Transaction): TimeMs | undefined =>
  isFinished(transaction)
    ? Math.max(transaction.completedAtMs ?? 0, ...transaction.parts.map(({ acknowledgedAtMs }) => acknowledgedAtMs ?? 0))
    : undefined;

/** True if it has promised to commit. Of a lone participant, who does not vote, a lost promise is the only one that shows. */
export const hasPromised = ({ vote, lost }: Part): boolean => vote === "commit" || lost !== undefined;

/**
 * True also if it was asked and has not answered: its vote may be on the way, or it may have died with it. A lone participant, which decides,
 * may have been asked as soon as that is written down.
 */
export const mayHavePromised = (transaction: Transaction, part: Part): boolean =>
  hasPromised(part) ||
  (part.vote === undefined &&
    part.acknowledgedAtMs === undefined &&
    (part.preparesSent > 0 || (transaction.phase === "PREPARING" && isOnePhase(transaction))));

/** True if it is not over, and a participant may have promised to commit. */
export const isInDoubtSomewhere = (transaction: Transaction): boolean =>
  transaction.phase !== "COMPLETED" && transaction.parts.some((part) => mayHavePromised(transaction, part));

/** Whether it is atomic after all. See Heuristic in proto/concord/commit/v1/transaction.proto. */
export function heuristicOf(transaction: Transaction): "UNCONFIRMED" | "CONFIRMED" | "MIXED" | undefined {
  // Whatever is decided, or will be: nobody knows what became of its work.
  if (transaction.parts.some(({ lost }) => lost)) return "MIXED";
  if (!transaction.resolution) return undefined;
  const told = transaction.parts.flatMap(({ acknowledgedOutcome }) => acknowledgedOutcome ?? []);
  if (told.some((outcome) => outcome !== transaction.outcome)) return "MIXED";
  return isFinished(transaction) ? "CONFIRMED" : "UNCONFIRMED";
}

/** True if the part needs nothing more. */
export const isDone = (transaction: Transaction, part: Part): boolean =>
  part.vote === "abort" || part.vote === "read-only" || (transaction.outcome !== undefined && !owesAck(transaction, part));
