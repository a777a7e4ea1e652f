import { expect, test } from "vitest";
import { spanOf, summarize } from "../../bench/measured.ts";

/** One after the other, and each a millisecond longer under way than the one before. */
const answered = Array.from({ length: 100 }, (_, index) => ({ startedMs: 10_000, tookMs: index + 1 }));

test("the rate is that of the answers in the middle, and latencies are of all", () => {
  expect(summarize(answered, 120)).toEqual({ perSecond: 1_000, p50Ms: 51, p99Ms: 100 });
});

test("few answers are counted over the whole time, and so are those that come all at once", () => {
  expect(summarize(answered.slice(0, 10), 5_000).perSecond).toBe(2);
  const atOnce = answered.map((_, index) => ({ startedMs: 10_000, tookMs: 7 + index / 100 }));
  expect(summarize(atOnce, 1_000).perSecond).toBe(100);
});

test("calls span from the first of them to the last answer", () => {
  expect(spanOf(answered)).toBe(100);
});
