import type { DurationMs, TimeMs } from "../../kernel/time.ts";

/**
 * A stretch of time in which a store was open and the wall clock went on evenly. Stores count the age of what they keep in open time, so
 * that a wall clock that is set ahead, at whatever time, makes nothing old.
 */
export type Span = {
  /** On the wall clock. */
  readonly startedAtMs: TimeMs;
  /** For how long the store had been open before it, in all its life. */
  readonly ageMs: DurationMs;
  readonly lengthMs: DurationMs;
};

/** Clocks are slewed, and timers are late. What is less than this makes no difference to an age of hours. */
const unevenMs = 60_000;

/** For how long the store has been open, in all its life. */
export function ageOf(spans: readonly Span[]): DurationMs {
  const last = spans.at(-1);
  return last ? last.ageMs + last.lengthMs : 0;
}

/** The store is open from now on. In the order of age. */
export function opened(spans: readonly Span[], wallMs: TimeMs): readonly Span[] {
  return [...spans, { startedAtMs: wallMs, ageMs: ageOf(spans), lengthMs: 0 }];
}

/** Time has passed, and the wall clock says so too, or begins another span. */
export function passed(spans: readonly Span[], { wallMs, passedMs }: { wallMs: TimeMs; passedMs: DurationMs }): readonly Span[] {
  const last = spans.at(-1);
  if (last === undefined) return spans;
  const lengthMs = last.lengthMs + passedMs;
  if (Math.abs(wallMs - (last.startedAtMs + lengthMs)) < unevenMs) return [...spans.slice(0, -1), { ...last, lengthMs }];
  return [...spans, { startedAtMs: wallMs - passedMs, ageMs: ageOf(spans), lengthMs: passedMs }];
}

/** All that was stamped before this time has been kept for so long while the store was open. */
export function keptBeforeMs(spans: readonly Span[], retentionMs: DurationMs): TimeMs {
  const oldEnoughMs = ageOf(spans) - retentionMs;
  const index = spans.findLastIndex(({ ageMs }) => ageMs <= oldEnoughMs);
  const span = spans[index];
  if (span === undefined) return 0;
  // When a clock that was ahead was set right, what came later bears an earlier time.
  const later = spans.slice(index + 1).map(({ startedAtMs }) => startedAtMs - unevenMs);
  return Math.min(span.startedAtMs + Math.min(oldEnoughMs - span.ageMs, span.lengthMs), ...later);
}

/** What nothing is kept long enough to need. */
export function withoutOlder(spans: readonly Span[], retentionMs: DurationMs): readonly Span[] {
  const oldestMs = ageOf(spans) - retentionMs;
  return spans.filter(({ ageMs, lengthMs }) => ageMs + lengthMs >= oldestMs);
}
