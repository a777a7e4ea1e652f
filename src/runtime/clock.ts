import type { DurationMs, TimeMs } from "../kernel/time.ts";

/** The wall clock, the machine's monotonic one, and timers. A timer does not keep the process alive. */
export const systemClock = {
  nowMs: (): TimeMs => Date.now(),
  /** Goes on while the process is stopped, and is never set. */
  monotonicMs: (): DurationMs => performance.now(),
  /** Runs once, after the delay. Returns the function that cancels it. */
  setTimer(delayMs: DurationMs, run: () => void): () => void {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
