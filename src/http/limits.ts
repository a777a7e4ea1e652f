import type { DurationMs } from "../kernel/time.ts";

/** A connection that says nothing between two requests is closed after this time. Browsers and proxies keep theirs about as long. */
export const idleMs: DurationMs = 60_000;

/** Of one connection: requests that have come while one before them is not answered. No client in use sends more than one at a time. */
export const pipelinedCountMax = 16;

/** A stream that has nothing to tell says so this often: proxies cut what is silent for 30 s or 60 s. */
export const heartbeatMs: DurationMs = 15_000;

/** What is larger is translated on a thread: JSON of this size takes a millisecond or two, and one of 4 MiB a hundred. */
export const translatedAtOnceBytesMax = 32 * 1024;

/** Violations that are named of one request. */
export const violationCountMax = 20;
