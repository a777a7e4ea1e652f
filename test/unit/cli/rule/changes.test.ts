import { afterEach, expect, test, vi } from "vitest";
import { changeRow, patchLines, printChange } from "../../../../src/cli/rule/changes.ts";
import {
  RuleAction,
  RuleSetChange,
  RuleSetChangeKind,
  RuleSetItemKind,
  RuleState,
} from "../../../../src/gen/concord/predicate/v1/rule_set.ts";

type ChangeFields = Parameters<typeof RuleSetChange.fromPartial>[0];

const rule = (version: number, expression: string, state: RuleState = RuleState.ACTIVE) => ({
  item: {
    $case: "rule" as const,
    value: { ruleId: "cold", version, expression, state, action: RuleAction.WARN, message: "'a\u001b[2Jb'" },
  },
});

const fact = { item: { $case: "fact" as const, value: { name: "warm", version: 1, expression: "true" } } };

const change = (fields: ChangeFields): RuleSetChange =>
  RuleSetChange.fromPartial({
    sequence: 7n,
    ruleSetRevision: 5n,
    kind: RuleSetChangeKind.APPLIED,
    changedAt: new Date(0),
    requestedBy: "ada",
    reason: "release 1",
    ...fields,
  });

const ofAll = change({
  differences: [
    { kind: RuleSetItemKind.RULE, name: "cold", before: rule(1, "a &&\nb"), after: rule(3, "a &&\nc", RuleState.SHADOW) },
    { kind: RuleSetItemKind.FACT, name: "warm", after: fact },
    {
      kind: RuleSetItemKind.WORKFLOW_TYPE,
      name: "sample",
      before: { item: { $case: "workflowType", value: { name: "sample", version: 2 } } },
    },
    { kind: RuleSetItemKind.FACT, name: "late", before: fact },
  ],
});

afterEach(() => void vi.restoreAllMocks());

function printed(...args: Parameters<typeof printChange>): readonly string[] {
  const written: string[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  printChange(...args);
  return written.join("").split("\n");
}

test("a line of the history names what is different, and what more there is", () => {
  expect(changeRow(ofAll)).toEqual([
    "7",
    "1970-01-01T00:00:00.000Z",
    "5",
    "APPLIED",
    "cold 1 -> 3 shadow, fact warm 1, workflow type sample 2, 1 more",
    "ada",
    "release 1",
  ]);
});

test("a diff is of what rule files say, with what is added and what is removed", () => {
  expect(patchLines(ofAll)).toEqual([
    "rule cold",
    "--- version 1",
    "+++ version 3 shadow",
    "@@ -1,6 +1,7 @@",
    " id: cold",
    " expression: |-",
    "   a &&",
    "-  b",
    "+  c",
    ` message: "'a\\e[2Jb'"`,
    " action: warn",
    "+state: shadow",
    "fact warm",
    "--- nothing",
    "+++ version 1",
    "@@ -0,0 +1,2 @@",
    "+name: warm",
    '+expression: "true"',
    "workflow type sample",
    "--- version 2",
    "+++ nothing",
    "@@ -1,1 +0,0 @@",
    "-name: sample",
    "fact late",
    "--- version 1",
    "+++ nothing",
    "@@ -1,2 +0,0 @@",
    "-name: warm",
    '-expression: "true"',
  ]);
});

test("what a change has made different is a table; with --diff the diffs follow; with -o json it is the message", () => {
  const one = change({ differences: ofAll.differences.slice(0, 2) });
  const table = ["CHANGE   WHAT  NAME  VERSION", "changed  rule  cold  1 -> 3 shadow", "added    fact  warm  1"];
  expect(printed("table", one, {})).toEqual([...table, "rule set revision 5", ""]);
  const withDiff = printed("table", one, { diff: true, dryRun: true });
  expect(withDiff.slice(0, 5)).toEqual([...table, "", "rule cold"]);
  expect(withDiff.at(-2)).toBe("rule set revision 5, if it is done");
  const [json = ""] = printed("json", one, {});
  expect(JSON.parse(json)).toMatchObject({
    sequence: "7",
    ruleSetRevision: "5",
    differences: [{ name: "cold" }, { name: "warm" }],
  });
});

test("nothing different, and contents that are left out, are said", () => {
  expect(printed("table", change({}), {})).toEqual(["nothing is different (rule set revision 5)", ""]);
  const omitted = change({ contentsOmitted: true, differences: [{ kind: RuleSetItemKind.RULE, name: "cold" }] });
  const omittedText = "(the contents are too large to be told: concord rule get, concord rule export)";
  expect(printed("table", omitted, { diff: true })).toEqual([
    "CHANGE     WHAT  NAME  VERSION",
    "different  rule  cold",
    omittedText,
    "rule set revision 5",
    "",
  ]);
  expect(patchLines(omitted)).toEqual([omittedText]);
});
