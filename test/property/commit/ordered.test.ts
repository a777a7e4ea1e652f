import fc from "fast-check";
import { expect, test } from "vitest";
import { createOrdered } from "../../../src/commit/ordered.ts";

const ascending = (a: number, b: number): number => a - b;

test("ordered keys are as a sorted array would have them, whatever comes and goes", () => {
  const key = fc.integer({ min: 0, max: 4_000 });
  const change = fc.oneof(
    { weight: 3, arbitrary: fc.record({ type: fc.constant("add" as const), key }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), key }) },
    // More than a chunk holds, in either direction.
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("up" as const, "down" as const, "clear" as const), key }) },
  );
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 60 }),
      fc.option(key, { nil: undefined }),
      fc.nat(1_500),
      (changes, before, limit) => {
        const ordered = createOrdered<number>(ascending);
        const model = new Set<number>();
        const add = (each: number): void => {
          if (!model.has(each)) ordered.add(each);
          model.add(each);
        };
        const drop = (each: number): void => {
          ordered.delete(each);
          model.delete(each);
        };
        for (const { type, key: at } of changes) {
          if (type === "add") add(at);
          else if (type === "delete") drop(at);
          else for (let i = 0; i < 700; i += 1) (type === "clear" ? drop : add)(type === "down" ? at - i : at + i);
        }
        const sorted = [...model].sort(ascending);
        expect(ordered.size).toBe(sorted.length);
        expect(ordered.first).toBe(sorted[0]);
        expect(ordered.firsts(limit)).toEqual(sorted.slice(0, limit));
        const expected = sorted.filter((each) => before === undefined || each < before).reverse();
        expect(ordered.before(before, limit)).toEqual(expected.slice(0, limit));
      },
    ),
    { numRuns: 200 },
  );
});
