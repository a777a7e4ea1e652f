import { expect, test } from "vitest";
import { saysSame } from "../../../../src/predicate/core/rule-set/same.ts";

test.each<[object, object, boolean]>([
  [{ a: 1 }, { a: 1, version: 3 }, true],
  [{ a: 1 }, { a: 2 }, false],
  [{ a: { b: 1, c: undefined } }, { a: { b: 1 } }, true],
  [{ a: { b: 1, c: 2 } }, { a: { c: 2, b: 1 } }, true],
  [{ a: { b: 1 } }, { a: { b: 1, c: null } }, false],
  [{ a: { b: 1 } }, { a: {} }, false],
  [{ a: {} }, { a: { b: 1 } }, false],
  [{ a: [1, 2] }, { a: [1, 2] }, true],
  [{ a: [1, 2] }, { a: [2, 1] }, false],
  [{ a: [1] }, { a: { 0: 1 } }, false],
  [{ a: null }, { a: {} }, false],
  [{ a: "1" }, { a: 1 }, false],
])("%j, %j: %s", (source, stored, expected) => {
  expect(saysSame(source, stored)).toBe(expected);
});
