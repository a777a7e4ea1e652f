import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { problemLines } from "../../../../src/cli/rule-files/problem.ts";
import type { RuleSetParts } from "../../../../src/cli/rule-files/to-wire.ts";
import { ruleSetYaml } from "../../../../src/cli/rule-files/to-yaml.ts";
import { readRuleFiles } from "../../../../src/cli/rule-files.ts";
import { RuleSetItem } from "../../../../src/gen/concord/predicate/v1/rule_set.ts";
import { workflowEventTypes, workflowStates } from "../../../../src/kernel/lifecycle.ts";
import { testFromWire } from "../../../../src/rpc/convert-rule-set.ts";
import { temporaryFolder } from "../../../support/concord.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function read(yaml: string): RuleSetParts {
  const path = join(folder.path, "all.yaml");
  writeFileSync(path, yaml);
  const files = readRuleFiles([path]);
  if (!files.ok) throw new Error(`${files.error.flatMap(problemLines).join("\n")}\n${yaml}`);
  const { placeOf: _, ...parts } = files.value;
  return parts;
}

const itemsOf = ({ rules, facts, workflowTypes, tests }: RuleSetParts): readonly RuleSetItem[] => [
  ...rules.map((value) => RuleSetItem.fromPartial({ item: { $case: "rule", value } })),
  ...facts.map((value) => RuleSetItem.fromPartial({ item: { $case: "fact", value } })),
  ...workflowTypes.map((value) => RuleSetItem.fromPartial({ item: { $case: "workflowType", value } })),
  ...tests.map((value) => RuleSetItem.fromPartial({ item: { $case: "test", value } })),
];

const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,8}$/);
const factName = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,8}$/);
/** With all that YAML reads otherwise than it was written, if it is not careful. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }).map((each) => each.toWellFormed()),
  fc.constantFrom(
    "a &&\n  b\n",
    "\n a\n\n",
    " a ",
    "- a: b # c",
    "true",
    "null",
    "1.0",
    "2026-01-01",
    "a\r\nb",
    "\t",
    "x".repeat(200),
    "a b ".repeat(60),
  ),
);
const someText = text.filter((each) => each !== "");
const state = fc.constantFrom(...workflowStates);
const json = fc.dictionary(
  fc.string({ maxLength: 8 }).filter((key) => key !== "__proto__"),
  fc.jsonValue({ maxDepth: 2 }).filter((value) => !JSON.stringify(value).includes("__proto__")),
  { maxKeys: 3 },
);
const time = fc.date({ min: new Date(1), max: new Date("2999-12-31"), noInvalidDate: true });

const rule = fc.record({
  id,
  description: text,
  moves: fc.array(
    fc.tuple(state, state).map(([from, to]) => `${from}:${to}`),
    { maxLength: 2 },
  ),
  types: fc.uniqueArray(id, { maxLength: 2 }),
  condition: text,
  expression: someText,
  message: text,
  priority: fc.integer({ min: -1000, max: 1000 }),
  action: fc.constantFrom("deny", "warn", "audit"),
  state: fc.constantFrom("active", "shadow", "draft"),
});

const testOf = (rules: readonly { readonly id: string; readonly action: string; readonly state: string }[]) => {
  const named = (action: string) => {
    const ids = rules.filter((each) => each.state === "active" && each.action === action).map((each) => each.id);
    const list = fc.subarray(ids);
    return fc.oneof(
      list,
      list.chain((some) =>
        fc.tuple(...some.map(() => someText)).map((messages) => Object.fromEntries(some.map((each, at) => [each, messages[at]]))),
      ),
    );
  };
  return fc.record(
    {
      name: someText,
      workflow: fc.record(
        {
          id,
          type: id,
          state,
          previous_state: state,
          version: fc.integer({ min: 1, max: 2 ** 40 }),
          retry_count: fc.nat(9),
          created_at: time.map((date) => date.toISOString()),
          created_by: text,
          updated_at: time.map((date) => date.toISOString()),
          updated_by: text,
          state_entered_at: time.map((date) => date.toISOString()),
          metadata: json,
        },
        { requiredKeys: ["state"] },
      ),
      to: state,
      request: fc.record(
        {
          reason: text,
          requested_by: text,
          authenticated_as: text,
          context: json,
          transaction: fc.record({ id, participants: fc.array(id, { maxLength: 2 }) }),
        },
        { requiredKeys: [] },
      ),
      last_event: fc.record(
        {
          type: fc.constantFrom(...workflowEventTypes),
          from_state: state,
          to_state: state,
          occurred_at: time.map((date) => date.toISOString()),
          requested_by: text,
          reason: text,
          metadata: json,
        },
        { requiredKeys: [] },
      ),
      now: time.map((date) => date.toISOString()),
      expect: fc.oneof(
        fc.constantFrom("allowed", "denied", "invalid"),
        fc.record({ denied_by: named("deny"), warned_by: named("warn"), audited_by: named("audit") }, { requiredKeys: [] }),
      ),
    },
    { requiredKeys: ["name", "workflow", "to", "expect"] },
  );
};

const ruleSet = fc.uniqueArray(rule, { maxLength: 4, selector: (each) => each.id }).chain((rules) =>
  fc.record({
    rules: fc.constant(rules),
    facts: fc.uniqueArray(fc.record({ name: factName, description: text, expression: someText }), {
      maxLength: 2,
      selector: (each) => each.name,
    }),
    types: fc.uniqueArray(fc.record({ name: id, description: text, schema: json }, { requiredKeys: ["name"] }), {
      maxLength: 2,
      selector: (each) => each.name,
    }),
    tests: fc.uniqueArray(testOf(rules), { maxLength: 3, selector: (each) => each.name }),
  }),
);

/** As the server keeps it. */
const kept = ({ tests, ...parts }: RuleSetParts) => ({ ...parts, tests: tests.map((each) => testFromWire(each, "")) });

test("a key that YAML would take for a merge stays a key", () => {
  const metadata = { "<<": { a: 1 }, b: "<<" };
  const tests = [{ name: "t", workflow: { state: "ACTIVE", metadata }, to: "PAUSED", expect: "allowed" }];
  const first = read(JSON.stringify({ tests }));
  expect(first.tests[0]?.check?.workflow?.metadata).toEqual(metadata);
  expect(kept(read(ruleSetYaml(itemsOf(first))))).toEqual(kept(first));
});

test("a rule set that is printed as a rule file, and read again, is the same", () => {
  fc.assert(
    fc.property(ruleSet, (shape) => {
      // JSON is YAML.
      const first = read(JSON.stringify(shape));
      const yaml = ruleSetYaml(itemsOf(first));
      expect(kept(read(yaml))).toEqual(kept(first));
    }),
    { numRuns: 60 },
  );
});
