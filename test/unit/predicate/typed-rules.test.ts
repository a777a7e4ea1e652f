import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { lastOf } from "../../../src/predicate/core/compile-rule.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { compileContents } from "../../../src/predicate/core/rule-set.ts";
import type { WorkflowType } from "../../../src/predicate/core/types.ts";
import { metadataViolations } from "../../../src/predicate/core/workflow-types.ts";
import { checkOf, contentsOf, factOf, ruleOf, ruleSetWith } from "../../support/rule-values.ts";

const typeOf = (name: string, properties: JsonObject): WorkflowType => ({
  name,
  version: 1,
  description: "",
  metadataSchema: { type: "object", properties },
  createdAtMs: 1,
  createdBy: "lab",
});

const order = typeOf("order", { count: { type: "integer" }, price: { type: "number" } });
const sample = typeOf("sample", { celsius: { type: "number" } });
const anOrder = checkOf({ workflow: { type: "order", metadata: { count: 3, price: 2 } } });

const problemsOf = (workflowTypes: readonly string[], expression: string) =>
  lastOf(
    compileContents(contentsOf({ workflowTypes: [order, sample], active: [ruleOf({ workflowTypes, expression })] })),
  ).problems.map(({ error }) => error.message);

test("a rule for certain types is checked against the schema of each of them", () => {
  expect(problemsOf(["order"], "workflow.metadata.count > 1")).toEqual([]);
  expect(problemsOf(["order"], "workflow.metadata.cuont > 1")).toEqual([expect.stringContaining("count")]);
  expect(problemsOf(["order", "sample"], "workflow.metadata.count > 1")).toEqual([expect.stringContaining("count")]);
  expect(problemsOf(["sample", "order"], "workflow.metadata.count > 1")).toEqual([expect.stringContaining("count")]);
  expect(problemsOf(["order", "sample"], "workflow.metadata == {}")).toEqual([]);
  expect(problemsOf(["order"], "workflow.metadata.count == 'many'")).toHaveLength(1);
  expect(problemsOf([], "workflow.metadata.cuont > 1")).toEqual([]);
  expect(problemsOf(["unknown"], "workflow.metadata.cuont > 1")).toEqual([]);
});

test("what is wrong for several types is told of the first", () => {
  const both = "workflow.metadata.count > 1 && workflow.metadata.celsius > 1.0";
  expect(problemsOf(["order", "sample"], both)).toEqual([expect.stringMatching(/^unknown field "celsius"/)]);
  expect(problemsOf(["sample", "order"], both)).toEqual([expect.stringMatching(/^unknown field "count"/)]);
});

test("it sees an integer as int; a rule for all types sees every number as double, whatever the type", () => {
  const set = ruleSetWith({
    workflowTypes: [order],
    facts: [factOf("double", "type(workflow.metadata.count) == double")],
    active: [
      ruleOf({ id: "typed", workflowTypes: ["order"], expression: "workflow.metadata.count + 1 == 4 && facts.double" }),
      ruleOf({ id: "any", expression: "workflow.metadata.count + 1.0 == 4.0 && facts.double" }),
    ],
  });
  expect(judge(set, anOrder)).toMatchObject({ type: "allowed" });
});

test("a text that may be a number is to be converted; a word is none", () => {
  const problemOf = (values: readonly string[]) => {
    const graded = typeOf("graded", { grade: { enum: [...values] } });
    const active = [ruleOf({ workflowTypes: ["graded"], expression: "workflow.metadata.grade > 1" })];
    return lastOf(compileContents(contentsOf({ workflowTypes: [graded], active }))).problems.map(({ error }) => error.message);
  };
  const wrong = 'there is no ">" for a string and an int';
  expect(problemOf(["1", "2"])).toEqual([`${wrong}; write int(workflow.metadata.grade) > 1`]);
  expect(problemOf(["two", "1"])).toEqual([`${wrong}; write int(workflow.metadata.grade) > 1`]);
  expect(problemOf(["one", "two"])).toEqual([wrong]);
});

test("a rule is checked again when a schema changes", () => {
  const active = [ruleOf({ workflowTypes: ["order"], expression: "workflow.metadata.count + 1 == 4" })];
  const before = ruleSetWith({ workflowTypes: [order], active });
  const { metadataSchema } = typeOf("order", { count: { type: "string" } });
  const changed = { ...order, version: 2, metadataSchema };
  expect(lastOf(compileContents(contentsOf({ workflowTypes: [changed], active }), before)).problems).toHaveLength(1);
  expect(
    lastOf(compileContents(contentsOf({ workflowTypes: [order], active }), before)).ruleSet.compiled.get(active[0] as never),
  ).toBe(before.compiled.get(active[0] as never));
});

test("and when there is one type more, or one fewer", () => {
  const active = [ruleOf({ workflowTypes: ["order", "sample"], expression: "workflow.metadata.celsius > 1.0" })];
  const before = ruleSetWith({ workflowTypes: [sample], active });
  for (const [workflowTypes, count] of [
    [[sample, order], 1],
    [[], 0],
  ] as const) {
    const { ruleSet, problems } = lastOf(compileContents(contentsOf({ workflowTypes, active }), before));
    expect(problems).toHaveLength(count);
    expect(ruleSet.compiled.get(active[0] as never)).not.toBe(before.compiled.get(active[0] as never));
  }
});

test("a fact has the type of its expression", () => {
  const facts = [factOf("limit", "8"), factOf("name", "'x'")];
  const problems = (expression: string) =>
    lastOf(compileContents(contentsOf({ facts, active: [ruleOf({ expression })] }))).problems.length;
  expect([problems("facts.limit > 3"), problems("facts.name > 3"), problems("facts.nmae == 'x'")]).toEqual([0, 1, 1]);
});

describe("metadata", () => {
  const violationsOf = (schema: JsonObject | undefined, metadata: JsonObject) => {
    const workflowType = { ...order, metadataSchema: schema };
    const compiled = lastOf(compileContents(contentsOf({ workflowTypes: [workflowType] })));
    return metadataViolations(compiled.ruleSet.workflowTypes, "order", metadata);
  };

  test("is as the schema of its type has it, or anything where there is none", () => {
    const { metadataSchema = {} } = order;
    expect(violationsOf(metadataSchema, { count: 3 })).toEqual([]);
    expect(violationsOf(metadataSchema, { count: 2.5 })).toMatchObject([{ path: "metadata.count" }]);
    expect(violationsOf(undefined, { count: "many" })).toEqual([]);
    expect(metadataViolations(new Map(), "other", { count: "many" })).toEqual([]);
  });

  test("is never right by a schema that cannot be used, or that takes too long", () => {
    // The first of its problems, also where there are several.
    for (const schema of [{ type: "objekt" }, { type: "objekt", requred: [] }]) {
      expect(violationsOf(schema, {})).toEqual([
        { path: "metadata", message: 'the schema of "order" cannot be used: there is no type "objekt"; write object' },
      ]);
    }
    const nested = (depth: number): JsonObject =>
      depth === 0 ? { type: "string" } : { anyOf: [nested(depth - 1), nested(depth - 1)] };
    const dear: JsonObject = { type: "object", additionalProperties: nested(7) };
    const many = Object.fromEntries(Array.from({ length: 4_900 }, (_, index) => [`k${index}`, index]));
    expect(violationsOf(dear, many)).toMatchObject([{ path: "metadata", message: expect.stringContaining("steps to compare") }]);
  });
});
