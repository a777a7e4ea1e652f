/** Milliseconds since 1970-01-01 UTC. */
export type TimeMs = number;

/** Milliseconds. */
export type DurationMs = number;

/**
 * The time of a wall clock, but never ahead of what has passed since this was made: for dropping what is old. If somebody sets the clock
 * ahead, nothing is older for it. What the clock says at the beginning has to be believed.
 */
export function timeNeverAhead(clock: { readonly nowMs: () => TimeMs; readonly monotonicMs: () => DurationMs }): () => TimeMs {
  const startedAtMs = clock.nowMs() - clock.monotonicMs();
  return () => Math.min(clock.nowMs(), Math.floor(startedAtMs + clock.monotonicMs()));
}
