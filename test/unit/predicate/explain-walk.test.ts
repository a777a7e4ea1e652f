import { getConformanceSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import { expect, test } from "vitest";
import { compile } from "../../../src/predicate/core/compile.ts";
import { type Bindings, type Expression, evaluate } from "../../../src/predicate/core/evaluate.ts";
import { walkOf } from "../../../src/predicate/core/explain-walk.ts";
import { casesOf, describe, inputsOf, isComparable } from "../../support/cel-conformance.ts";

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
      const compiled = compile(expr, Object.fromEntries(Object.keys(inputs).map((name) => [name, "value"])));
      if (!compiled.ok) continue;
      const plain = compiled.value;
      const walk = walkOf(plain.expr);
      const watched = { ...plain, run: (values: Bindings) => walk(values, blind) };
      expect([path, outcomeOf(watched, inputs)]).toEqual([path, outcomeOf(plain, inputs)]);
    }
  },
);
