import { expect, test } from "vitest";
import { ruleSetLimits } from "../../../../src/predicate/core/rule-set/limits.ts";
import { droppedVersions, unknownMove } from "../../../../src/predicate/core/rule-set/rule-changes.ts";
import { by, create, engineOver, id } from "../../../support/engine-values.ts";
import { ruleOf } from "../../../support/rule-values.ts";

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

test("100 versions that were never used are kept, the newest", () => {
  const written = ruleOf({ version: 101 });
  const after = { newest: written, active: undefined, shadow: undefined, givenUp: false };
  expect(droppedVersions(upTo(99), [written], after, ruleSetLimits)).toEqual([]);
  expect(droppedVersions(upTo(100), [written], after, ruleSetLimits)).toEqual([1]);
  expect(droppedVersions(upTo(100), [written], { ...after, active: written }, ruleSetLimits)).toEqual([]);
  expect(droppedVersions(upTo(100), [written], { ...after, shadow: ruleOf({ version: 50 }) }, ruleSetLimits)).toEqual([]);
});

test("the first of its moves that a rule cannot be asked about is named", () => {
  const [move, none] = [
    { from: "ACTIVE", to: "PAUSED" },
    { from: "COMPLETED", to: undefined },
  ] as const;
  const of = (operations: readonly ("TRANSITION" | "UPDATE")[], moves: readonly (typeof move | typeof none)[]) =>
    unknownMove(ruleOf({ operations, moves }));
  expect([of(["TRANSITION"], []), of(["TRANSITION"], [move]), of(["TRANSITION"], [move, none])]).toEqual([
    ...[undefined, undefined, "moves[1]"],
  ]);
  // One that is for updates is asked about no move.
  expect([of(["UPDATE"], []), of(["UPDATE"], [move, move]), of(["UPDATE", "TRANSITION"], [move])]).toEqual([
    ...[undefined, "moves[0]", undefined],
  ]);
});

test("what judged once is kept, however many versions come after it", async () => {
  const engine = await engineOver(undefined, { unusedVersions: 2 });
  await engine.createRule(create("cold", { expression: "0 < 1" }));
  await engine.activate({ id: id("cold"), ...by });
  for (let count = 1; count <= 4; count += 1) await engine.updateRule(create("cold", { expression: `${count} < 9` }));
  const kept = (await engine.listVersions({ id: id("cold"), beforeVersion: undefined, limit: 10 })).rows;
  expect(kept.map(({ version }) => version.version)).toEqual([5, 4, 1]);
});
