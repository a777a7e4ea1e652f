import type { DurationMs } from "../kernel/time.ts";
import type { Outcome, Phase } from "./core/types.ts";
import type { StreamEnd } from "./ports.ts";

/** What the coordinator counts. Calls are on the way of each transaction: they must be quick and must not throw. */
export interface CommitMetrics {
  begun(): void;
  /** Once for each transaction. */
  decided(outcome: Outcome): void;
  /** A transaction has left this phase after so long. */
  phaseEnded(phase: Phase, tookMs: DurationMs): void;
  /** A Prepare or a decision went to the same participant again. */
  resent(kind: "prepare" | "decision"): void;
  /** By an operator. */
  resolved(outcome: Outcome): void;
  /** A participant has contradicted an operator. Alert on it: data must be mended. */
  mixed(): void;
  /** A participant does not hold any more what it voted to commit. Alert on it: data must be mended. */
  promiseLost(): void;
  /** A participant has taken no session, because it has seen a newer decision log. Alert on it: an older copy was restored. */
  newerLogSeen(): void;
  /** A write that the transaction waited for is durable. */
  forced(): void;
  sessionOpened(): void;
  sessionEnded(reason: StreamEnd["reason"]): void;
  /** Called once; `read` is called at each scrape. */
  observe(read: () => CommitGauges): void;
}

export type CommitGauges = {
  readonly undecided: number;
  /** Not completed, and prepared somewhere. Alert on the age of the oldest. */
  readonly inDoubt: number;
  /** Since it began. 0 if there is none. */
  readonly oldestInDoubtMs: DurationMs;
  readonly connectedParticipants: number;
  /** Decisions that participants should have acknowledged: of all, and of the one that owes most. */
  readonly unacknowledged: number;
  readonly unacknowledgedMost: number;
  /** What they take in memory, of their budgets. */
  readonly undecidedBytes: number;
  readonly unacknowledgedBytes: number;
};

export const noMetrics: CommitMetrics = {
  begun() {},
  decided() {},
  phaseEnded() {},
  resent() {},
  resolved() {},
  mixed() {},
  promiseLost() {},
  newerLogSeen() {},
  forced() {},
  sessionOpened() {},
  sessionEnded() {},
  observe() {},
};
