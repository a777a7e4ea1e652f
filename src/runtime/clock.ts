import type { Clock } from "../kernel/clock.ts";
import { timerMaxMs } from "../kernel/limits.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";

/** The wall clock, the machine's monotonic one, timers, and the event loop. A timer does not keep the process alive. */
export const systemClock = {
  nowMs: (): TimeMs => Date.now(),
  /** Goes on while the process is stopped, and is never set. */
  monotonicMs: (): DurationMs => performance.now(),
  /** Runs once, after the delay. Returns the function that cancels it. */
  setTimer(delayMs: DurationMs, run: () => void): () => void {
    let timer: NodeJS.Timeout;
    function arm(leftMs: DurationMs): void {
      const thenMs = leftMs - timerMaxMs;
      timer = thenMs > 0 ? setTimeout(arm, timerMaxMs, thenMs) : setTimeout(run, leftMs);
      timer.unref();
    }
    arm(delayMs);
    return () => clearTimeout(timer);
  },
  nextTurn: (run: () => void): void => void setImmediate(run),
} satisfies Clock;
