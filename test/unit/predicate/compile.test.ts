import { describe, expect, test } from "vitest";
import { ruleVariables } from "../../../src/predicate/core/bindings.ts";
import { compile, describeCompileError } from "../../../src/predicate/core/compile.ts";

function problem(source: string): string {
  const compiled = compile(source, ruleVariables);
  return compiled.ok ? "compiles" : describeCompileError(compiled.error);
}

describe("a syntax error is reported where it is, with what was expected", () => {
  test.each([
    ["", "line 1, column 1: expected an expression, found the end"],
    ["workflow.version <", "line 1, column 19: expected an expression, found the end"],
    ["from == 'ACTIVE'\n  && (to == 'PAUSED' ||)", 'line 2, column 24: expected an expression, found ")"'],
    ["(from == 'ACTIVE'", 'line 1, column 18: expected an operator or ")", found the end'],
    ["from == 'ACTIVE' to", 'line 1, column 18: expected an operator or the end, found "to"'],
    ["size(?request.reason) > 0", 'line 1, column 6: expected an expression, found "?"'],
    ["from = 'ACTIVE'", 'line 1, column 6: unexpected "="; equality is "=="'],
    ["true & false", 'line 1, column 6: unexpected "&"; use "&&"'],
    ["from == 'ACTIVE", "line 1, column 9: this string does not end"],
    ["from == “ACTIVE”", 'line 1, column 9: unexpected "“"'],
    ["true ? 1", 'line 1, column 9: expected ":", found the end'],
    ["size([1, 2)", 'line 1, column 11: expected "," or "]", found ")"'],
    ["{'a' 1}", 'line 1, column 6: expected ":", found "1"'],
    ["{'a': 1", 'line 1, column 8: expected "," or "}", found the end'],
    ["google.protobuf.Timestamp{1: 2}", 'line 1, column 27: expected a field name or "}", found "1"'],
    ["workflow.in", 'line 1, column 10: expected a field or method name, found "in"'],
    ["workflow[1", 'line 1, column 11: expected "]", found the end'],
    ["'😀' + ?", 'line 1, column 7: expected an expression, found "?"'],
    ["let == 1", "line 1, column 1: reserved identifier"],
    ["'\\ud800' == from", "line 1, column 1: surrogate code points are not allowed"],
    ["'\\U00110000' == from", "line 1, column 1: there is no such code point"],
    ["from == 'a\\qb'", 'line 1, column 9: unknown escape "\\q"'],
    ["from == 'a\\qbcd'", 'line 1, column 9: unknown escape "\\q"'],
    ["'\\udfff' == from", "line 1, column 1: surrogate code points are not allowed"],
    ["'\\ud7ff\\ue000\\U0010ffff' != ''", "compiles"],
  ])("%j", (source, expected) => {
    expect(problem(source)).toBe(expected);
  });
});

test("what takes long to compile is refused before it is parsed, where it becomes too much", () => {
  const terms = (count: number) => Array.from({ length: count }, () => "1").join(",");
  expect(problem(`[${terms(999)}] == []`)).toMatch(/column 2004: more than 2000 names, values and operators$/);
  expect(problem(`[${terms(998)}] == []`)).toBe("compiles");
});

describe("a name that does not exist is reported where it stands", () => {
  test.each([
    ["  workflw.state == 'ACTIVE'", 'line 1, column 3: unknown variable "workflw"; did you mean "workflow"?'],
    [
      "[1].all(x, x < y)",
      'line 1, column 16: unknown variable "y"; known: workflow, from, to, operation, proposed, request, last_event, now, x',
    ],
    ["workflow.stat == 'ACTIVE'", 'line 1, column 10: unknown field "stat" of workflow; did you mean "state"?'],
    ["workflow[ 'stat' ] == 'ACTIVE'", 'line 1, column 11: unknown field "stat" of workflow; did you mean "state"?'],
    [
      ".request.user == ''",
      'line 1, column 10: unknown field "user" of request; known: reason, requested_by, authenticated_as, context, transaction',
    ],
    [
      "!('user' in request)",
      'line 1, column 3: unknown field "user" of request; known: reason, requested_by, authenticated_as, context, transaction',
    ],
    ["request[0] == ''", 'line 1, column 8: request has its fields by name, such as request["reason"]'],
    [
      "has(request.user)",
      'line 1, column 13: unknown field "user" of request; known: reason, requested_by, authenticated_as, context, transaction',
    ],
    ["true && sise(from) > 1", 'line 1, column 9: unknown function "sise"; did you mean "size"?'],
    ["from.sise() > 1", 'line 1, column 6: unknown function "sise"; did you mean "size"?'],
    ["startsWith('A')", 'line 1, column 1: "startsWith" is a method: x.startsWith(…)'],
    ["from.int() > 1", 'line 1, column 6: "int" is a function, not a method: int(…)'],
    ["from.contains() ", 'line 1, column 6: "contains" takes 1 argument, not 0'],
    ["now.getHours('UTC', 1) > 1", 'line 1, column 5: "getHours" takes 0 or 1 arguments, not 2'],
    ["has(workflow)", 'line 1, column 1: "has" is used as has(a.b)'],
    ["[1].all(x > 0)", 'line 1, column 5: "all" is used as list.all(x, condition)'],
    ["google.protobuf.Nothing{}", 'line 1, column 1: unknown type "google.protobuf.Nothing"'],
    ["math.foo(1)", 'line 1, column 6: unknown function "math.foo"; did you mean "math.floor"?'],
    ["math.abs(1, 2)", 'line 1, column 6: "math.abs" takes 1 argument, not 2'],
    ["cel.bind(1, 2, 3)", 'line 1, column 5: "cel.bind" is used as cel.bind(x, value, expression)'],
    ["[1].map(x)", 'line 1, column 5: "map" is used as list.map(x, expression)'],
    ["[1].filter(1, true)", 'line 1, column 5: "filter" is used as list.filter(x, condition)'],
    ["optional.of(1).optMap(1, 2)", 'line 1, column 16: "optMap" is used as optional.optMap(x, expression)'],
    // One more than there is room for.
    ["has(workflow.state, 1)", 'line 1, column 1: "has" is used as has(a.b)'],
    ["[1].filter(x, x > 0, 1)", 'line 1, column 5: "filter" is used as list.filter(x, condition)'],
    ["optional.of(1).optMap(x, x, 1)", 'line 1, column 16: "optMap" is used as optional.optMap(x, expression)'],
    ["optional.of(1).or(optional.of(2), 1)", 'line 1, column 16: "or" is used as optional.or(optional)'],
    ["cel.bind(x, 1)", 'line 1, column 5: "cel.bind" is used as cel.bind(x, value, expression)'],
    ["cel.bind(x)", 'line 1, column 5: "cel.bind" is used as cel.bind(x, value, expression)'],
    ["cel.bind(x, 1, x, 2)", 'line 1, column 5: "cel.bind" is used as cel.bind(x, value, expression)'],
    ["optional.of(1).or()", 'line 1, column 16: "or" is used as optional.or(optional)'],
    ["[1].all(i, x, y, true)", 'line 1, column 5: "all" is used as list.all(x, condition)'],
    ["[1].map(x, x, x, x)", 'line 1, column 5: "map" is used as list.map(x, expression)'],
    ["[1].transformList(i, x)", 'line 1, column 5: "transformList" is used as list.transformList(i, x, expression)'],
    ["[1].all(i, i, true)", 'line 1, column 5: "all" is used as list.all(x, condition)'],
    [
      "[1].all(i, x, y)",
      'line 1, column 15: unknown variable "y"; known: workflow, from, to, operation, proposed, request, last_event, now, i, x',
    ],
    ["cel.bind(s, workflow.state, s == 'ACTIV')", 'line 1, column 34: s is never "ACTIV"; did you mean "ACTIVE"?'],
    [
      "['AB'].exists(i, s, from == s)",
      'line 1, column 2: from is never "AB"; it is one of CREATED, ACTIVE, PAUSED, COMPLETED, FAILED, CANCELLED',
    ],
    [
      "cel.bind(s, 'AB', from == s)",
      'line 1, column 13: from is never "AB"; it is one of CREATED, ACTIVE, PAUSED, COMPLETED, FAILED, CANCELLED',
    ],
    ["optional_type{}", 'line 1, column 1: unknown type "optional_type"'],
    ["google.protobuf.Int32Value{?value: optional.of(1)}", "line 1, column 1: fields of messages are not optional"],
    ["from.matches('a(')", "line 1, column 6: error parsing regexp: missing closing ): `a(`"],
    [
      "true || now > timestamp('9999-99-99T00:00:00Z')",
      'line 1, column 15: "9999-99-99T00:00:00Z" is no timestamp such as "2026-01-31T09:30:00Z"',
    ],
    ["now - duration('x') > now", 'line 1, column 7: "x" is no duration such as "1h30m"'],
    ["9223372036854775808 > 1", "line 1, column 1: number out of range"],
    ["1e999 > 1.0", "line 1, column 1: number out of range"],
    ["matches(from, 'a(')", "line 1, column 1: error parsing regexp: missing closing ): `a(`"],
    ["18446744073709551616u > 1u", "line 1, column 1: number out of range"],
  ])("%j", (source, expected) => {
    expect(problem(source)).toBe(expected);
  });
});

describe("a result that is never what it must be is refused", () => {
  test.each([
    ["1", "bool"],
    ["'x'", "bool"],
    ["null", "bool"],
    ["[true]", "bool"],
    ["{'a': true}", "bool"],
    ["workflow", "bool"],
    ["workflow.metadata", "bool"],
    ["from", "bool"],
    ["workflow['state']", "bool"],
    ["bool", "bool"],
    ["size(from) + 1", "bool"],
    ["from.size()", "bool"],
    ["has(request.reason) ? 'yes' : 'no'", "bool"],
    ["true", "string"],
    ["from == to && true", "string"],
    ["has(request.reason)", "string"],
    ["workflow", "string"],
  ] as const)("%s is no %s", (source, wanted) => {
    expect(compile(source, ruleVariables, wanted)).toEqual({
      ok: false,
      error: expect.objectContaining({ message: expect.stringContaining(`the result is never a ${wanted} but `) }),
    });
  });

  test.each([
    ["true || 1 > 0", "bool"],
    ["workflow.metadata.ok", "bool"],
    ["workflow.metadata['ok']", "bool"],
    ["request.context.all(key, key != 'x')", "bool"],
    ["has(request.reason) ? true : 'never mind'", "bool"],
    ["dyn(1)", "bool"],
    ["google.protobuf.BoolValue{value: true}", "bool"],
    ["from + ' is not ' + to", "string"],
    ["from", "string"],
    ["request.reason", "string"],
    ["true ? 'a' : 'b'", "string"],
  ] as const)("%s may be a %s", (source, wanted) => {
    expect(compile(source, ruleVariables, wanted)).toMatchObject({ ok: true });
  });
});

describe("what CEL allows compiles", () => {
  test.each([
    "workflow.metadata.anything.goes < 8",
    ".workflow.version > 0",
    "workflow['state'] == from",
    "-1 < 2 && !(1 > 2) && 0x1F == 31 && 1.5e3 == 1500.0 && 1u == 1u",
    "r'\\d' == '\\\\d' && b'a' == b\"a\" && '''it's''' == \"it's\"",
    "true ? from in ['ACTIVE', 'PAUSED',] : {'a': 1, 'b': [2],}.a == 1",
    "[1, 2].map(x, x > 1, x * 2) == [4] && [[1]].all(x, x.all(y, y == 1))",
    "[1, 2].exists_one(x, x == 1) && ['a'].filter(workflow, workflow.contains('a')).size() == 1",
    "type(1) == int && type(now) == google.protobuf.Timestamp",
    "google.protobuf.Timestamp{seconds: 1} < now // a comment",
    "18446744073709551615u > 1u && from.matches(to)",
  ])("%s", (source) => {
    expect(problem(source)).toBe("compiles");
  });
});

describe("an expression is bounded", () => {
  test("in length", () => {
    expect(problem(`'${"a".repeat(4095)}'`)).toBe("line 1, column 4097: longer than 4096 characters");
    expect(problem(`'${"😀".repeat(4095)}'`)).toBe("line 1, column 4097: longer than 4096 characters");
    expect(problem(`'${"😀".repeat(4094)}'`)).toBe("compiles");
  });

  test.each([
    ["parentheses", `${"(".repeat(64)}true${")".repeat(64)}`, 65],
    ["lists", `${"[".repeat(1000)}`, 65],
    ["conditions", `${"true?".repeat(500)}`, 321],
  ])("in depth: %s", (_name, source, column) => {
    expect(problem(source)).toBe(`line 1, column ${column}: nested deeper than 64 levels`);
  });

  test("in depth: a chain", () => {
    expect(problem(`1${" + 1".repeat(64)} > 0`)).toContain("nested deeper than 64 levels");
    expect(problem(`1${" + 1".repeat(60)} > 0`)).toBe("compiles");
  });
});

test("a literal pattern may cost as much as all of them", () => {
  // 20 for itself, and each of its characters as often as one is repeated.
  const pattern = (length: number) => `from.matches('x{999}${"a".repeat(length - 6)}')`;
  expect(problem(pattern(20))).toBe("compiles");
  expect(problem(pattern(21))).toMatch(/cost 20999 units to compile; at most 20000 are allowed$/);
});

test("literal patterns may cost so much together, as they are compiled when the rule is written", () => {
  const pattern = "x{1000}";
  const one = `from.matches('${pattern}')`;
  expect(compile(one, ruleVariables)).toMatchObject({ ok: true });
  expect(compile([one, one, one].join(" || "), ruleVariables)).toMatchObject({
    ok: false,
    error: { line: 1, message: "its regular expressions cost 21060 units to compile; at most 20000 are allowed" },
  });
});
