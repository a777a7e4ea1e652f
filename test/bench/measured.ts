/** A call that was answered, as the load generator saw it. */
export type Answered = { readonly startedMs: number; readonly tookMs: number };

/** Of all calls that were answered, whatever the answer. */
export type Measured = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number };

/** What was answered within this time. */
export function summarize(answered: readonly Answered[], spanMs: number): Measured {
  const took = Float64Array.from(answered, ({ tookMs }) => tookMs).sort();
  const ends = Float64Array.from(answered, ({ startedMs, tookMs }) => startedMs + tookMs).sort();
  return { perSecond: rateOf(ends, spanMs), p50Ms: at(took, 0.5), p99Ms: at(took, 0.99) };
}

const at = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** Of answers, at its begin and at its end, that do not count. */
const edgeShare = 0.1;

/** With fewer answers, edges are none. */
const answersMin = 50;

/**
 * Thousands of calls at once are answered in waves, and it is chance how many waves end within a second: so the rate is that of the answers
 * in the middle, in the time that these took.
 */
function rateOf(ends: Float64Array, spanMs: number): number {
  const edge = Math.floor(ends.length * edgeShare);
  const [first = 0, last = 0] = [ends[edge], ends[ends.length - 1 - edge]];
  // One or two waves have no middle.
  if (ends.length < answersMin || last - first < spanMs / 2) return (ends.length * 1000) / spanMs;
  return ((ends.length - 1 - 2 * edge) * 1000) / (last - first);
}

/** From the first call to the last answer. */
export function spanOf(answered: readonly Answered[]): number {
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const { startedMs, tookMs } of answered) {
    first = Math.min(first, startedMs);
    last = Math.max(last, startedMs + tookMs);
  }
  return last - first;
}
