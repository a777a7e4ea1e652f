import { expect, test } from "vitest";
import { answerLines } from "../../../../src/cli/rule/explain.ts";
import { ExplainTransitionResponse } from "../../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { Judgement } from "../../../../src/gen/concord/predicate/v1/verdict.ts";

const value = (type: string, text: string) => ({ outcome: { $case: "value" as const, value: { type, text } } });

test("the verdict, then each rule and fact with the values of its parts, and what is left out", () => {
  const comparison = {
    source: "facts.warm < 3",
    outcome: value("bool", "false"),
    parts: [
      { offset: 0, length: 14, text: "facts.warm < 3", line: 1, column: 12, outcome: value("bool", "false") },
      { offset: 0, length: 10, text: "facts.warm", line: 1, column: 7, outcome: value("double", "4.0") },
    ],
    inputs: [{ path: "facts.warm", value: "4.0" }],
  };
  const fact = {
    source: "[1].map(x, x / 0)[0]",
    outcome: { outcome: { $case: "error" as const, value: "line 1, column 14: divide by zero" } },
    parts: [
      {
        line: 1,
        column: 5,
        text: "[1].map(x, x / 0)",
        outcome: { outcome: { $case: "notEvaluated" as const, value: true } },
        roundCount: 1,
        rounds: [{ index: 0, element: "1", parts: [{ line: 1, column: 14, text: "x / 0", outcome: value("int", "7") }] }],
      },
    ],
    inputs: [{ path: "now", absent: true }],
    omitted: 2,
  };
  expect(
    answerLines(
      ExplainTransitionResponse.fromPartial({
        verdict: { judgement: Judgement.ALLOWED, ruleSetRevision: 4n, cost: 9n },
        rules: [
          {
            ruleId: "cold",
            ruleVersion: 2,
            condition: { source: "true", outcome: value("bool", "true") },
            expression: comparison,
          },
          { ruleId: "late", ruleVersion: 1, condition: { source: "false", outcome: value("bool", "false") } },
        ],
        facts: [{ name: "warm", factVersion: 5, expression: fact }],
        omitted: 3,
      }),
    ),
  ).toEqual([
    "ALLOWED (rule set revision 4, cost 9)",
    "",
    "rule cold (version 2)",
    "  its condition:",
    "    true",
    "",
    "    = true",
    "  its expression:",
    "    facts.warm < 3",
    "          |    |",
    "          |    false",
    "          4.0",
    "",
    "    = false",
    "",
    "    read:",
    "      facts.warm: 4.0",
    "",
    "rule late (version 1)",
    "  its condition:",
    "    false",
    "",
    "    = false",
    "",
    "fact warm (version 5)",
    "    [1].map(x, x / 0)[0]",
    "        |",
    "        (not evaluated)",
    "",
    "    = could not be evaluated: line 1, column 14: divide by zero",
    "",
    "    [1].map(x, x / 0): looked at 1 element",
    "      [0] 1",
    "          x / 0: 7",
    "",
    "    read:",
    "      now: (absent)",
    "",
    "    2 more are not shown",
    "",
    "3 more rules and facts found no room: ask for them with --rule",
  ]);
});
