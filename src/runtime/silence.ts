import type { Clock } from "../kernel/clock.ts";
import type { DurationMs } from "../kernel/time.ts";

/** In how many parts a time is measured. */
const partCount = 10;

/** A timer that is this late was kept waiting by something that held the event loop, or the process. */
const busyMs: DurationMs = 100;

/**
 * Runs after this time, in which only those moments count in which this process could have heard something. A part in which it was
 * stopped, or busy, counts as nothing: what came meanwhile is read first. Returns the function that cancels it.
 */
export function afterSilence(clock: Pick<Clock, "monotonicMs" | "setTimer">, limitMs: DurationMs, run: () => void): () => void {
  const partMs = limitMs / partCount;
  let partsLeft = partCount;
  let cancel: () => void;
  function arm(): void {
    const dueMs = clock.monotonicMs() + partMs;
    cancel = clock.setTimer(partMs, () => {
      if (clock.monotonicMs() - dueMs < busyMs) partsLeft -= 1;
      if (partsLeft > 0) arm();
      else run();
    });
  }
  arm();
  return () => cancel();
}
