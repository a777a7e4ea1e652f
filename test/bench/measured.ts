/** A call that was answered, as the load generator saw it. */
export type Answered = { readonly startedMs: number; readonly tookMs: number };

/** Of all calls that were answered, whatever the answer. */
export type Measured = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number };

/** `tookMs`: of each call that was answered within this time. */
export function summarize(tookMs: readonly number[], spanMs: number): Measured {
  const sorted = Float64Array.from(tookMs).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { perSecond: (sorted.length * 1000) / spanMs, p50Ms: at(0.5), p99Ms: at(0.99) };
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
