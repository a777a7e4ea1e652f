import type { Clock } from "../../kernel/clock.ts";

/** The machine's. A timer does not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  },
  nextTurn: (run) => void setImmediate(run),
};
