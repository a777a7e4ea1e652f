import { celType } from "@bufbuild/cel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { assert } from "../../../src/kernel/assert.ts";
import { check, type Variables } from "../../../src/predicate/core/check.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { evaluate } from "../../../src/predicate/core/evaluate.ts";
import { evaluationCostMax } from "../../../src/predicate/core/limits.ts";
import { parse } from "../../../src/predicate/core/parse.ts";
import { joinAll, listOf, mapOf, type Type, types, typeText } from "../../../src/predicate/core/typing/type.ts";
import { expressions, inputOf, inputs } from "../../support/reference-evaluator-expressions.ts";
import type { Value } from "../../support/reference-evaluator-values.ts";
import { uncheckedExpression } from "../../support/unchecked-expression.ts";

function typeOf(value: Value): Type {
  switch (value.type) {
    case "list":
      return listOf(joinAll(value.value.map(typeOf)));
    case "map":
      return mapOf(joinAll(value.value.map(([key]) => typeOf(key))), joinAll(value.value.map(([, item]) => typeOf(item))));
    default:
      return types[value.type];
  }
}

type Input = Readonly<Record<string, Value>>;

const variablesOf = (input: Input): Variables =>
  Object.fromEntries(Object.entries(input).map(([name, value]) => [name, typeOf(value)]));

/** Undefined: it fails. */
function typeEvaluated(source: string, input: Input): string | undefined {
  const expression = uncheckedExpression(source, variablesOf(input));
  const bindings = Object.fromEntries(Object.entries(input).map(([name, value]) => [name, inputOf(value)]));
  const result = expression && evaluate(expression, bindings, { left: evaluationCostMax });
  return result?.ok ? celType(result.value).name : undefined;
}

const names: Readonly<Record<string, string>> = {
  null: "null_type",
  timestamp: "google.protobuf.Timestamp",
  duration: "google.protobuf.Duration",
};

test("a value has the type that was found for its expression", () => {
  let known = 0;
  fc.assert(
    fc.property(expressions, inputs, (source, input) => {
      const parsed = parse(source);
      assert(parsed.ok, "random expressions can be read");
      const found = typeText(check(parsed.value.expr, variablesOf(input)).typeOf(parsed.value.expr)).replace(/\(.*/, "");
      const evaluated = typeEvaluated(source, input);
      if (found === "dyn" || evaluated === undefined) return;
      // CEL lets null stand for a time that is not set.
      if (evaluated === "null_type" && (found === "timestamp" || found === "duration")) return;
      known += 1;
      expect(evaluated).toBe(names[found] ?? found);
    }),
    { numRuns: 5000 },
  );
  // Else it would prove little.
  expect(known).toBeGreaterThan(2000);
});

/** Where the failure of a part need not be that of the whole. */
const absorbing = /\|\||&&|\?|\.(?:all|exists|exists_one|filter|map)\(/;

test("what is refused would fail, or compare what is never equal", () => {
  let refused = 0;
  fc.assert(
    fc.property(expressions, inputs, (source, input) => {
      const compiled = compile(source, variablesOf(input));
      if (compiled.ok || absorbing.test(source)) return;
      if ([compiled.error, ...compiled.error.others].every(({ message }) => message.includes("never"))) return;
      refused += 1;
      expect(typeEvaluated(source, input)).toBe(undefined);
    }),
    { numRuns: 5000 },
  );
  expect(refused).toBeGreaterThan(200);
});
