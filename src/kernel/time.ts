/** Milliseconds since 1970-01-01 UTC. */
export type TimeMs = number;

/** Milliseconds. */
export type DurationMs = number;
