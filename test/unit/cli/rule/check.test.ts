import { expect, test } from "vitest";
import { verdictLines } from "../../../../src/cli/rule/check.ts";
import { Judgement, TransitionVerdict } from "../../../../src/gen/concord/predicate/v1/verdict.ts";
import { WorkflowState } from "../../../../src/gen/concord/workflow/v1/workflow.ts";

const lines = (fields: Parameters<typeof TransitionVerdict.fromPartial>[0]) =>
  verdictLines(TransitionVerdict.fromPartial({ ruleSetRevision: 4n, cost: 17n, ...fields }));

const said = (ruleId: string) => ({ ruleId, ruleVersion: 2, message: `${ruleId} speaks` });

test("all that the rules say of a move, and what it cost", () => {
  expect(
    lines({
      judgement: Judgement.RULE_DENIED,
      violations: [said("cold"), said("clean")],
      violationsOmitted: 3,
      warnings: [said("late")],
      audits: [said("seen")],
      shadows: [
        { ruleId: "cold", shadowVersion: 3, activeVersion: 2, holds: true },
        { ruleId: "new", shadowVersion: 1, message: "would deny" },
      ],
      shadowsNotJudged: 2,
    }),
  ).toEqual([
    "RULE_DENIED (rule set revision 4, cost 17)",
    "  denied by cold (version 2): cold speaks",
    "  denied by clean (version 2): clean speaks",
    "  and denied by 3 more",
    "  warned by late (version 2): late speaks",
    "  audited by seen (version 2): seen speaks",
    "  in shadow cold (version 3, beside version 2): holds",
    "  in shadow new (version 1): would deny",
    '  in shadow, too dear to be judged: 2; "concord rule impact" tries dear rules',
  ]);
});

test("where it could go instead, if the lifecycle has no such move", () => {
  const judgement = Judgement.INVALID_TRANSITION;
  expect(lines({ judgement, allowedStates: [WorkflowState.ACTIVE, WorkflowState.CANCELLED] }).at(-1)).toBe(
    "  it can go to: ACTIVE, CANCELLED",
  );
  expect(lines({ judgement }).at(-1)).toBe("  it can go to: nowhere, it is in a terminal state");
});
