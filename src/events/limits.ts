import type { Backoff } from "../kernel/backoff.ts";
import type { DurationMs } from "../kernel/time.ts";

/** Each reads the store's events for itself, and has a connection. */
export const sinkCountMax = 32;

/** Events that one sink has read and not done with: a bus that is near needs fewer, one that is far away keeps its throughput. */
export const pendingCountMax = 512;

/** Their texts, as they are published. The largest event has some 0.6 MiB, and is read alone if it must be. */
export const pendingBytesMax = 4 * 1024 * 1024;

/**
 * How long a sink's cursor may be ahead of what is stored of it. A crash publishes again what was acknowledged in this time, and all sinks are
 * stored in one write.
 */
export const cursorSaveMs: DurationMs = 200;

/** How often a sink hears of what its filter has passed over, while it hears of nothing else. */
export const sinkProgressMs: DurationMs = 1_000;

/** Between tries. Prompt after an outage: a growing pause must not outlast it by much. */
export const sinkBackoff: Backoff = { firstMs: 100, maxMs: 10_000 };

/** What a receiver may ask for with Retry-After: more is not believed. */
export const retryAfterMaxMs: DurationMs = 600_000;

/** Of each sink. Whoever has so many has a receiver that refuses everything: the sink waits until somebody has looked. */
export const deadLetterCountMax = 1_000;

/** Dead letters that one call tries or discards. */
export const deadLettersPerCallMax = 100;

/** What is kept of an error, for people. */
export const causeLengthMax = 500;

/** Bytes of a receiver's answer that are read, for that. */
export const answerBytesRead = 2_000;

/** How long a bus may take for what is asked of it. */
export const natsTimeoutMs: DurationMs = 5_000;

/** How often it is asked whether it is there while nothing is published. Two unanswered in a row end the connection. */
export const natsPingMs: DurationMs = 5_000;

/** What is under way when a sink is paused or reset may end within this time. */
export const restGraceMs: DurationMs = 2_000;
