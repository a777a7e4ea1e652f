import { expect, test } from "vitest";
import type { Json } from "../../../src/kernel/json.ts";
import { canonical } from "../../../src/predicate/core/schema/equal.ts";
import { isOver, spend } from "../../../src/predicate/core/schema/run.ts";

/** What comparing a value has cost, of this many steps. */
function costOf(value: Json, steps = 10_000): number {
  const budget = { steps, names: 0 };
  canonical(value, { budget, findings: undefined });
  return steps - budget.steps;
}

test("a value costs a step, a long text more, and what is put together of them once more", () => {
  expect([costOf(null), costOf(7), costOf("x".repeat(16)), costOf("x".repeat(160))]).toEqual([1, 1, 2, 11]);
  // Each text with its marks, and the comma.
  expect(costOf(["x".repeat(16), "y".repeat(16)])).toBeCloseTo(2 * 2 + 1 + (2 * 18 + 1) / 16);
  expect(costOf([[7]])).toBeCloseTo(1 + 1 + 1 / 16 + 1 + 3 / 16);
  expect(costOf({ a: 1, b: 2 })).toBeGreaterThan(costOf([1, 2]));
});

test("as many steps as there are can be spent, and not one more", () => {
  const run = { budget: { steps: 3, names: 0 }, findings: undefined };
  expect([spend(run, 3), isOver(run)]).toEqual([true, false]);
  expect([spend(run, 1), isOver(run)]).toEqual([false, true]);
});

test("equal values have one text, others another", () => {
  const textOf = (value: Json): string => canonical(value, { budget: { steps: 1_000, names: 0 }, findings: undefined });
  expect(textOf({ a: 1, b: [0] })).toBe(textOf({ b: [-0], a: 1 }));
  const texts = [1, "1", [1], { a: 1 }, null, "null", true, "true", [1, 2], [[1], 2], ["1,2"]].map(textOf);
  expect(new Set(texts).size).toBe(texts.length);
});
