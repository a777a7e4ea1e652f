import type { DurationMs, TimeMs } from "../../kernel/time.ts";

/** What an engine knows of time. A world that is made, with a time of its own, gives it another one. */
export interface EngineClock {
  nowMs(): TimeMs;
  /** Since some moment in the past, and never set. */
  monotonicMs(): DurationMs;
  /** Runs once, after the delay. Returns the function that cancels it. */
  setTimer(delayMs: DurationMs, run: () => void): () => void;
  /** Runs in the next turn of the event loop: after whatever has come by then. */
  nextTurn(run: () => void): void;
}

/** The machine's. A timer does not keep the process alive. */
export const systemClock: EngineClock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  },
  nextTurn: (run) => void setImmediate(run),
};
