import fc from "fast-check";
import { v4, v7, validate } from "uuid";
import { expect, test } from "vitest";
import { createIncreasingIds } from "../../../src/runtime/increasing-ids.ts";

test("ids increase whatever the clock says, also over restarts", () => {
  const times = fc.array(fc.oneof(fc.nat(5), fc.nat(2 ** 42)), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(times, { minLength: 1 }), (runs) => {
      const made: string[] = [];
      for (const clock of runs) {
        let at = 0;
        const next = createIncreasingIds(() => clock[at] ?? 0, made.at(-1));
        for (; at < clock.length; at += 1) made.push(next(), next());
      }
      expect(made).toEqual([...new Set(made)].sort());
      expect(made.every((id) => validate(id))).toBe(true);
    }),
  );
});

test("they have the time of the clock, unless that was set back", () => {
  const next = createIncreasingIds(() => 0x123456789abc, v7({ msecs: 5 }));
  expect(next()).toMatch(/^12345678-9abc-7/);
  expect(createIncreasingIds(() => 7, v7({ msecs: 0x123456789abc }))()).toMatch(/^12345678-9abd-7/);
});

test.each([undefined, "", "t000001", v4()])("after %s they begin with the clock", (newest) => {
  expect(createIncreasingIds(() => 0x123456789abc, newest)()).toMatch(/^12345678-9abc-7/);
});
