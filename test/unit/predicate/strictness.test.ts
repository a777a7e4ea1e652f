import { describe, expect, test } from "vitest";
import { compile } from "../../../src/predicate/core/compile.ts";
import { evaluate } from "../../../src/predicate/core/evaluate.ts";
import { recordOf } from "../../../src/predicate/core/maps.ts";
import { anyRecord } from "../../../src/predicate/core/typing/type.ts";

const data = recordOf(
  new Map<string, unknown>([
    ["text", "a"],
    ["number", 2],
    ["nothing", null],
    ["flag", false],
  ]),
);

function outcomeOf(source: string): unknown {
  const compiled = compile(source, { data: anyRecord });
  if (!compiled.ok) throw new Error(compiled.error.message);
  const result = evaluate(compiled.value, { data }, { left: 1000 });
  return result.ok ? result.value : result.error;
}

// Found by test/property/predicate/reference.test.ts.
describe("`has` of what has no fields is an error, so that `!has(…) ||` does not allow", () => {
  test.each([
    ["!has(data.text.unit) || false", "string has no field unit"],
    ["has(data.number.unit)", "double has no field unit"],
    ["has(data.nothing.unit)", "null_type has no field unit"],
    ["has(dyn([data]).unit)", "list has no field unit"],
  ])("%s", (source, message) => {
    expect(outcomeOf(source)).toContain(message);
  });

  test.each([
    ["has(data.text) && !has(data.other) && has(data.nothing)", true],
    ["has({'a': {'b': 1}}.a.b)", true],
    ["has(data.text.unit) || has(data.text)", true],
    ["has(data.?text.unit) || has(data.?other.unit)", false],
  ])("%s", (source, expected) => {
    expect(outcomeOf(source)).toBe(expected);
  });
});

describe("a list has no index but a whole number", () => {
  test.each(["[1, 2][data.flag] == 1", "[1, 2][dyn(data.flag)] == 1", "[1, 2][?data.flag].hasValue()", "[1, 2][data.text] == 1"])(
    "%s",
    (source) => {
      expect(outcomeOf(source)).toContain("the index of a list is an int, not ");
    },
  );

  test.each(["[1, 2, 3][data.number] == 3", "[1, 2][1u] == 2", "[1, 2][dyn(1.0)] == 2", "{false: 1}[data.flag] == 1"])(
    "%s",
    (source) => {
      expect(outcomeOf(source)).toBe(true);
    },
  );

  test.each(["[1, 2][data.number - 0.5] == 2", "[1, 2][-int(data.number)] == 2", "[1, 2][data.number] == 2"])(
    "%s is out of bounds",
    (source) => {
      expect(outcomeOf(source)).toContain("out of bounds");
    },
  );
});

describe("a time is in the second, and the day, that it has not left yet", () => {
  const late = "timestamp('2025-12-31T23:59:59.999999999Z')";
  test.each([
    `${late}.getMilliseconds() == 999 && ${late}.getSeconds() == 59 && ${late}.getFullYear() == 2025`,
    `${late}.getHours("+01:00") == 0 && ${late}.getDate("+01:00") == 1`,
    "timestamp('0001-01-01T00:00:00.0000001Z').getFullYear() == 1",
    "timestamp('2026-01-01T00:00:00Z').getMilliseconds('UTC') == 0 && timestamp('2026-01-01T00:00:00Z').getHours('UTC') == 0",
  ])("%s", (source) => {
    expect(outcomeOf(source)).toBe(true);
  });
});

describe("a uint is divided as a uint", () => {
  test("also beyond what an int has", () => {
    expect(outcomeOf("18446744073709551615u / 1u == 18446744073709551615u && 7u / 2u == 3u")).toBe(true);
  });

  test("not by zero", () => {
    expect(outcomeOf("1u / uint(data.number - 2.0) == 1u")).toContain("uint divide by zero");
  });
});
