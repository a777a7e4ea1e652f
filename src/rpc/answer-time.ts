import type { DurationMs } from "../kernel/time.ts";

/** The longest way of an answer to its caller, in a network that works. */
const wayMaxMs = 200;

/** How long a caller can be kept waiting who listens for this long: its answer must be there by then, and takes a way. */
export const answerTimeMs = (listensMs: DurationMs): DurationMs => listensMs - Math.min(wayMaxMs, listensMs / 10);
