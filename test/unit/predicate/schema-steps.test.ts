import { expect, test } from "vitest";
import type { Json } from "../../../src/kernel/json.ts";
import { compileNodes } from "../../../src/predicate/core/schema/compile.ts";
import { type Findings, holds, type Node, type Run } from "../../../src/predicate/core/schema/run.ts";

const draft7 = "http://json-schema.org/draft-07/schema";
const long = "x".repeat(32);

function nodeOf(schema: Json): Node {
  const node = compileNodes(schema);
  if (!node.ok) throw new Error(JSON.stringify(node.error));
  return node.value;
}

/** Whether it holds, and what is left of so many steps. */
function judged(node: Node, value: Json, steps: number, isTold: boolean) {
  const findings: Findings | undefined = isTold ? { first: [], wanted: 2, count: 0 } : undefined;
  const run: Run = { budget: { steps, names: 500 }, findings };
  return { isSo: holds(node, value, { within: undefined, key: "metadata" }, run), left: run.budget.steps, findings };
}

// A validation holds the event loop: its steps are its only bound. The last two columns are those of an answer, and of an answer with reasons.
test.each<[Json, Json, boolean, number, number]>([
  [{}, 1, true, 1, 1],
  [true, 1, true, 1, 1],
  [{ type: "number" }, 1, true, 2, 2],
  [{ minimum: 1, maximum: 3 }, 2, true, 3, 3],
  [{ multipleOf: 2 }, 4, true, 2, 2],
  [{ multipleOf: 0.5 }, 4, true, 52, 52],
  [{ multipleOf: 0.5 }, 4.5, true, 52, 52],
  [{ multipleOf: 2 }, 4.5, false, 52, 102],
  [{ minLength: 2 }, long, true, 4, 4],
  [{ maxLength: 40 }, long, true, 4, 4],
  [{ pattern: "^x+$" }, long, true, 200, 200],
  [{ format: "date" }, "2026-01-31", true, 17, 17],
  [{ const: long }, long, true, 5, 5],
  [{ enum: ["a", "b"] }, "b", true, 3.06, 3.06],
  [{ minItems: 1, maxItems: 5 }, [1, 2], true, 3, 3],
  [{ uniqueItems: true }, [1, 2, 3], true, 5, 5],
  [{ uniqueItems: true }, [1, 1, 3], false, 4, 54],
  [{ items: { type: "number" } }, [1, 2, 3], true, 8, 8],
  [{ items: { type: "number" } }, ["x", 2, 3], false, 4, 58],
  [{ prefixItems: [true, { type: "number" }], items: { type: "string" } }, [1, 2, "x", "y"], true, 10, 10],
  [{ contains: { const: 1 } }, [2, 1, 3], true, 11, 11],
  [{ properties: { a: { type: "number" }, b: true } }, { a: 1, b: 2, c: 3 }, true, 11, 11],
  [{ properties: { a: { type: "number" }, b: { type: "number" } } }, { a: "x", b: "y", c: 3 }, false, 10, 112],
  [{ patternProperties: { "^a": { type: "number" } } }, { a: 1, b: 2 }, true, 24, 24],
  [{ patternProperties: { "^a": { type: "number" } } }, { a: "1", ab: "2" }, false, 16, 130],
  [{ properties: { a: true }, additionalProperties: { type: "number" } }, { a: 1, b: 2 }, true, 14, 14],
  [{ properties: { a: true }, additionalProperties: false }, { a: 1, b: 2, c: 3 }, false, 16, 216],
  [{ patternProperties: { "^a": true }, additionalProperties: false }, { a: 1, ab: 2 }, true, 53, 53],
  [{ propertyNames: { maxLength: 2 } }, { a: 1, b: 2 }, true, 10.13, 10.13],
  [{ minProperties: 1, maxProperties: 3 }, { a: 1, b: 2 }, true, 11, 11],
  [{ required: ["a", "b"] }, { a: 1, b: 2 }, true, 4, 4],
  [{ required: ["a", "b"] }, {}, false, 4, 104],
  [{ dependentRequired: { a: ["b", "c"], d: ["e"] } }, { a: 1, b: 1, c: 1 }, true, 6, 6],
  [{ dependentSchemas: { a: { required: ["b"] } } }, { a: 1, b: 1 }, true, 6, 6],
  [{ $schema: draft7, dependencies: { a: ["b"], c: { required: ["d"] } } }, { a: 1, b: 1, c: 1, d: 1 }, true, 8, 8],
  [{ allOf: [{ type: "number" }, { minimum: 1 }] }, 2, true, 6, 6],
  [{ allOf: [{ type: "string" }, { minimum: 3 }] }, 2, false, 4, 106],
  [{ anyOf: [{ type: "string" }, { minimum: 1 }] }, 2, true, 6, 6],
  [{ anyOf: [{ type: "string" }, { minimum: 3 }, { const: 5 }, { const: 6 }] }, 2, false, 12, 219],
  [{ oneOf: [{ type: "string" }, { minimum: 1 }] }, 2, true, 6, 6],
  [{ oneOf: [{ type: "string" }, { minimum: 3 }] }, 2, false, 6, 160],
  [{ oneOf: [true, true, { type: "string" }] }, 2, false, 4, 54],
  [{ not: { type: "string" } }, 2, true, 4, 4],
  [{ not: { type: "string" } }, "x", false, 4, 54],
  [JSON.parse(`{"if": {"type": "number"}, "then": {"minimum": 3}, "else": {"minLength": 2}}`), 4, true, 6, 6],
  [JSON.parse(`{"if": {"type": "number"}, "then": {"minimum": 3}, "else": {"minLength": 2}}`), "x", false, 6.06, 56.06],
  [{ $ref: "#/$defs/n", $defs: { n: { type: "number" } } }, 2, true, 4, 4],
  [{ type: "number" }, "x", false, 2, 52],
])("%j of %j is %s: %d steps, told %d", (schema, value, isSo, quietly, told) => {
  const node = nodeOf(schema);
  for (const [steps, isTold] of [
    [quietly, false],
    [told, true],
  ] as const) {
    const spent = judged(node, value, 10_000, isTold);
    expect([spent.isSo, Math.round(100 * (10_000 - spent.left)) / 100]).toEqual([isSo, steps]);
    expect(spent.findings === undefined || spent.findings.count > 0).toBe(!(isSo && isTold));
  }
  // With fewer it ends short, whatever it answers, and is known to.
  for (let steps = 0; steps < told; steps += 1) {
    if (steps < quietly) expect([steps, judged(node, value, steps, false).left < 0]).toEqual([steps, true]);
    expect([steps, judged(node, value, steps, true).left < 0]).toEqual([steps, true]);
  }
});
