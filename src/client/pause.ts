import { setTimeout } from "node:timers/promises";
import { type Backoff, backoffMs } from "../kernel/backoff.ts";

const backoff: Backoff = { firstMs: 100, maxMs: 5_000 };

/** After attempt 1, 2, 3, …; longer if the server says so. */
export const pauseMsAfter = (attempt: number, retryAfterMs = 0): number =>
  Math.max(retryAfterMs, backoffMs(backoff, attempt, Math.random()));

/** Rejects as soon as the signal is aborted. */
export const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  setTimeout(ms, undefined, signal && { signal });
