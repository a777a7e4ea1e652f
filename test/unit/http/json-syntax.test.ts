import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonSyntaxProblem } from "../../../src/http/json-syntax.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const spoilt = fc
  .tuple(fc.json(), fc.nat(), fc.constantFrom("", "{", "]", ",", ":", '"', "\\", "x", "-", ".", "1", "\n", "null", "\u0001", "é"))
  .map(([text, at, put]) => `${text.slice(0, at % (text.length + 1))}${put}${text.slice((at % (text.length + 1)) + 1)}`);

test("it finds a problem in a text exactly if JSON.parse does not take it", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), spoilt, fc.string()), (text) => {
      expect(jsonSyntaxProblem(text) === undefined).toBe(parses(text));
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ["", 1, 1, "a value"],
  ["{", 1, 2, "a name in double quotes or }"],
  ['{"a"}', 1, 5, "a colon"],
  ['{"a":1,}', 1, 8, "a name in double quotes"],
  ['{"a":\n  tru}', 2, 3, "a value"],
  ["[1 2]", 1, 4, "a comma or ]"],
  ['{"é": 01}', 1, 7, "a value"],
  ["1 1", 1, 3, "nothing more"],
])("%j", (text, line, column, expected) => {
  expect(jsonSyntaxProblem(text)).toEqual({ line, column, expected });
});

test("deep nesting is no problem of syntax", () => {
  const deep = 100_000;
  expect(jsonSyntaxProblem("[".repeat(deep) + "]".repeat(deep))).toBeUndefined();
});
