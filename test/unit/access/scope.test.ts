import { describe, expect, test } from "vitest";
import {
  covers,
  type Extent,
  hasAllOfType,
  hasAllWithId,
  isInScope,
  isWithinOne,
  mayHaveType,
  scopeKey,
  scopeOf,
  type WorkflowScope,
} from "../../../src/access/core/scope.ts";

const extent = (types: readonly string[] | undefined, idPrefix = ""): Extent => ({ types, idPrefix });
const samples: WorkflowScope = [extent(["sample"])];
const lab: WorkflowScope = [extent(undefined, "lab-")];
const labSamples: WorkflowScope = [extent(["sample", "order*"], "lab-")];
const several: WorkflowScope = [extent(["sample"], "lab-"), extent(["order"])];

describe("a scope", () => {
  test("of everything is everything, however it is put", () => {
    expect(scopeOf([extent(["sample"]), extent(undefined)])).toBe("all");
    expect(scopeOf(lab)).toEqual(lab);
    expect(scopeOf(samples)).toEqual(samples);
    for (const id of ["lab-1", ""]) expect(isInScope("all", { id, type: "x" })).toBe(true);
  });

  test.each<[string, WorkflowScope, string, string, boolean]>([
    ["a type", samples, "x", "sample", true],
    ["another type", samples, "x", "samples", false],
    ["a type that begins so", labSamples, "lab-1", "orders", true],
    ["a prefix", lab, "lab-1", "any", true],
    ["another id", lab, "la", "any", false],
    ["a type without the prefix", labSamples, "x", "sample", false],
    ["the second of several", several, "x", "order", true],
    ["the type of one with the id of another", several, "x", "sample", false],
    ["nothing", [], "x", "", false],
  ])("has %s or not", (_, scope, id, type, is) => {
    expect(isInScope(scope, { id, type })).toBe(is);
  });

  test("may have some of a type, and may have all of it", () => {
    const has = (scope: WorkflowScope, type: string) => [mayHaveType(scope, type), hasAllOfType(scope, type)];
    expect(has("all", "x")).toEqual([true, true]);
    expect(has(samples, "sample")).toEqual([true, true]);
    expect(has(samples, "x")).toEqual([false, false]);
    expect(has(labSamples, "sample")).toEqual([true, false]);
    expect(has(several, "order")).toEqual([true, true]);
    expect(has(several, "sample")).toEqual([true, false]);
  });

  test("has all with an id only if it asks for no type", () => {
    const has = (scope: WorkflowScope) => hasAllWithId(scope, "lab-1");
    expect([
      has("all"),
      has(lab),
      has(samples),
      has(labSamples),
      has([extent(undefined, "x")]),
      has([...samples, ...lab]),
    ]).toEqual([true, true, false, false, false, true]);
  });

  test("has a name, the same for the same", () => {
    expect(scopeKey("all")).toBe("");
    expect(new Set([samples, lab, labSamples, several].map(scopeKey)).size).toBe(4);
    expect(scopeKey([extent(["sample"])])).toBe(scopeKey(samples));
  });

  test.each<[WorkflowScope, WorkflowScope, boolean]>([
    ["all", "all", true],
    ["all", samples, true],
    [samples, "all", false],
    [samples, [], true],
    [samples, [extent(["sample"], "lab-")], true],
    [[extent(["sample"], "lab-")], samples, false],
    [samples, [extent(["sample", "order"])], false],
    [samples, lab, false],
    [lab, [extent(["x"], "lab-1")], true],
    [lab, [extent(["x"], "la")], false],
    [labSamples, [extent(["orders", "sample"], "lab-")], true],
    [labSamples, [extent(["order*"], "lab-1")], true],
    [several, [extent(["order"]), extent(["sample"], "lab-2")], true],
    [several, [extent(["order"]), extent(["sample"])], false],
  ])("%j covers %j: %s", (scope, other, is) => {
    expect(covers(scope, other)).toBe(is);
  });

  test.each([
    ["a", ["a"], true],
    ["a", ["b"], false],
    ["ab", ["a*"], true],
    ["ab", ["a"], false],
    ["a*", ["a*"], true],
    ["ab*", ["a*"], true],
    ["a*", ["ab*"], false],
    ["*", ["a*"], false],
    ["a*", ["*"], true],
    ["b", ["a", "b*"], true],
  ])("all that is like %s is like one of %j: %s", (pattern, patterns, is) => {
    expect(isWithinOne(pattern, patterns)).toBe(is);
  });
});
