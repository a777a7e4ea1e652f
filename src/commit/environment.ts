import type { Clock } from "../kernel/clock.ts";
import type { TransactionId } from "../kernel/ids.ts";
import type { Spans } from "../kernel/spans.ts";
import type { Turns } from "../kernel/turns.ts";
import type { Budgets } from "./budgets.ts";
import type { Moment } from "./core/types.ts";
import type { TransactionBytes } from "./footprint.ts";
import type { CommitMetrics } from "./metrics.ts";
import type { DecisionLog, Logger, Random, Trace } from "./ports.ts";
import type { Sessions } from "./sessions.ts";

/** What the driver is given, as its parts use it. */
export type Environment = {
  readonly log: DecisionLog;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly random: Random;
  /** Ids sort by age, and none is made twice. */
  readonly newTransactionId: () => TransactionId;
  readonly newCoordinatorId: () => string;
  /** For what is done in slices. */
  readonly turns: Turns;
  readonly logger: Logger;
  readonly metrics: CommitMetrics;
  readonly trace: Trace | undefined;
  /** Undefined: no trace of OpenTelemetry is written down. */
  readonly spans?: Spans | undefined;
  readonly budgets: Budgets;
  readonly bytes: TransactionBytes;
};

export const momentOf = ({ clock, random }: Pick<Environment, "clock" | "random">): Moment => ({
  nowMs: clock.nowMs(),
  random: random(),
});
