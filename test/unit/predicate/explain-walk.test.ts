import { getConformanceSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import { expect, test } from "vitest";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { type Bindings, type Expression, evaluate } from "../../../src/predicate/core/evaluate.ts";
import { walkOf } from "../../../src/predicate/core/explain-walk.ts";
import { types } from "../../../src/predicate/core/typing/type.ts";
import { casesOf, describe, inputsOf, isComparable } from "../../support/cel-conformance.ts";
import { checkOf } from "../../support/rule-values.ts";
import { uncheckedExpression } from "../../support/unchecked-expression.ts";

const blind = { seen: () => undefined, enter: () => undefined, leave: () => undefined };

function outcomeOf(expression: Expression, bindings: Bindings): string {
  const purse = { left: 1_000_000 };
  const result = evaluate(expression, bindings, purse);
  return `${result.ok ? describe(result.value) : `error: ${result.error}`}, for ${1_000_000 - purse.left} units`;
}

test.each(getConformanceSuite().suites.map((suite) => [suite.name, suite] as const))(
  "node by node, an expression comes to the same value or error, at the same cost: %s",
  (_name, suite) => {
    for (const [path, { expr, bindings }] of casesOf(suite, "").filter(([, each]) => isComparable(each))) {
      const inputs = inputsOf(bindings);
      const plain = uncheckedExpression(expr, Object.fromEntries(Object.keys(inputs).map((name) => [name, types.dyn])));
      if (plain === undefined) continue;
      const walk = walkOf(plain.expr);
      const watched = { ...plain, run: (values: Bindings) => walk(values, blind) };
      expect([path, outcomeOf(watched, inputs)]).toEqual([path, outcomeOf(plain, inputs)]);
    }
  },
);

// The library tells of a wrong index at the begin of a chain, and what begins a chain depends on how it plans it.
test.each([
  "workflow.metadata.rows[0][5]",
  "workflow.metadata.rows[5].x",
  "[[workflow.version]][0][5]",
  "{'a': [from]}.a[5]",
  "(workflow.version > 1 ? workflow.metadata.rows : [])[5]",
  "workflow.metadata.rows.map(r, r[0])[5]",
  "workflow.metadata.rows.all(r, r[0][5] == 1)",
  "cel.bind(r, workflow.metadata.rows[0], r[5])",
  "cel.bind(r, workflow.metadata.none, true)",
  "workflow.metadata.none.all(r, true)",
  "workflow.metadata.rows[0][0].all(r, true)",
])("an error is told at the same place: %s", (source) => {
  const compiled = compile(source, ruleVariables);
  if (!compiled.ok) throw new Error(compiled.error.message);
  const walk = walkOf(compiled.value.expr);
  const inputs = bindingsOf(checkOf({ workflow: { metadata: { rows: [[1]] } } }));
  const plain = outcomeOf(compiled.value, inputs);
  expect(plain).toMatch(/^error: line 1, column \d+: (index 5 out of bounds|field not found|type mismatch: iterable vs double)/);
  expect(outcomeOf({ ...compiled.value, run: (values) => walk(values, blind) }, inputs)).toBe(plain);
});
