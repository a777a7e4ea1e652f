import { expect, test } from "vitest";
import { compileCost, literalRegex, matches } from "../../../src/predicate/core/regex.ts";

/** No period that an automaton could learn. */
const letters = Array.from({ length: 3000 }, (_, index) => (Math.sin(index * index) > 0 ? "a" : "b")).join("");

test("a pattern keeps few states, whatever texts it saw, and goes on matching", () => {
  const regex = literalRegex("^(a|b)*a(a|b){12}$");
  for (const text of [`${letters}a${"b".repeat(12)}`, letters, "c", `${letters}a${"b".repeat(12)}`]) {
    expect(matches(regex, text)).toBe(/^[ab]*a[ab]{12}$/.test(text));
    const { dfa } = regex.re2();
    expect([...dfa.stateCache.values()].flat().length).toBeLessThanOrEqual(64);
  }
});

test("a literal is compiled once", () => {
  const once = literalRegex("^once$");
  expect(literalRegex("^once$")).toBe(once);
  literalRegex("^another$");
  expect(literalRegex("^once$")).toBe(once);
});

test("more literals than are kept", () => {
  const before = literalRegex("^kept$");
  for (let index = 0; index < 1000; index += 1) literalRegex(`^${index}$`);
  expect(literalRegex("^kept$")).not.toBe(before);
});

test("what a pattern costs to compile grows with what is unrolled, and with tables of Unicode", () => {
  expect([compileCost("abc"), compileCost("a{10}"), compileCost("(a{10}){10}"), compileCost("\\pL\\p{Greek}")]).toEqual([
    23, 70, 1120, 632,
  ]);
  // What is repeated never, or so often or more, is read all the same.
  expect([compileCost("a{0}"), compileCost("a{2,}"), compileCost("a{2,5}"), compileCost("a{2000}")]).toEqual([24, 30, 50, 7020]);
});

test("a long literal text costs more than its length: the parser joins it anew with each character", () => {
  expect(compileCost("x".repeat(4000))).toBe(36_020);
  expect(compileCost("x".repeat(1000))).toBe(3_020);
});
