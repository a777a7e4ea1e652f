import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { DurationMs } from "../kernel/time.ts";

/** What is told is of this long at least, and of twice as long at most. */
export const recentMs: DurationMs = 30_000;

/** Delays of late. Nothing that is read is forgotten for it, as with what is counted since the last reading: several may read. */
export function createRecentDelays() {
  let before: RecordableHistogram | undefined;
  let now = createHistogram();
  let sinceMs = Number.NEGATIVE_INFINITY;

  return {
    record: (lateMs: DurationMs, nowMs: DurationMs): void => {
      if (nowMs - sinceMs >= recentMs) {
        before = now;
        now = createHistogram();
        sinceMs = nowMs;
      }
      // In microseconds; it takes no 0.
      now.record(Math.max(1, Math.round(lateMs * 1000)));
    },
    p99Ms: (): DurationMs => {
      const all = createHistogram();
      if (before !== undefined) all.add(before);
      all.add(now);
      return all.count === 0 ? 0 : all.percentile(99) / 1000;
    },
  };
}
