import { expect, test } from "vitest";
import { createStoreAge } from "../../../../src/storage/sqlite/store-age.ts";
import { virtualClock } from "../../commit/support.ts";

const day = 24 * 3_600_000;
const row = (ageMs: number, startedAtMs: number, lengthMs: number) => ({
  age_ms: ageMs,
  started_at_ms: startedAtMs,
  length_ms: lengthMs,
});
const save = (...params: readonly number[]) => ({ sql: expect.stringMatching(/^INSERT OR REPLACE/), params });
const drop = (ageMs: number) => ({ sql: expect.stringMatching(/^DELETE/), params: [ageMs] });

test("what has passed is counted when it is looked at, and is due to be saved each minute", () => {
  const clock = virtualClock(1_000_000);
  const age = createStoreAge([row(0, 10, 500)], clock);
  expect([age.isDue, age.keptBeforeMs(0)]).toEqual([false, 1_000_000]);
  clock.stall(59_999);
  expect(age.isDue).toBe(false);
  age.look();
  expect([age.isDue, age.keptBeforeMs(0)]).toEqual([false, 1_059_999]);
  clock.stall(1);
  age.look();
  expect(age.isDue).toBe(true);
  expect(age.unsaved()).toEqual([drop(0), save(500, 1_000_000, 60_000)]);
  expect(age.isDue).toBe(true);
  age.saved();
  expect([age.isDue, age.unsaved()]).toEqual([false, [drop(0)]]);
  // Someone sets the clock: from then on it counts anew.
  clock.setBy(day);
  clock.stall(60_000);
  age.look();
  expect(age.unsaved()).toEqual([drop(0), save(60_500, 1_060_000 + day, 60_000)]);
});

test("what nothing is kept for so long as to need is dropped", () => {
  const clock = virtualClock(100 * day);
  const age = createStoreAge([row(0, 0, day), row(day, 2 * day, day), row(2 * day, 4 * day, 59 * day)], clock);
  // The age is 61 days: the first ended 60 days before.
  expect(age.unsaved()).toEqual([drop(0)]);
  clock.stall(60_000);
  age.look();
  expect(age.unsaved()).toEqual([drop(day), save(61 * day, 100 * day, 60_000)]);
});
