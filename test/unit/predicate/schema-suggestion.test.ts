import { expect, test } from "vitest";
import { suggestion } from "../../../src/predicate/core/schema/suggestion.ts";

const names = ["temperature", "pressure"];
const runWith = (budgetNames: number) => ({ budget: { steps: 1_000, names: budgetNames }, findings: undefined });

test("what was meant is told, as long as names may be looked at, each of which costs steps", () => {
  const run = runWith(4);
  expect([suggestion("temprature", names, run), run.budget]).toEqual(['; did you mean "temperature"?', { steps: 900, names: 2 }]);
  expect([suggestion("colour", names, run), run.budget]).toEqual(["", { steps: 800, names: 0 }]);
  expect([suggestion("temprature", names, run), run.budget]).toEqual(["", { steps: 800, names: 0 }]);
});
