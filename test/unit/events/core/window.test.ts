import fc from "fast-check";
import { expect, test } from "vitest";
import { createWindow } from "../../../../src/events/core/window.ts";

test("in whatever order events are done with, the cursor is the last one up to which all are", () => {
  const gaps = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.nat(100), gaps, fc.infiniteStream(fc.nat()), (after, steps, choices) => {
      const window = createWindow(after);
      const added: number[] = [];
      for (const step of steps) added.push((added.at(-1) ?? after) + step);
      for (const sequence of added) window.add(sequence);
      const open = [...added];
      while (open.length > 0) {
        const [done] = open.splice(Number(choices.next().value) % open.length, 1);
        const before = window.cursor;
        const moved = window.done(done ?? 0);
        const head = open[0];
        const expected = head === undefined ? added.at(-1) : (added[added.indexOf(head) - 1] ?? after);
        expect([window.cursor, window.head, moved]).toEqual([expected, head, before !== expected]);
      }
    }),
  );
});

test("what is out of order, or done with twice, is a defect", () => {
  const window = createWindow(3);
  window.add(5);
  expect(() => window.add(5)).toThrow("EventsInOrder");
  window.done(5);
  expect(() => window.done(5)).toThrow("done with once");
});
