import { expect, test } from "vitest";
import { afterSilence } from "../../../src/runtime/silence.ts";

/** A clock whose timers fire as late as the test says. */
function fakeClock() {
  let nowMs = 0;
  let timer: { readonly dueMs: number; readonly run: () => void } | undefined;
  return {
    monotonicMs: () => nowMs,
    setTimer(delayMs: number, run: () => void) {
      timer = { dueMs: nowMs + delayMs, run };
      return () => {
        timer = undefined;
      };
    },
    nowMs: () => nowMs,
    /** The next timer fires, that much late. */
    fire(lateMs = 0): boolean {
      const next = timer;
      timer = undefined;
      if (next === undefined) return false;
      nowMs = next.dueMs + lateMs;
      next.run();
      return true;
    },
  };
}

test("runs after the time, if this process was listening all the while", () => {
  const clock = fakeClock();
  const ended: number[] = [];
  afterSilence(clock, 1_000, () => ended.push(clock.nowMs()));
  while (clock.fire(5));
  expect(ended).toEqual([1_050]);
});

test("a part in which this process was stopped or busy does not count, so what came meanwhile is read first", () => {
  const clock = fakeClock();
  const ended: number[] = [];
  afterSilence(clock, 1_000, () => ended.push(clock.nowMs()));
  for (let part = 0; part < 9; part += 1) clock.fire();
  clock.fire(60_000);
  expect(ended).toEqual([]);
  clock.fire();
  expect(ended).toEqual([61_100]);
});

test("does not run once it is cancelled", () => {
  const clock = fakeClock();
  const cancel = afterSilence(clock, 1_000, () => expect.unreachable());
  clock.fire();
  cancel();
  expect(clock.fire()).toBe(false);
});
