import { expect, test } from "vitest";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { evaluateBool } from "../../../src/predicate/core/evaluate.ts";
import { checkOf } from "../../support/rule-values.ts";

const operands = [
  ...["workflow.metadata.n", "workflow.metadata.t", "workflow.metadata.z", "workflow.version", "now"],
  ...["1", "2.5", "'5'", "'x'", "duration('1h')", "1u"],
];
const bindings = bindingsOf(checkOf({ workflow: { metadata: { n: 3, t: "5", z: null } } }));

/** What is said to write instead, before there are data, or when it is evaluated. */
function adviceOn(source: string): string | undefined {
  const compiled = compile(source, ruleVariables, "bool");
  const result = compiled.ok ? evaluateBool(compiled.value, bindings) : undefined;
  const error = compiled.ok ? (result?.ok === false ? result.error : "") : compiled.error.message;
  return /; (.*)$/.exec(error)?.[1];
}

// Of each two. What is not here fits, or nothing can be written to make it fit.
test("what to write of two that do not fit", () => {
  const found: Record<string, string> = {};
  for (const operator of ["<", "+"]) {
    for (const left of operands) {
      for (const right of operands) {
        const pair = `${left} ${operator} ${right}`;
        const advice = adviceOn(operator === "<" ? pair : `[${pair}].size() == 1`);
        if (advice !== undefined) found[pair] = advice;
      }
    }
  }
  expect(found).toEqual({
    "workflow.metadata.n < workflow.metadata.t": "write workflow.metadata.n < double(workflow.metadata.t)",
    "workflow.metadata.n < '5'": "write workflow.metadata.n < 5",
    "workflow.metadata.t < workflow.metadata.n": "write double(workflow.metadata.t) < workflow.metadata.n",
    "workflow.metadata.t < workflow.version": "write int(workflow.metadata.t) < workflow.version",
    "workflow.metadata.t < 1": "write int(workflow.metadata.t) < 1",
    "workflow.metadata.t < 2.5": "write double(workflow.metadata.t) < 2.5",
    "workflow.metadata.z < workflow.metadata.n": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z < workflow.metadata.t": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z < workflow.version": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z < 1": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z < 2.5": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z < '5'": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z < 'x'": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.version < workflow.metadata.t": "write workflow.version < int(workflow.metadata.t)",
    "workflow.version < now": "write timestamp(workflow.version) < now",
    "workflow.version < '5'": "write workflow.version < 5",
    "workflow.version < duration('1h')": "write duration(workflow.version) < \u2026",
    "now < workflow.version": "write now < timestamp(workflow.version)",
    "now < 1": 'write now < duration("1s")',
    "now < '5'": 'write now < timestamp("5")',
    "now < 'x'": 'write now < timestamp("x")',
    "1 < workflow.metadata.t": "write 1 < int(workflow.metadata.t)",
    "1 < now": 'write duration("1s") < now',
    "1 < '5'": "write 1 < 5",
    "1 < duration('1h')": 'write duration("1s") < \u2026',
    "2.5 < workflow.metadata.t": "write 2.5 < double(workflow.metadata.t)",
    "2.5 < '5'": "write 2.5 < 5",
    "'5' < workflow.metadata.n": "write 5 < workflow.metadata.n",
    "'5' < workflow.version": "write 5 < workflow.version",
    "'5' < now": 'write timestamp("5") < now',
    "'5' < 1": "write 5 < 1",
    "'5' < 2.5": "write 5 < 2.5",
    "'5' < duration('1h')": 'write duration("5") < \u2026',
    "'x' < now": 'write timestamp("x") < now',
    "'x' < duration('1h')": 'write duration("x") < \u2026',
    "duration('1h') < workflow.version": "write \u2026 < duration(workflow.version)",
    "duration('1h') < 1": 'write \u2026 < duration("1s")',
    "duration('1h') < '5'": 'write \u2026 < duration("5")',
    "duration('1h') < 'x'": 'write \u2026 < duration("x")',
    "workflow.metadata.n + workflow.metadata.t": "write workflow.metadata.n + double(workflow.metadata.t)",
    "workflow.metadata.n + workflow.version":
      "each number from JSON is a double: write int(workflow.metadata.n) + workflow.version",
    "workflow.metadata.n + 1": "each number from JSON is a double: write int(workflow.metadata.n) + 1",
    "workflow.metadata.n + '5'": 'each number from JSON is a double: write string(workflow.metadata.n) + "5"',
    "workflow.metadata.n + 'x'": 'each number from JSON is a double: write string(workflow.metadata.n) + "x"',
    "workflow.metadata.t + workflow.metadata.n": "write double(workflow.metadata.t) + workflow.metadata.n",
    "workflow.metadata.t + workflow.version": "write int(workflow.metadata.t) + workflow.version",
    "workflow.metadata.t + 1": "write int(workflow.metadata.t) + 1",
    "workflow.metadata.t + 2.5": "write double(workflow.metadata.t) + 2.5",
    "workflow.metadata.z + workflow.metadata.n": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z + workflow.metadata.t": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z + workflow.version": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z + 1": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z + 2.5": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z + '5'": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.metadata.z + 'x'": "workflow.metadata.z is null: ask workflow.metadata.z != null first",
    "workflow.version + workflow.metadata.n":
      "each number from JSON is a double: write workflow.version + int(workflow.metadata.n)",
    "workflow.version + workflow.metadata.t": "write workflow.version + int(workflow.metadata.t)",
    "workflow.version + now": "write timestamp(workflow.version) + now",
    "workflow.version + 2.5": "write double(workflow.version) + 2.5",
    "workflow.version + '5'": 'write string(workflow.version) + "5"',
    "workflow.version + 'x'": 'write string(workflow.version) + "x"',
    "workflow.version + duration('1h')": "write duration(workflow.version) + \u2026",
    "now + workflow.version": "write now + timestamp(workflow.version)",
    "now + 1": 'write now + duration("1s")',
    "now + '5'": 'write string(now) + "5"',
    "now + 'x'": 'write string(now) + "x"',
    "1 + workflow.metadata.n": "each number from JSON is a double: write 1 + int(workflow.metadata.n)",
    "1 + workflow.metadata.t": "write 1 + int(workflow.metadata.t)",
    "1 + now": 'write duration("1s") + now',
    "1 + duration('1h')": 'write duration("1s") + \u2026',
    "2.5 + workflow.metadata.t": "write 2.5 + double(workflow.metadata.t)",
    "2.5 + workflow.version": "write 2.5 + double(workflow.version)",
    "'5' + workflow.metadata.n": 'each number from JSON is a double: write "5" + string(workflow.metadata.n)',
    "'5' + workflow.version": 'write "5" + string(workflow.version)',
    "'5' + now": 'write "5" + string(now)',
    "'x' + workflow.metadata.n": 'each number from JSON is a double: write "x" + string(workflow.metadata.n)',
    "'x' + workflow.version": 'write "x" + string(workflow.version)',
    "'x' + now": 'write "x" + string(now)',
    "duration('1h') + workflow.version": "write \u2026 + duration(workflow.version)",
    "duration('1h') + 1": 'write \u2026 + duration("1s")',
  });
});
