import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../../src/runtime/clock.ts";

const dayMs = 24 * 3_600_000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("a timer of 60 days, longer than Node's can be,", () => {
  test("runs after 60 days, once", () => {
    const run = vi.fn();
    systemClock.setTimer(60 * dayMs, run);
    vi.advanceTimersByTime(60 * dayMs - 1);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("can be cancelled after 30", () => {
    const run = vi.fn();
    const cancel = systemClock.setTimer(60 * dayMs, run);
    vi.advanceTimersByTime(30 * dayMs);
    cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});
