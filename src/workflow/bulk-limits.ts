import type { DurationMs } from "../kernel/time.ts";

/** RUNNING or PAUSED: more would be in each other's way. */
export const bulkUnderWayMax = 8;

/** Workflows that one operation acts on at a time: callers' moves go between. */
export const bulkAtOnceMax = 16;

/** A second, unless it says otherwise: a tenth of what a small machine does for callers. */
export const bulkRateDefault = 100;

/** The contract says the same. */
export const bulkRateMax = 10_000;

/** Tries again after this, and then after twice as long each time, up to the other. */
export const bulkWaitMsMin: DurationMs = 100;
export const bulkWaitMsMax: DurationMs = 5_000;

/** How long an operation that has ended is kept, with its results. */
export const bulkRetentionMs: DurationMs = 7 * 24 * 3_600_000;

/** Operations that are kept; the oldest that have ended go. */
export const bulkKeptMax = 100;

/** Results of all that have ended, some 150 bytes each; the oldest operations go, but for the newest. */
export const bulkResultsKeptMax = 1_000_000;

/** How often is looked for what need not be kept. */
export const bulkPurgeIntervalMs: DurationMs = 60_000;
