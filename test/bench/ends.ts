import type { Counts } from "./statistics.ts";

/** How the calls of one measurement have ended, as their server saw it. */
export type Ends = {
  readonly succeeded: number;
  /** By reason (`OVERLOADED`), as far as it is known, else by status (`UNAVAILABLE`). */
  readonly failures: Counts;
  /** Calls that were under way when the load ended: they are no failures. */
  readonly cutOff: number;
};

/** What tells that a call has no caller any more. */
const withoutCaller = "CANCELLED";

/**
 * `statuses`: how handlers have ended, by status. `reasons`: by status and reason, `RESOURCE_EXHAUSTED OVERLOADED`, where the benchmark's own
 * handlers know it. `refused`: calls that were answered before they began.
 */
export function endsOf({
  statuses,
  reasons,
  refused,
  concurrency,
}: {
  readonly statuses: Counts;
  readonly reasons: Counts;
  readonly refused: number;
  readonly concurrency: number;
}): Ends {
  const failures: Record<string, number> = {};
  const fail = (name: string, count: number): void => {
    if (count > 0) failures[name] = (failures[name] ?? 0) + count;
  };
  const cutOff = Math.min(statuses[withoutCaller] ?? 0, concurrency);
  for (const [status, count] of Object.entries(statuses)) {
    if (status === "OK") continue;
    const known = Object.entries(reasons).filter(([name]) => name.startsWith(`${status} `));
    for (const [name, times] of known) fail(name.slice(status.length + 1), times);
    const rest = count - known.reduce((sum, [, times]) => sum + times, 0);
    fail(status, status === withoutCaller ? rest - cutOff : rest);
  }
  fail("OVERLOADED", refused);
  return { succeeded: statuses["OK"] ?? 0, failures, cutOff };
}
