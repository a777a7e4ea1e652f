import type { DurationMs, TimeMs } from "./time.ts";

/** What a process knows of time. Nothing else in it asks for any: so a world that is made, with a time of its own, runs it as it is. */
export interface Clock {
  nowMs(): TimeMs;
  /** For how long something takes or has been silent: since some moment in the past, and never set, neither back nor ahead. */
  monotonicMs(): DurationMs;
  /** Runs once, after the delay. Returns the function that cancels it. */
  setTimer(delayMs: DurationMs, run: () => void): () => void;
  /** Runs in the next turn of the event loop: after whatever has come by then. */
  nextTurn(run: () => void): void;
}

/** Waits for the next turn. */
export const nextTurn = ({ nextTurn: inNextTurn }: Pick<Clock, "nextTurn">): Promise<void> =>
  new Promise((resolve) => inNextTurn(resolve));
