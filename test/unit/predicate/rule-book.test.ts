import { describe, expect, test } from "vitest";
import { outcomeOf, workedRules } from "../../support/worked-rules.ts";

const pages = ["rule-book.md", "coming-from.md"].map((page) => ({ page, rules: workedRules(page) }));
const rules = pages.flatMap((each) => each.rules.map((rule) => ({ page: each.page, rule })));

test("docs/rule-book.md has 20 rules and more, each with its mistake, and all rules have names of their own", () => {
  const [book] = pages;
  expect(book?.rules.filter(({ mistake }) => mistake !== undefined).length).toBeGreaterThanOrEqual(20);
  expect(new Set(rules.map(({ rule }) => rule.id)).size).toBe(rules.length);
});

describe.each(rules)("docs/$page: $rule.id", ({ rule }) => {
  test.each(rule.allowed)("allows %o", (input) => {
    expect(outcomeOf(rule, input)).toBe("allowed");
  });

  test.each(rule.denied ?? [])("denies %o", (input) => {
    expect(outcomeOf(rule, input)).toBe(`denied: ${input.says}`);
  });

  test.each(rule.warned ?? [])("warns of %o", (input) => {
    expect(outcomeOf(rule, input)).toBe(`warned: ${input.says}`);
  });

  test("says something of some input, as its action is", () => {
    expect([rule.denied !== undefined, rule.warned !== undefined]).toEqual([rule.action === "deny", rule.action === "warn"]);
  });
});

const mistakes = rules.flatMap(({ page, rule }) => (rule.mistake === undefined ? [] : [{ page, rule, mistake: rule.mistake }]));

test.each(mistakes)("docs/$page: the mistake of $rule.id is one", ({ rule, mistake }) => {
  const [kind, said = ""] = mistake.outcome.split(/: (.*)/s);
  const outcome = outcomeOf(rule, mistake.input, mistake.expression);
  expect(outcome.split(":")[0]).toBe(kind);
  expect(outcome).toContain(said);
  // Of the rule itself, something else comes out.
  expect(outcomeOf(rule, mistake.input).split(":")[0]).not.toBe(kind);
});
