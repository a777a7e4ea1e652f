import { describe, expect, test } from "vitest";
import { outcomeOf, workedRules } from "../../support/worked-rules.ts";

const rules = workedRules("rule-book.md");

test("the page has 20 rules and more, each with a name of its own", () => {
  expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
  expect(rules.length).toBeGreaterThanOrEqual(20);
});

describe.each(rules)("docs/rule-book.md: $id", (rule) => {
  test.each(rule.allowed)("allows %o", (input) => {
    expect(outcomeOf(rule, input)).toBe("allowed");
  });

  test.each(rule.denied)("denies %o", (input) => {
    expect(outcomeOf(rule, input)).toBe(`denied: ${input.says}`);
  });

  test("the mistake is one", () => {
    const { expression, input, outcome } = rule.mistake;
    const [kind = "", said = ""] = outcome.split(/: (.*)/s);
    const found = outcomeOf(rule, input, expression);
    expect(found.split(":")[0]).toBe(kind);
    expect(found).toContain(said);
    // Of the rule itself, something else comes out.
    expect(outcomeOf(rule, input).split(":")[0]).not.toBe(kind);
  });
});
