import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { bindingsOf, ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile, describeCompileError } from "../../../src/predicate/core/compile.ts";
import { evaluateBool } from "../../../src/predicate/core/evaluate.ts";
import { checkOf } from "../../support/rule-values.ts";

function bool(source: string, metadata: JsonObject = {}): boolean | string {
  const compiled = compile(source, ruleVariables);
  if (!compiled.ok) return describeCompileError(compiled.error);
  const result = evaluateBool(compiled.value, bindingsOf(checkOf({ workflow: { metadata } })));
  return result.ok ? result.value : result.error;
}

describe("a conversion takes what CEL writes, and nothing else", () => {
  test.each([
    ["int(x)", ["", " 3 ", "0x3", "3\n", "3.0", "1e3", "--3", "9223372036854775808", "-9223372036854775809", "many"]],
    ["uint(x)", ["", "+3", "-3", " 3", "0x3", "18446744073709551616"]],
    ["double(x)", ["", " ", "warm", "1e400", "-1e400", "0x3", "1_000", "3 "]],
    ["duration(x)", ["", "-", "+", "h", "1", "1d", "1h ", "300000000000h"]],
    [
      "timestamp(x)",
      [
        "",
        "2025-02-30T12:00:00Z",
        "2025-02-29T12:00:00Z",
        "2025-13-01T12:00:00Z",
        "2025-01-01T24:00:00Z",
        "2025-01-01T12:60:00Z",
        "2025-01-01T12:00:60Z",
        "2025-01-01T12:00:00+25:00",
        "2025-01-01T12:00:00",
        "2025-01-01",
        "0000-01-01T00:00:00Z",
      ],
    ],
    ["timestamp('2026-01-01T00:00:00Z').getHours(x)", ["+99:99", "25:00", "+24:00", "+02", "+0200", "", "Europe/Berln"]],
    ["bool(x)", ["", "yes", " true"]],
  ])("%s", (conversion, texts) => {
    const source = `dyn(${conversion.replace("x", "workflow.metadata.x")}) != dyn(true)`;
    const allowed = texts.filter((text) => bool(source, { x: text }) === true);
    expect(allowed).toEqual([]);
  });

  test.each([
    "int('-3') == -3 && int('+3') == 3 && int('-9223372036854775808') < 0 && int('007') == 7",
    "uint('18446744073709551615') == 18446744073709551615u",
    "double('1e3') == 1000.0 && double('-.5') == -0.5 && double('5.') == 5.0",
    "double('inf') > 1.0 && double('-Infinity') < 1.0 && double('NaN') != double('NaN')",
    "duration('1h30m') == duration('90m') && duration('-1.5s') < duration('0') && duration(90) == duration('1m30s')",
    "['true', 'True', 'TRUE', 't', '1'].all(x, bool(x)) && ['false', 'False', 'FALSE', 'f', '0'].all(x, !bool(x))",
    "string(b'\\xef\\xbb\\xbfa') == '\\ufeffa' && string(b'') == ''",
    "timestamp('2020-02-29T23:59:59.999999999+23:59') < now && timestamp('0001-01-01T00:00:00Z') < now",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });
});

describe("timestamp(int) counts seconds", () => {
  test.each([
    "int(timestamp(1700000000)) == 1700000000",
    "timestamp(1700000000) == now",
    "timestamp(253402300799).getFullYear() == 9999 && timestamp(-62135596800).getFullYear() == 1",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });

  test.each(["timestamp(253402300800) > now", "timestamp(-62135596801) < now"])("%s is out of range", (source) => {
    expect(bool(source)).toContain("the timestamp is out of range");
  });
});

// https://github.com/google/cel-spec/blob/master/doc/langdef.md#ordering
describe("comparisons are exact", () => {
  test.each([
    "9007199254740993 > 9007199254740992.0 && 9007199254740992.0 < 9007199254740993 && 9007199254740993 != 9007199254740992.0",
    "!(9223372036854775807 >= 9223372036854775808.0) && 9223372036854775807 < 9223372036854775808.0",
    "18446744073709551615u < 18446744073709551616.0 && 18446744073709551616.0 > 18446744073709551615u",
    "!(1 < 0.0 / 0.0) && !(1 >= 0.0 / 0.0)",
    "'\\uFFFD' < '\\U0001F600' && '\\U0001F600' > '\\uD7FF' && '\\U0001F600' < '\\U0001F601'",
    "'a' < 'b' && 'a' < 'aa' && !('b' <= 'a') && '' < 'a' && 'a' <= 'a'",
    "['b', '\\U0001F600', '\\uFFFD', 'a'].sort() == ['a', 'b', '\\uFFFD', '\\U0001F600']",
    "math.greatest(9007199254740993, 9007199254740992.0) == 9007199254740993",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });
});

describe("a map has each key once, and keeps what is null", () => {
  test.each([
    ["{1: 'a', 1u: 'b'} != {}", "line 1, column 1: the key 1 stands twice in the map"],
    ["{1u: 'a', 1u: 'b'} != {}", "line 1, column 1: the key 1 stands twice in the map"],
    ["{'a': 1, 'a': 2} != {}", "line 1, column 1: the key a stands twice in the map"],
    ["{1.5: 'a'} != {}", "line 1, column 1: a key of a map is a string, a bool, or an integer, not double"],
    ["{1u: 'a', 2: 'b'}[1] == 'a' && {1u: 'a'}[1.0] == 'a' && {2: 'b'}[2u] == 'b' && 1 in {1u: 'a'}", true],
    ["3 in {1u: 'a', 2: 'b'} || 1.5 in {1: 'a'} || null in [1]", false],
    ["{1: 'a', 2u: 'b'} == {1u: 'a', 2: 'b'} && {'a': null} != {'b': null} && {'a': 1} != {}", true],
    ["has({'a': null}.a) && 'a' in {'a': null} && {'a': null} == {'a': null}", true],
    ["has(workflow.metadata.note) && 'note' in workflow.metadata && workflow.metadata.note == null", true],
    ["has(workflow.metadata.other) || 'other' in workflow.metadata", false],
    ["{true: 1}[true] == 1 && !(false in {true: 1})", true],
  ])("%s", (source, expected) => {
    expect(bool(source, { note: null })).toBe(expected);
  });
});

describe("what differs in type is not equal", () => {
  test.each([
    "1 != dyn('1') && dyn('a') != dyn(b'a') && dyn([1]) != dyn({1: 1}) && dyn({}) != dyn([]) && dyn(null) != dyn(false)",
    "type(1) != dyn(null) && type(1) != dyn('int') && b'\\u00e9' == b'\\xc3\\xa9' && b'\\xe9' != b'\\u00e9'",
    "{'a': 1} != {'a': 1, 'b': 2} && {'a': 1, 'b': 2} != {'a': 1} && {'a': 1} != {'b': 1} && {'a': 1} != {'a': 2} && {'a': 1} == {'a': 1.0}",
    "b'ab' == b'ab' && b'ab' != b'ac' && b'ab' != b'a' && dyn(b'') != dyn('')",
    "type(1) == int && type(1) != type(1u) && dyn(type(1)) != dyn('int')",
    "now == now && now != timestamp(0) && dyn(now) != dyn(duration('0s')) && dyn(now) != dyn(1)",
    "[1, 2] != [1] && [1, 2] != [2, 1] && [1, 2u, 3.0] == [1u, 2.0, 3]",
    "optional.of(1) == optional.of(1u) && optional.of([1]) != optional.of([2]) && optional.of(1) != optional.none()",
    "[optional.of(1)] != [optional.of(2)] && dyn(optional.of(1)) != dyn(1) && dyn(now) != dyn(optional.of(now))",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });
});

describe("matches is a method and a function", () => {
  test.each(["matches(from, '^ACT') && from.matches('^ACT')", "matches(from, '^' + from) && from.matches('^' + from)"])(
    "%s",
    (source) => {
      expect(bool(source)).toBe(true);
    },
  );
});

describe("an error says what to write", () => {
  test.each([
    ["workflow.metadata.count + 1 > 0", "; each number from JSON is a double: write int(workflow.metadata.count) + 1"],
    ["1u + workflow.metadata.count > 0u", "found no matching overload for '_+_' applied to '(uint, double)'"],
    ["2 * workflow.metadata.count > 0", "; each number from JSON is a double: write 2 * int(workflow.metadata.count)"],
    ["workflow.metadata.text < 5", "; write int(workflow.metadata.text) < 5"],
    ["(1 + 2) + workflow.metadata.count > 0", "write … + int(workflow.metadata.count)"],
    ["[workflow.metadata.count + workflow.retry_count, 1.0] == []", "write int(workflow.metadata.count) + workflow.retry_count"],
    ["2.5 >= workflow.metadata.text", "; write 2.5 >= double(workflow.metadata.text)"],
    ["workflow.metadata.note < 5", "; workflow.metadata.note is null: ask workflow.metadata.note != null first"],
    ["[1, dyn(workflow.retry_count)].all(x, x / 2.0 > 1.0)", "applied to '(int, double)'; write double(x) / 2.0"],
    ["workflow.metadata.qc.passed", "field not found: qc; has(workflow.metadata.qc) asks whether there is one"],
    ["{'a': 1}.b == 1", "line 1, column 10: field not found: b"],
    ["5.sortBy(x, x) == []", "line 1, column 3: a loop goes through a list or a map, not an int"],
    ["workflow.metadata.text.sortBy(x, x) == []", "type mismatch: iterable vs string"],
  ])("%s", (source, expected) => {
    const message = bool(source, { count: 3, text: "5", note: null });
    expect(message).toMatch(new RegExp(`${RegExp.escape(expected)}$`));
  });
});
