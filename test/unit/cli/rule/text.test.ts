import { expect, test } from "vitest";
import { cellText, ruleLines, standingVersionsText } from "../../../../src/cli/rule/text.ts";
import { Rule, RuleAction, RuleState } from "../../../../src/gen/concord/predicate/v1/rule_set.ts";
import { WorkflowState } from "../../../../src/gen/concord/workflow/v1/workflow.ts";

const rule = (fields: Parameters<typeof Rule.fromPartial>[0] = {}): Rule =>
  Rule.fromPartial({
    ruleId: "cold",
    state: RuleState.ACTIVE,
    version: 2,
    latestVersion: 2,
    activeVersion: 2,
    action: RuleAction.DENY,
    expression: "to != 'COMPLETED' ||\n  workflow.metadata.temperature < 3",
    createdAt: new Date(0),
    createdBy: "ada",
    updatedAt: new Date(1),
    requestedBy: "bob",
    reason: "wider",
    ...fields,
  });

test("all fields of a rule; lines of an expression have the numbers that errors name", () => {
  expect(
    ruleLines(
      rule({
        moves: [{ fromState: WorkflowState.ACTIVE }, { toState: WorkflowState.CANCELLED }],
        workflowTypes: ["sample", "plate"],
        condition: "true",
        message: "'too warm'",
        priority: -7,
        description: "keeps it cold",
      }),
    ),
  ).toEqual([
    "rule:        cold",
    "state:       ACTIVE",
    "version:     2",
    "action:      DENY",
    "moves:       ACTIVE:* *:CANCELLED",
    "types:       sample plate",
    "condition:   true",
    "expression:",
    "   1 | to != 'COMPLETED' ||",
    "   2 |   workflow.metadata.temperature < 3",
    "message:     'too warm'",
    "priority:    -7",
    "description: keeps it cold",
    "written:     1970-01-01T00:00:00.000Z by ada",
    "changed:     1970-01-01T00:00:00.001Z by bob: wider",
  ]);
});

test.each([
  { fields: {}, state: "ACTIVE", version: "2", versions: "2" },
  {
    fields: { latestVersion: 3, shadowVersion: 3 },
    state: "ACTIVE (version 3 in shadow)",
    version: "2 (the newest is 3)",
    versions: "2, shadow 3",
  },
  {
    fields: { version: 4, latestVersion: 4, shadowVersion: 3 },
    state: "ACTIVE (version 2, version 3 in shadow)",
    version: "4",
    versions: "2, shadow 3, newest 4",
  },
  { fields: { activeVersion: 1 }, state: "ACTIVE (version 1)", version: "2", versions: "1, newest 2" },
  {
    fields: { state: RuleState.SHADOW, activeVersion: 0, shadowVersion: 1 },
    state: "SHADOW (version 1)",
    version: "2",
    versions: "shadow 1, newest 2",
  },
  { fields: { state: RuleState.DRAFT, activeVersion: 0 }, state: "DRAFT", version: "2", versions: "2" },
])("how a rule stands: $state, $versions", ({ fields, state, version, versions }) => {
  const lines = ruleLines(rule(fields));
  expect(lines.slice(1, 3)).toEqual([`state:       ${state}`, `version:     ${version}`]);
  expect(standingVersionsText(rule(fields))).toBe(versions);
});

test("a cell has one line, and not all of a long one", () => {
  expect(["short", "a &&\nb", "😀".repeat(60), "😀".repeat(61)].map(cellText)).toEqual([
    "short",
    "a &&…",
    "😀".repeat(60),
    `${"😀".repeat(60)}…`,
  ]);
});
