import type { DurationMs } from "../kernel/time.ts";

/** A connection that says nothing between two requests is closed after this time. Browsers and proxies keep theirs about as long. */
export const idleMs: DurationMs = 60_000;

/** Of one connection: requests that have come while one before them is not answered. No client in use sends more than one at a time. */
export const pipelinedCountMax = 16;

/** A stream that has nothing to tell says so this often: proxies cut what is silent for 30 s or 60 s. */
export const heartbeatMs: DurationMs = 15_000;

/**
 * What is larger is translated on a thread. Of messages without anything in them this much becomes 130 KB of JSON, in some 5 ms; of JSON that is
 * wrong somewhere within, it takes 2 ms to find out where.
 */
export const translatedAtOnceBytesMax = 4 * 1024;

/** Of bodies that wait for that thread: sixteen of the largest. */
export const waitingBodyBytesMax = 64 * 1024 * 1024;

/** Of answers that wait for it, or are translated and not sent yet, since their callers do not read: as of gRPC. */
export const waitingAnswerBytesMax = 256 * 1024 * 1024;
