import { createSeldomLog } from "../kernel/seldom.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Logger } from "./logger.ts";

/** A deadline that was due, and what has become of it. */
type Due = {
  readonly workflowId: string;
  readonly deadline: { readonly targetState: string; readonly setBy: string };
};
type Fired = { readonly type: string; readonly lateMs?: DurationMs; readonly why?: string; readonly cause?: string };

/** Logs and counts what becomes of deadlines. While their moves cannot be made, a line now and then says why. */
export function createDeadlineReport({
  logger,
  monotonicMs,
  metrics,
}: {
  readonly logger: Logger;
  readonly monotonicMs: () => DurationMs;
  readonly metrics: {
    readonly deadline: (outcome: string) => void;
    readonly deadlineLate: (lateMs: DurationMs) => void;
  };
}) {
  const seldom = createSeldomLog(logger, monotonicMs);
  return {
    fired({ workflowId: workflow, deadline }: Due, { type, lateMs, why, cause }: Fired): void {
      metrics.deadline(type);
      if (lateMs !== undefined) metrics.deadlineLate(lateMs);
      const fields = { workflow, target: deadline.targetState, setBy: deadline.setBy };
      if (type === "moved") logger.info({ ...fields, lateMs }, "a deadline has passed: transition applied");
      if (type === "refused")
        logger.warn({ ...fields, why }, "a deadline has passed: its transition is refused, and it is dropped");
      if (type === "delayed") seldom.warn(cause ?? "", { ...fields, cause }, "a deadline has passed: its transition has to wait");
    },
    failed: (error: unknown): void => seldom.error("", { err: error }, "a deadline has passed, and could not be looked after"),
  };
}
