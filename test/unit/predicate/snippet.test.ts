import { expect, test } from "vitest";
import { snippetAt } from "../../../src/predicate/core/snippet.ts";

test("the line is shown, and beneath it where", () => {
  expect(snippetAt("from == 'ACTIVE'\n  && stat == 1\r\n  && true", 22)).toBe("  && stat == 1\n     ^");
  expect(snippetAt("true ||", 7)).toBe("true ||\n       ^");
  expect(snippetAt("", 0)).toBe("\n^");
});

test("of a long line, what is around", () => {
  const [line = "", caret = ""] = snippetAt(`${"a".repeat(500)}#${"b".repeat(500)}`, 500).split("\n");
  expect(line).toBe(`…${"a".repeat(48)}#${"b".repeat(47)}…`);
  expect(line[caret.indexOf("^")]).toBe("#");
});

test("of a long line, its begin and its end as far as there is room", () => {
  const long = `${"a".repeat(99)}#`;
  expect(snippetAt(long, 99)).toBe(`…${"a".repeat(95)}#\n${" ".repeat(96)}^`);
  expect(snippetAt(long, 2)).toBe(`${"a".repeat(96)}…\n  ^`);
  expect(snippetAt("a".repeat(96), 0)).toBe(`${"a".repeat(96)}\n^`);
});

test("what would act on a terminal is spelled, and counted as it is shown", () => {
  expect(snippetAt("'a\u001b[2J\tb' == c", 13)).toBe("'a\\u001b[2J\\tb' == c\n                   ^");
});

test("a pair of surrogates is one character", () => {
  expect(snippetAt("'😀😀' == x", 10)).toBe("'😀😀' == x\n        ^");
});
