import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { problemLines } from "../../../../src/cli/rule-files/problem.ts";
import { readRuleFiles } from "../../../../src/cli/rule-files.ts";
import { ruleFolder } from "../../../support/rule-folder.ts";

let folder: ReturnType<typeof ruleFolder>;
beforeEach(() => {
  folder = ruleFolder({});
});
afterEach(() => folder.remove());

function write(files: Readonly<Record<string, string>>): string {
  folder.remove();
  folder = ruleFolder(files);
  return folder.path;
}

function read(files: Readonly<Record<string, string>>, path = write(files)) {
  const result = readRuleFiles([path]);
  if (!result.ok) throw new Error(result.error.flatMap(problemLines).join("\n"));
  return result.value;
}

function problems(files: Readonly<Record<string, string>>, path = write(files)): readonly string[] {
  const result = readRuleFiles([path]);
  if (result.ok) throw new Error("nothing is wrong");
  return result.error.flatMap(problemLines).map((line) => line.replace(`${folder.path}/`, ""));
}

/** The complaints only, as `line:column message`. */
const complaints = (text: string): readonly string[] =>
  problems({ "a.yaml": text }).flatMap((line) => /^a\.yaml:(.*): error(: .*)$/.exec(line)?.slice(1).join("") ?? []);

describe("rule files", () => {
  test("all files of a folder are one rule set, in the order of their names", () => {
    const files = read({
      "b.yml": "rules: [{ id: late, expression: 'true', state: shadow, action: warn, moves: ['*:CANCELLED'], types: [sample] }]",
      "a/rules.yaml": "- { id: early, expression: to == 'ACTIVE', priority: 3 }",
      "c.yaml": "types: [{ name: sample, schema: { type: object } }]\nfacts: [{ name: f, expression: '1' }]\ntests:\n",
      "notes.txt": "{",
    });
    expect(files).toMatchObject({
      rules: [
        { ruleId: "early", state: "RULE_STATE_ACTIVE", action: "RULE_ACTION_DENY", priority: 3, moves: [] },
        {
          ruleId: "late",
          state: "RULE_STATE_SHADOW",
          action: "RULE_ACTION_WARN",
          workflowTypes: ["sample"],
          moves: [{ fromState: "WORKFLOW_STATE_UNSPECIFIED", toState: "WORKFLOW_STATE_CANCELLED" }],
        },
      ],
      facts: [{ name: "f", expression: "1" }],
      workflowTypes: [{ name: "sample", metadataSchema: { type: "object" } }],
      tests: [],
    });
  });

  test("a test names what rules see, as they see it", () => {
    const text = `
rules: [{ id: cold, expression: "false" }, { id: note, expression: "false", action: warn }]
tests:
  - name: all of it
    workflow:
      id: w
      type: sample
      state: FAILED
      previous_state: ACTIVE
      version: 7
      retry_count: 2
      created_at: 2026-01-30T09:30:00Z
      created_by: ada
      updated_at: 2026-01-31T09:30:00+01:00
      updated_by: ben
      state_entered_at: 2026-01-31T08:30:00.5Z
      metadata: &data { a: [1, null, { b: true }] }
    to: ACTIVE
    request:
      requested_by: eve
      reason: again
      authenticated_as: eve@lab
      context: *data
      transaction: { id: t, participants: [inventory] }
    last_event: { type: FAILED, from_state: ACTIVE, to_state: FAILED, occurred_at: 2026-01-31T08:30:00Z, requested_by: ben, reason: broke, metadata: {} }
    now: 2026-02-01T00:00:00Z
    expect: { denied_by: { cold: too warm }, warned_by: [note] }
`;
    const metadata = { a: [1, null, { b: true }] };
    expect(read({ "a.yaml": text }).tests[0]).toMatchObject({
      name: "all of it",
      check: {
        workflow: {
          ...{ workflowId: "w", type: "sample", state: "WORKFLOW_STATE_FAILED", previousState: "WORKFLOW_STATE_ACTIVE" },
          ...{ version: 7n, retryCount: 2, createdBy: "ada", updatedBy: "ben", metadata },
          createdAt: new Date("2026-01-30T09:30:00Z"),
          updatedAt: new Date("2026-01-31T08:30:00Z"),
          stateEnteredAt: new Date("2026-01-31T08:30:00.5Z"),
        },
        targetState: "WORKFLOW_STATE_ACTIVE",
        ...{ requestedBy: "eve", reason: "again", authenticatedAs: "eve@lab", context: metadata },
        transaction: { transactionId: "t", participantIds: ["inventory"] },
        at: new Date("2026-02-01T00:00:00Z"),
        lastEvent: { type: "WORKFLOW_EVENT_TYPE_FAILED", toState: "WORKFLOW_STATE_FAILED", reason: "broke", requestedBy: "ben" },
      },
      expect: {
        judgement: "JUDGEMENT_RULE_DENIED",
        violations: [
          { ruleId: "cold", message: "too warm" },
          { ruleId: "note", message: "" },
        ],
      },
    });
  });

  test("a rule says what it judges, and a test of an update what is proposed, also if that is nothing", () => {
    const files = read({
      "a.yaml": `rules: [{ id: kept, expression: "true", operations: [update, transition] }, { id: moves, expression: "true" }]
tests: [{ name: t, workflow: { state: PAUSED, metadata: { a: 1 } }, proposed: { metadata: {} }, expect: metadata_invalid }]`,
    });
    expect(files.rules.map(({ operations }) => operations)).toEqual([["RULE_OPERATION_UPDATE", "RULE_OPERATION_TRANSITION"], []]);
    expect(files.tests[0]).toMatchObject({
      check: { targetState: "WORKFLOW_STATE_PAUSED", proposedMetadata: {} },
      expect: { judgement: "JUDGEMENT_METADATA_INVALID" },
    });
  });

  test.each([
    ["allowed", "JUDGEMENT_ALLOWED"],
    ["denied", "JUDGEMENT_RULE_DENIED"],
    ["invalid", "JUDGEMENT_INVALID_TRANSITION"],
    ["{ audited_by: [seen] }", "JUDGEMENT_ALLOWED"],
    ["{ denied_by: [] }", "JUDGEMENT_RULE_DENIED"],
  ])("expect: %s", (wanted, judgement) => {
    const text = `rules: [{ id: seen, expression: "true", action: audit }]\ntests: [{ name: t, workflow: { state: ACTIVE }, to: FAILED, expect: ${wanted} }]`;
    expect(read({ "a.yaml": text }).tests[0]?.expect?.judgement).toBe(judgement);
  });
});

describe("what is wrong with a rule file", () => {
  test("is told with its place, its line and a caret", () => {
    expect(problems({ "a.yaml": "rules:\n\t- id: x\n" }).slice(0, 1)).toEqual([
      "a.yaml:2:1: error: Tabs are not allowed as indentation",
    ]);
    expect(problems({ "a.yaml": "rules:\n  - id: cold\n    expresion: 'true'\n" })).toEqual([
      'a.yaml:2:5: error: "expression" is missing',
      "   2 |   - id: cold",
      "     |     ^",
      'a.yaml:3:5: error: unknown key "expresion"; did you mean "expression"?',
      "   3 |     expresion: 'true'",
      "     |     ^",
    ]);
  });

  test("is told of all files, each with its name", () => {
    expect(problems({ "a.yaml": "rulez: []", "b.yaml": "- 7" }).filter((line) => line.includes("error"))).toEqual([
      'a.yaml:1:1: error: unknown key "rulez"; did you mean "rules"?',
      "b.yaml:1:3: error: must be a map",
    ]);
  });

  test.each([
    ["types: x", "1:8: must be a list"],
    ["types: [{ name: a, schema: { a: .nan } }]", "1:33: must be a finite number: JSON has neither NaN nor infinity"],
    ["rules: [{ id: a, expression: true }]", "1:30: must be a text; put it in quotes"],
    ["rules: [{ id: a, expression: [] }]", "1:30: must be a text"],
    ["rules: [{ id: a, expression: 'true', priority: 1.5 }]", "1:48: must be a whole number"],
    ["rules: [{ id: a, expression: 'true', priority: high }]", "1:48: must be a number"],
    [
      "rules: [{ id: a, expression: 'true', priority: 1001 }]",
      "1:48: must be greater than or equal to -1000 and less than or equal to 1000",
    ],
    [
      "rules: [{ id: a b, expression: 'true' }]",
      "1:15: must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit",
    ],
    ["rules: [{ id: a, expression: 'true', action: dney }]", '1:46: must be one of deny, warn, audit; did you mean "deny"?'],
    ["rules: [{ id: a, expression: 'true', action: 7 }]", "1:46: must be one of deny, warn, audit"],
    [
      "rules: [{ id: a, expression: 'true', moves: ['*:ACTIVE', 'ACTIVE:DONE'] }]",
      "1:58: must be FROM:TO, each one of *, CREATED, ACTIVE, PAUSED, COMPLETED, FAILED, CANCELLED",
    ],
    [
      "rules: [{ id: a, expression: 'true', types: [sample, 'a b'] }]",
      "1:54: must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit",
    ],
    ["rules: [{ id: a, id: b, expression: 'true' }]", "1:18: Map keys must be unique"],
    [
      "rules: [{ id: a, expression: 'true' }, { id: a, expression: 'false' }]",
      /^1:46: rule "a" is there already: .*a\.yaml:1:15$/,
    ],
    ["facts: [{ name: a, expression: '1' }, { name: a, expression: '1' }]", /^1:47: fact "a" is there already/],
  ])("%s", (text, complaint) => {
    const [only, ...others] = complaints(text);
    expect(others).toEqual([]);
    if (typeof complaint === "string") expect(only).toBe(complaint);
    else expect(only?.replace(`${folder.path}/`, "")).toMatch(complaint);
  });

  const withTest = (parts: string) => `rules: [{ id: cold, expression: "false" }, { id: old, expression: "true", state: shadow }]
tests:
  - { name: t, ${parts} }`;

  test.each([
    ["to: FAILED, expect: allowed", '3:5: "workflow" is missing'],
    ["workflow: { state: ACTVE }, to: FAILED, expect: allowed", /^3:35: must be one of CREATED, .*; did you mean "ACTIVE"\?$/],
    [
      "workflow: { state: ACTIVE, colour: red }, to: FAILED, expect: allowed",
      /^3:43: unknown key "colour"; known: id, type, state, /,
    ],
    [
      "workflow: { state: ACTIVE }, to: FAILED, request: { reson: x }, expect: allowed",
      '3:68: unknown key "reson"; did you mean "reason"?',
    ],
    [
      "workflow: { state: ACTIVE }, to: FAILED, now: 2026-02-31, expect: allowed",
      "3:62: must be a time such as 2026-01-31T09:30:00Z",
    ],
    [
      "workflow: { state: ACTIVE }, to: FAILED, expect: alowed",
      "3:65: must be allowed, denied, invalid, metadata_invalid, or a map with denied_by, warned_by, audited_by",
    ],
    ["workflow: { state: ACTIVE }, to: FAILED", '3:5: "expect" is missing'],
    [
      "workflow: { state: ACTIVE }, to: FAILED, expect: { denied: [cold] }",
      '3:67: unknown key "denied"; known: denied_by, warned_by, audited_by',
    ],
    [
      "workflow: { state: ACTIVE }, to: FAILED, expect: { denied_by: cold }",
      "3:78: must be a list of rules, or a map of rules and their messages",
    ],
    ["workflow: { state: ACTIVE }, to: FAILED, expect: { denied_by: [cold, 7] }", "3:85: must be a text; put it in quotes"],
    [
      "workflow: { state: ACTIVE }, to: FAILED, expect: { denied_by: [colt] }",
      '3:79: no rule "colt" is active here; did you mean "cold"?',
    ],
    ["workflow: { state: ACTIVE }, to: FAILED, proposed: { metadata: {} }, expect: allowed", /must not be there beside proposed/],
    ["workflow: { state: ACTIVE }, expect: allowed", /"to" is missing/],
    ["workflow: { state: ACTIVE }, proposed: { meta: 1 }, expect: allowed", /unknown key "meta"/],
    ["workflow: { state: ACTIVE }, to: FAILED, expect: { denied_by: [old] }", /no rule "old" is active here/],
    [
      "workflow: { state: ACTIVE }, to: FAILED, expect: { warned_by: { cold: x } }",
      /the action of rule "cold" is deny: it belongs to denied_by/,
    ],
    [
      `workflow: { id: 'a b', state: ACTIVE }, to: FAILED, request: { reason: '${"x".repeat(1001)}' }, expect: allowed`,
      /^3:87: .*1000/,
    ],
  ])("of a test: %s", (parts, complaint) => {
    const found = complaints(withTest(parts));
    if (typeof complaint === "string") expect(found).toContain(complaint);
    else expect(found).toContainEqual(expect.stringMatching(complaint));
  });

  test("a path that leads to nothing", () => {
    expect(problems({}, join(folder.path, "none"))).toEqual(["none: error: there is no such file or folder"]);
    expect(readRuleFiles([write({ "x.txt": "" })])).toMatchObject({ error: [{ message: "no file in it ends with .yaml" }] });
  });
});

test("a file that cannot be read, or is no text", () => {
  const path = write({});
  symlinkSync(join(path, "gone"), join(path, "a.yaml"));
  writeFileSync(join(path, "b.yaml"), Buffer.from([0xff, 0xfe, 0x41]));
  expect(problems({}, path)).toEqual(["a.yaml: error: there is no such file", "b.yaml: error: is no text in UTF-8"]);
});

test.each([
  ["rules: [{ <<: 7, id: a, expression: 'true' }]", "Merge sources must be maps or map aliases"],
  [
    `${"abcdefgh"
      .split("")
      .map((name, at, all) => `${name}: &${name} [${Array(9).fill(at === 0 ? "x" : `*${all[at - 1]}`)}]`)
      .join("\n")}`,
    "Excessive alias count indicates a resource exhaustion attack",
  ],
  ["rules: *none", "Unresolved alias (the anchor must be set before the alias): none"],
])("what YAML itself cannot make sense of: %#", (text, message) => {
  expect(complaints(text).join()).toContain(message);
});

test("a mark at the beginning of a file is none of its text", () => {
  expect(read({ "a.yaml": "\ufeff- { id: a, expression: 'true' }" }).rules).toMatchObject([{ ruleId: "a" }]);
});

describe("a place in a text", () => {
  const expressions = [
    "a: to == 1 && (\n        from == 2)",
    "a: 'to == ''x'' && from == 2'",
    'a: "to == \\"x\\" && \\u0066rom\\n == from"',
    "a: |\n      to ==\n        1 && from == 2",
    "a: >- # folded\n      to ==\n      1 &&\n\n      from == 2",
    "a: |+2\n        to == from\n\n",
  ];

  test.each(expressions)("is found in the file, however it is written: %j", (text) => {
    const yaml = `facts:\n  - name: f\n    expression${text.slice(1).replaceAll("\n        ", "\n         ")}\n`;
    const files = read({ "a.yaml": yaml });
    const [fact] = files.facts;
    const lines = (fact?.expression ?? "").split("\n");
    const line = lines.findIndex((each) => each.includes("== from") || each.includes("from =="));
    const column = (lines[line]?.lastIndexOf("from") ?? -1) + 1;
    const place = files.placeOf("facts[0].expression", { line: line + 1, column });
    if (!("line" in place)) throw new Error("no place");
    expect([...place.lineText].slice(place.column - 1).join("")).toMatch(/^(from|\\u0066rom)/);
  });

  test("of a field that is not written is that of its part; of no part, the files", () => {
    const path = write({ "a.yaml": "- id: x\n  expression: 'true'" });
    const files = read({}, path);
    expect(files.placeOf("rules[0].message")).toMatchObject({ line: 1, column: 3 });
    expect(files.placeOf("rules[7]")).toEqual({ file: path });
    expect(files.placeOf("reason")).toEqual({ file: path });
  });
});
