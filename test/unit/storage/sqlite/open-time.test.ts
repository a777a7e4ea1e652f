import { describe, expect, test } from "vitest";
import { ageOf, keptBeforeMs, opened, passed, type Span, withoutOlder } from "../../../../src/storage/sqlite/open-time.ts";

const span = (startedAtMs: number, ageMs: number, lengthMs: number): Span => ({ startedAtMs, ageMs, lengthMs });

const minute = 60_000;

test("the age is what all spans have come to; what is opened begins a span there", () => {
  expect([ageOf([]), ageOf([span(0, 0, 5), span(100, 7, 8)])]).toEqual([0, 15]);
  expect(opened([], 100)).toEqual([span(100, 0, 0)]);
  expect(opened([span(0, 3, 5)], 100)).toEqual([span(0, 3, 5), span(100, 8, 0)]);
});

describe("time that has passed", () => {
  const before = [span(0, 0, 5), span(1_000_000, 5, 1_000)];

  test.each([-minute + 1, 0, minute - 1])("goes on with the span, if the wall clock is %d ms off", (offMs) => {
    const after = passed(before, { wallMs: 1_003_000 + offMs, passedMs: 2_000 });
    expect(after).toEqual([span(0, 0, 5), span(1_000_000, 5, 3_000)]);
  });

  test.each([-minute, minute])("begins another span, if it is %d ms off", (offMs) => {
    const after = passed(before, { wallMs: 1_003_000 + offMs, passedMs: 2_000 });
    expect(after).toEqual([...before, span(1_001_000 + offMs, 1_005, 2_000)]);
  });

  test("is nothing to what was never opened", () => {
    expect(passed([], { wallMs: 1, passedMs: 1 })).toEqual([]);
  });
});

describe("kept for so long is", () => {
  const spans = [span(1_000_000, 0, 100_000), span(5_000_000, 100_000, 50_000)];

  test.each([
    { retentionMs: 150_001, beforeMs: 0 },
    { retentionMs: 150_000, beforeMs: 1_000_000 },
    { retentionMs: 50_001, beforeMs: 1_099_999 },
    { retentionMs: 50_000, beforeMs: 5_000_000 },
    { retentionMs: 0, beforeMs: 5_050_000 },
  ])("of $retentionMs ms what was before $beforeMs", ({ retentionMs, beforeMs }) => {
    expect(keptBeforeMs(spans, retentionMs)).toBe(beforeMs);
  });

  test("nothing, where nothing was ever open", () => {
    expect(keptBeforeMs([], 0)).toBe(0);
  });

  test("no more than a span is long, if some of it was lost", () => {
    expect(keptBeforeMs([span(1_000_000, 0, 10), span(5_000_000, 100, 0)], 50)).toBe(1_000_010);
  });

  test("nothing of what may have come after a clock was set right", () => {
    expect(keptBeforeMs([span(1_000_000, 0, 100_000), span(800_000, 100_000, 50_000)], 50_001)).toBe(800_000 - minute);
  });
});

test("what ended before anything is kept is left out, and what ended just then is not", () => {
  const spans = [span(0, 0, 10), span(100, 10, 10), span(200, 20, 10)];
  expect(withoutOlder(spans, 10)).toEqual(spans.slice(1));
  expect(withoutOlder(spans, 9)).toEqual(spans.slice(2));
  expect(withoutOlder(spans, 30)).toEqual(spans);
});
