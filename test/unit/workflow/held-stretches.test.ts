import { expect, test } from "vitest";
import { createHeldStretches } from "../../../src/workflow/held-stretches.ts";
import { event, workflow } from "../../support/storage-values.ts";

const rows = ["a", "b"].map((id, index) => ({ ...event(workflow(id)), sequence: index + 1 }));

/** Looks when the test says so. */
function world() {
  const timers: (() => void)[] = [];
  const hold = createHeldStretches(
    {
      setTimer: (_, run) => {
        timers.push(run);
        return () => {};
      },
    },
    1_000,
  );
  return {
    hold,
    timers,
    look: () => {
      for (const run of timers.splice(0)) run();
    },
  };
}

test("a stretch stays as long as it is used between two looks, and not longer", () => {
  const { hold, look } = world();
  const used = hold(rows);
  const left = hold(rows);
  look();
  expect([used.isHeld, left.isHeld]).toEqual([true, true]);
  expect(used.at(0)).toBe(rows[0]);
  look();
  expect([used.isHeld, left.isHeld]).toEqual([true, false]);
  expect([used.at(1), left.at(0)]).toEqual([rows[1], undefined]);
  look();
  expect(used.isHeld).toBe(true);
  look();
  expect(used.isHeld).toBe(false);
});

test("there is one timer while something is held, and none while nothing is", () => {
  const { hold, look, timers } = world();
  expect(timers).toHaveLength(0);
  const stretches = [hold(rows), hold(rows)];
  expect(timers).toHaveLength(1);
  for (const stretch of stretches) stretch.letGo();
  expect(stretches[0]?.at(0)).toBeUndefined();
  look();
  expect(timers).toHaveLength(0);
  hold(rows);
  expect(timers).toHaveLength(1);
  look();
  expect(timers).toHaveLength(1);
});
