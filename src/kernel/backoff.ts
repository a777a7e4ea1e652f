import type { DurationMs } from "./time.ts";

export type Backoff = { readonly firstMs: DurationMs; readonly maxMs: DurationMs };

/** The pause after attempt 1, 2, 3, …: doubles up to a cap, then half of it is jitter. `random` is uniform in [0, 1). */
export function backoffMs(backoff: Backoff, attempt: number, random: number): DurationMs {
  const pauseMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(pauseMs * (0.5 + random / 2));
}
