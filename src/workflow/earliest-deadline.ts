import type { TimeMs } from "../kernel/time.ts";
import type { WorkflowPut } from "./ports.ts";

/** Of those that can fall due: the deadline of a workflow that is held waits for the end of the hold. */
export function earliestDeadline(puts: readonly WorkflowPut[]): TimeMs | undefined {
  const times = puts.flatMap(({ workflow: { hold, deadline } }) => (hold === undefined && deadline ? [deadline.atMs] : []));
  return times.length === 0 ? undefined : Math.min(...times);
}
