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

test("what is to be the greatest of a list must be a number, also alone", () => {
  const source = "math.greatest(workflow.metadata.list) == 1.0";
  expect([bool(source, { list: [1] }), bool(source, { list: [0, 1, -3] })]).toEqual([true, true]);
  for (const list of [["a"], ["a", 1], [1, "a"]])
    expect(bool(source, { list })).toContain("math.greatest takes numbers, not string");
});

// The conformance data has strings, math, encoders, optionals, and loops with two variables; none of lists and sets.
describe("lists", () => {
  test.each([
    "lists.range(4) == [0, 1, 2, 3] && lists.range(0) == [] && lists.range(-1) == []",
    "[1, 2, 3, 4].slice(1, 3) == [2, 3] && [1].slice(0, 0) == [] && [1, 2].slice(0, 2) == [1, 2] && [1].slice(1, 1) == []",
    "[1, [2, [3]]].flatten() == [1, 2, [3]] && [1, [2, [3]]].flatten(2) == [1, 2, 3] && [[1]].flatten(0) == [[1]]",
    "[1, 2u, 2, 'b', 'a', 'b', [1], [1.0]].distinct() == [1, 2u, 'b', 'a', [1]]",
    "[1, 2].reverse() == [2, 1] && 'ab\\U0001F600'.reverse() == '\\U0001F600ba'",
    "[3, 1, 2].sort() == [1, 2, 3] && ['b', 'a'].sort() == ['a', 'b'] && [now, timestamp(0)].sort() == [timestamp(0), now]",
    "[duration('2s'), duration('1s')].sort()[0] == duration('1s') && [b'b', b'a'].sort() == [b'a', b'b'] && [true, false].sort()[0] == false",
    "['aaa', 'b', 'cc'].sortBy(x, x.size()) == ['b', 'cc', 'aaa'] && [{'n': 2}, {'n': 1}].sortBy(x, x.n)[0].n == 1",
    "['b', 'a', 'c'].sortBy(x, 1) == ['b', 'a', 'c'] && ['b', 'aa', 'c'].sortBy(x, x.size()) == ['b', 'c', 'aa']",
    "[1, 2].first().value() == 1 && [1, 2].last().value() == 2 && ![].first().hasValue() && ![].last().hasValue()",
    "[].sort() == [] && [].distinct() == [] && [].flatten() == []",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });

  test.each([
    ["[1, 2].slice(1, 3) == []", "line 1, column 8: slice from 1 to 3 of a list of 2"],
    ["[1, 2].slice(-1, 1) == []", "slice from -1 to 1 of a list of 2"],
    ["[1, 2].slice(2, 1) == []", "slice from 2 to 1 of a list of 2"],
    ["[1].flatten(-1) == []", "flatten to a negative depth"],
    ["[1, 'a'].sort() == []", "only numbers, texts, bools, bytes and times of one type can be sorted"],
    ["[1, 2.0].sort() == []", "only numbers, texts, bools, bytes and times of one type can be sorted"],
    ["[[1]].sort() == []", "only numbers, texts, bools, bytes and times of one type can be sorted"],
    ["[now, now - now].sort() == []", "only numbers, texts, bools, bytes and times of one type can be sorted"],
    ["[null].sort() == []", "only numbers, texts, bools, bytes and times of one type can be sorted"],
  ])("%s", (source, expected) => {
    expect(bool(source)).toContain(expected);
  });
});

describe("sets", () => {
  test.each([
    "sets.contains([1, 2, 3], [3, 1.0]) && sets.contains([1], []) && !sets.contains([1], [2]) && sets.contains([[1]], [[1u]])",
    "sets.equivalent([1, 2], [2, 1, 1]) && !sets.equivalent([1], [1, 2]) && !sets.equivalent([1, 2], [1])",
    "sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [2]) && !sets.intersects([], [1])",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });
});

describe("strings count in code points, and keep what comes after the last separator", () => {
  test.each([
    "'\\U0001F600ab'.charAt(1) == 'a' && '\\U0001F600ab'.charAt(0) == '\\U0001F600' && 'a'.charAt(1) == ''",
    "'\\U0001F600ab'.indexOf('b') == 2 && '\\U0001F600ab'.indexOf('b', 1) == 2 && 'ab'.indexOf('c') == -1 && 'ab'.indexOf('a') == 0",
    "'aba'.indexOf('a', 0) == 0 && 'aba'.lastIndexOf('a', 0) == 0",
    "'\\U0001F600aa'.indexOf('a', 2) == 2 && '\\U0001F600aa'.lastIndexOf('a', 1) == 1",
    "'b\\U0001F600b'.lastIndexOf('b') == 2 && 'b\\U0001F600b'.lastIndexOf('b', 1) == 0",
    "'\\U0001F600ab'.substring(1) == 'ab' && '\\U0001F600ab'.substring(0, 1) == '\\U0001F600' && 'abc'.substring(1, 2) == 'b'",
    "'a b c'.split(' ') == ['a', 'b', 'c'] && 'a b c'.split(' ', 2) == ['a', 'b c'] && 'a b'.split(' ', 0) == [] && 'a b'.split(' ', -1) == ['a', 'b']",
    "'\\U0001F600a'.split('') == ['\\U0001F600', 'a'] && 'ab'.split(' ', 5) == ['ab'] && 'a b'.split(' ', 1) == ['a b']",
    "'abab'.replace('a', 'x') == 'xbxb' && 'abab'.replace('a', 'x', 1) == 'xbab' && 'abab'.replace('a', 'x', 0) == 'abab'",
    "'ab'.replace('', '-') == '-a-b-' && 'ab'.replace('', '-', 1) == '-ab' && 'abab'.replace('ab', '', -1) == ''",
    "'%s is %d %.2f %x%%'.format(['a', 3, 2.5, 255]) == 'a is 3 2.50 ff%'",
    "'%.2f %.2f %.2f'.format([2.675, 8315.245, 0.125]) == '2.67 8315.25 0.12' && '%.20f'.format([9560.343]) == '9560.34300000000075669959'",
    "'%e %.0e %.f'.format([0.0000001, 25.0, 2.5]) == '1.000000e-07 2e+01 2' && '%.15e'.format([1e23]) == '9.999999999999999e+22'",
    "'%f %.1f %e'.format([3, 18446744073709551615u, -5]) == '3.000000 18446744073709551615.0 -5.000000e+00'",
    "'%.1f %f %e %s'.format([-0.04, -0.0, 0.0, [-0.0]]) == '-0.0 -0.000000 0.000000e+00 [-0]' && string(-0.0) == '-0'",
    "'%.1f'.format([1e22]) == '10000000000000000000000.0' && '%f'.format([double('-inf')]) == '-Infinity'",
    "'%s'.format([{'b': [1, null], 'a': now, 'B': {}}]) == '{B: {}, a: 2023-11-14T22:13:20Z, b: [1, null]}'",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });

  test.each([
    ["'a'.charAt(2) == ''", "index 2 out of bounds [0, 1)"],
    ["'a'.substring(1, 0) == ''", "substring from 1 to 0"],
    ["'\\U0001F600'.substring(2) == ''", "index 2 out of bounds [0, 1)"],
    ["'a'.charAt(-1) == ''", "index -1 out of bounds [0, 1)"],
    ["'a'.indexOf('a', 1) == 0", "index 1 out of bounds [0, 1)"],
    ["'a'.lastIndexOf('a', -1) == 0", "index -1 out of bounds [0, 1)"],
    ["'%d'.format(['a']) == ''", "invalid integer value"],
    ["'%f'.format([true]) == ''", "fixed-point clause"],
    ["'%x'.format([[1]]) == ''", "only integers, byte buffers, and strings"],
    ["'%s'.format([optional.none()]) == ''", "invalid string value"],
    ["'%d'.format([]) == ''", "the format has more clauses than there are values"],
    ["'%d'.format([1, 2]) == ''", "the format has fewer clauses than there are values"],
    ["'a%'.format([]) == ''", "the format ends within a clause"],
    ["'%.999f'.format([1.0]) == ''", "at most 100 decimals can be shown"],
  ])("%s", (source, expected) => {
    expect(bool(source)).toContain(expected);
  });
});

describe("math and encoders", () => {
  test.each([
    "math.sqrt(16) == 4.0 && math.sqrt(2.25) == 1.5 && math.sqrt(9u) == 3.0 && math.isNaN(math.sqrt(-1))",
    "type(math.greatest([1, 1u])) == int && type(math.greatest([1u, 1])) == uint && type(math.least([1.0, 1])) == double",
    "math.greatest([1, 3u, 2.0]) == 3 && math.least(2) == 2 && math.least(3, 1.0, 2u) == 1.0 && math.round(-2.5) == -3.0",
    "math.bitShiftLeft(1, 63) == -9223372036854775807 - 1 && math.bitShiftRight(-1, 63) == 1 && math.bitShiftRight(-1, 64) == 0",
    // Of a number with that many bits there is no room.
    "math.bitShiftLeft(1, 9223372036854775807) == 0",
    "math.bitNot(0) == -1 && math.bitAnd(6, 3) == 2 && math.bitOr(6u, 3u) == 7u && math.bitXor(6, 3) == 5 && math.abs(-2) == 2 && math.abs(2u) == 2u",
    "math.isInf(1.0 / 0.0) && math.isInf(-1.0 / 0.0) && !math.isInf(1.0) && math.sign(-2) == -1 && math.sign(0u) == 0u && math.round(2.4) == 2.0",
    "math.bitShiftRight(-1024, 3) == 2305843009213693824 && math.bitShiftLeft(1u, 64) == 0u && math.bitNot(0u) == 18446744073709551615u",
    "base64.decode(base64.encode(b'\\xff\\x00')) == b'\\xff\\x00' && base64.decode('YQ') == b'a' && base64.decode('') == b''",
  ])("%s", (source) => {
    expect(bool(source)).toBe(true);
  });

  test.each([
    ["math.greatest([]) == 0", "math.greatest of nothing"],
    ["math.least(1, dyn('a')) == 0", "math.least takes numbers, not string"],
    ["math.abs(-9223372036854775808) == 0", "int overflow"],
    ["math.bitShiftLeft(1, -1) == 0", "math.bitShiftLeft by a negative number of bits"],
    ["math.greatest() == 0", '"math.greatest" takes 1 argument, not 0'],
    ["base64.decode('a') == b''", "this is no base64"],
    ["base64.decode('YQ=') == b''", "this is no base64"],
    ["base64.decode('Y-==') == b''", "this is no base64"],
  ])("%s", (source, expected) => {
    expect(bool(source)).toContain(expected);
  });
});

describe("optional values", () => {
  test.each([
    "workflow.metadata.?qc.?operators[0].orValue('') == 'ada' && workflow.metadata.?qc.operators.hasValue()",
    "!workflow.metadata.?other.more.hasValue() && workflow.metadata[?'other'].orValue(5) == 5",
    "workflow.metadata.list[?7].orValue(0.0) == 0.0 && workflow.metadata.list[?0].value() == 1.0 && [1][?0u].value() == 1",
    "optional.of(1).or(optional.of(1 / 0)).value() == 1 && optional.of(1).orValue(1 / 0) == 1",
    "optional.none().or(optional.of(2)).value() == 2 && optional.none().orValue(3) == 3",
    "cel.bind(o, optional.of({'a': 1}), o.a.value() == 1 && has(o.a) && !has(o.b))",
    "cel.bind(o, optional.of({'a': {'b': 1}}), o.a.b.value() == 1 && has(o.a.b) && !has(o.a.c) && o['a']['b'].value() == 1)",
    "cel.bind(x, optional.of({'a': 1}), x).a.value() == 1 && cel.bind(x, optional.of({'a': 1}), x)['a'].value() == 1",
    "cel.bind(m, {'a': 1}, [m].all(x, x.a == 1 && m.?a.hasValue() && x['a'] == 1))",
    "[1, ?optional.none(), ?optional.of(2)] == [1, 2] && {?'a': optional.none(), 'b': 1} == {'b': 1}",
    "optional.unwrap([optional.of(1), optional.none()]) == [1] && [optional.of(1), optional.none()].unwrapOpt() == [1]",
    "[0, 0u, 0.0, '', b'', false, null, [], {}, google.protobuf.Timestamp{}].all(x, !optional.ofNonZeroValue(x).hasValue())",
    "[1, 1u, 'a', true, [0], now, optional.none()].all(x, optional.ofNonZeroValue(x).hasValue())",
    "optional.of(2).optMap(x, x * 2).value() == 4 && optional.of(2).optFlatMap(x, optional.none()).hasValue() == false",
    "type(optional.of(1)) == optional_type && optional.of(1).optMap(x, x).optMap(x, x).optMap(x, x).value() == 1",
  ])("%s", (source) => {
    expect(bool(source, { qc: { operators: ["ada"] }, list: [1] })).toBe(true);
  });

  test.each([
    ["optional.none().value() == 1", "optional.none() has no value; orValue(…) gives another one"],
    ["1.?a.hasValue()", "line 1, column 4: an int has no fields"],
    ["dyn(1)[?0].hasValue()", "int has no elements"],
    ["dyn(1).?a.hasValue()", "int has no field a"],
    ["[?1] == []", 'after "?" stands an optional value, not an int'],
    ["{?'a': 1} == {}", 'after "?" stands an optional value, not an int'],
    ["[?dyn(1)] == []", 'after "?" stands an optional value, not int'],
    ["{?'a': dyn(1)} == {}", 'after "?" stands an optional value, not int'],
    ["optional.unwrap([1]) == []", 'after "?" stands an optional value, not int'],
    ["cel.bind(m, {'a': optional.of(1)}, m.b == dyn(1))", "field not found: b"],
    ["cel.bind(l, [optional.of(1)], l[3] == dyn(1))", "index 3 out of bounds"],
  ])("%s", (source, expected) => {
    expect(bool(source)).toContain(expected);
  });
});

describe("loops with two variables, and names for values", () => {
  test.each([
    "workflow.metadata.all(key, value, key == 'a' && value == 1) && [5].exists_one(i, x, i == 0 && x == 5)",
    "[1, 2, 3].transformList(i, x, i > 0, x * i) == [2, 6] && {'a': 1}.transformMap(k, v, k + string(v)) == {'a': 'a1'}",
    "['x', 'y'].transformMapEntry(i, v, {v: i}) == {'x': 0, 'y': 1} && [1].transformMap(i, v, v > 5, v) == {}",
    "[[1, 2], [3]].transformList(i, x, x.transformList(j, y, i + j + y)) == [[1, 3], [4]]",
    "cel.bind(a, 2, cel.bind(b, a + 1, [1].all(a, a == 1) && a * b == 6))",
  ])("%s", (source) => {
    expect(bool(source, { a: 1 })).toBe(true);
  });

  test.each([
    ["['x', 'x'].transformMapEntry(i, v, {v: i}) == {}", "the key x stands twice in the map"],
    ["['x'].transformMapEntry(i, v, v) == {}", "an entry is written as a map: {key: value}"],
    ["dyn(1).exists(i, v, true)", "type mismatch: iterable vs int"],
    ["cel.bind(a, 1 / 0, true) || false", "int divide by zero"],
  ])("%s", (source, expected) => {
    expect(bool(source)).toContain(expected);
  });
});

test("fields with other characters in their names are written in backquotes", () => {
  expect(bool("workflow.metadata.`content-type` == 'x' && has(workflow.metadata.`content-type`)", { "content-type": "x" })).toBe(
    true,
  );
});
