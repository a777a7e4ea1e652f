import fc from "fast-check";
import { expect, test } from "vitest";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile } from "../../../src/predicate/core/compile.ts";
import { evaluateBool } from "../../../src/predicate/core/evaluate.ts";
import { sampleCheck } from "../../support/rule-values.ts";

const tokens = fc.constantFrom(
  ..."workflow metadata from to request now x true null in 1 1u 2.5 'a' \"b\" r'\\d' b'c' ( ) [ ] { } . , ? : ! - + * / % < <= == != && || = & \n // has size all map filter matches".split(
    " ",
  ),
);
const sources = fc.oneof(
  fc.array(tokens, { maxLength: 30 }).map((parts) => parts.join(" ")),
  fc.string({ unit: "binary" }),
  fc.string(),
);

test("any text compiles or is refused at a place within it, and what compiles evaluates or says why not", () => {
  fc.assert(
    fc.property(sources, (source) => {
      const compiled = compile(source, ruleVariables);
      if (compiled.ok) {
        const result = evaluateBool(compiled.value, bindingsOf(sampleCheck));
        if (!result.ok) expect(result.error).not.toBe("");
        return;
      }
      const { line, column, message } = compiled.error;
      const lines = source.split(/\r\n|\r|\n/);
      expect(line).toBeLessThanOrEqual(lines.length);
      expect(column).toBeGreaterThan(0);
      expect(column).toBeLessThanOrEqual([...(lines[line - 1] ?? "")].length + 1);
      expect(message).not.toBe("");
    }),
    { numRuns: 2000 },
  );
});
