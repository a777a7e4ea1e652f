import { getConformanceSuite, getParsingSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import { KindAdorner, toDebugString } from "@bufbuild/cel-spec/testdata/to-debug-string.js";
import { expect, test } from "vitest";
import { expressionDepthMax } from "../../../src/predicate/core/limits.ts";
import { parse } from "../../../src/predicate/core/parse.ts";

type Suite = ReturnType<typeof getParsingSuite>;

const testsOf = (suite: Suite): Suite["tests"] => [...suite.tests, ...suite.suites.flatMap(testsOf)];

/** Where the data was made without the macros that we have, it has calls in their place. */
const unexpanded = /\.(?:all|exists|existsOne|exists_one|transform\w+|bind|optMap|optFlatMap|or|orValue)\(/;

test.each([
  ["of the conformance data", getConformanceSuite(), 2197],
  ["of cel-go's parser tests", getParsingSuite(), 108],
])("the trees %s are those that cel-go builds", (_name, suite, count) => {
  const trees = testsOf(suite).filter(({ ast }) => ast !== undefined && !unexpanded.test(ast));
  expect(trees.length).toBe(count);
  for (const { original, ast } of trees) {
    const parsed = parse(original.expr);
    expect(parsed.ok ? toDebugString(parsed.value.expr, KindAdorner.singleton) : parsed.error.message, original.expr).toBe(ast);
  }
});

test.each([
  ["1 + 2 * 3", 2],
  ["a.b.c", 4],
  [".a", 1],
  ["f(x)", 0],
  ["x.f(1)", 2],
  ["a ? b : c", 2],
  ["  !a", 2],
  ["has(a.b)", 6],
  ["a.?b", 3],
  ["a[b]", 1],
  ["- 1", 0],
])("an operation stands where its operator or name does: %s", (source, offset) => {
  const parsed = parse(source);
  expect(parsed.ok && parsed.value.offsetOf(parsed.value.expr.id)).toBe(offset);
});

test.each([
  ["!-1", "!_(-1)"],
  ["!!!-0.5", "!_(-0.5)"],
  ["!!-9223372036854775808", "-9223372036854775808"],
  ["!-1.size()", "!_(-1.size())"],
])("a number may have a sign after !: %s", (source, tree) => {
  const parsed = parse(source);
  expect(parsed.ok && toDebugString(parsed.value.expr, KindAdorner.singleton).replaceAll(/\^#[^#]*#|\s/g, "")).toBe(tree);
});

test.each(["!-a", "!--1", "!-(1)", "!-1u"])("nothing else may have one there: %s", (source) => {
  expect(parse(source)).toMatchObject({ ok: false, error: { offset: 2, message: expect.stringContaining("expected a number") } });
});

test.each(["f(?a)", "f(a, ?b)", "a.f(?b)"])("only elements of lists and fields may be absent, no arguments: %s", (source) => {
  const parsed = parse(source);
  expect(parsed).toMatchObject({ ok: false, error: { offset: source.indexOf("?") } });
});

test.each([
  ["f(a,)", false],
  ["a.f(b,)", false],
  ["f(,)", false],
  ["[a,]", true],
  ["{a: b,}", true],
  ["a.b{c: d,}", true],
  ["[,]", false],
])("after the last of its elements a list or a map may have a comma, a call may not: %s", (source, isFit) => {
  expect(parse(source).ok).toBe(isFit);
});

test.each(["[1].all(.x, true)", "[1].map(.x, 1)"])("what loops names is no name of the outermost level: %s", (source) => {
  const parsed = parse(source);
  expect(parsed.ok && parsed.value.expr.exprKind.case).toBe("callExpr");
});

test.each([
  ['"abc', "this string does not end"],
  ["'abc", "this string does not end"],
  ["a = b", 'unexpected "="; equality is "=="'],
  ["a & b", 'unexpected "&"; use "&&"'],
  ["a | b", 'unexpected "|"; use "||"'],
  ["a # b", 'unexpected "#"'],
])("what cannot be read is named, with what may have been meant: %s", (source, message) => {
  expect(parse(source)).toMatchObject({ ok: false, error: { message } });
});

// Whoever nests without end would use up the stack of whoever walks the tree.
test.each([
  ["brackets", "(", ")"],
  ["an index", "a[", "]"],
  ["a list", "[", "]"],
  ["a map's value", "{1: ", "}"],
  ["a map's key", "{", ": 1}"],
  ["a call", "f(", ")"],
  ["a call of a method", "a.f(", ")"],
  ["a choice that holds", "true ? ", " : 2"],
  ["a choice that does not", "true ? 2 : ", ""],
])("%s can be nested so deep, and no deeper", (_, before, after) => {
  const nested = (count: number) => parse(`${before.repeat(count)}1${after.repeat(count)}`);
  let depth = 1;
  while (nested(depth).ok && depth < 200) depth += 1;
  expect(depth).toBeLessThanOrEqual(expressionDepthMax + 1);
  expect(nested(depth)).toMatchObject({ ok: false, error: { message: `nested deeper than ${expressionDepthMax} levels` } });
});
