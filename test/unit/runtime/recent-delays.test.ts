import { expect, test } from "vitest";
import { createRecentDelays, recentMs } from "../../../src/runtime/recent-delays.ts";

const close = (ms: number) => expect.closeTo(ms, 0);

test("nothing was late before anything is known", () => {
  expect(createRecentDelays().p99Ms()).toBe(0);
});

test("what one reader has read, the next reads too", () => {
  const delays = createRecentDelays();
  for (let ms = 1; ms <= 100; ms += 1) delays.record(ms, ms);
  expect([delays.p99Ms(), delays.p99Ms()]).toEqual([close(99), close(99)]);
});

test("what is more than a minute old is forgotten, and nothing of the last half minute", () => {
  const delays = createRecentDelays();
  delays.record(80, 0);
  delays.record(0, recentMs);
  expect(delays.p99Ms()).toEqual(close(80));
  delays.record(0, 2 * recentMs);
  expect(delays.p99Ms()).toEqual(close(0));
});
