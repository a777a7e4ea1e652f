import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { problemLines } from "../../../../src/cli/rule-files/problem.ts";
import type { RuleSetParts } from "../../../../src/cli/rule-files/to-wire.ts";
import { ruleSetYaml } from "../../../../src/cli/rule-files/to-yaml.ts";
import { readRuleFiles } from "../../../../src/cli/rule-files.ts";
import { RuleSetItem } from "../../../../src/gen/concord/predicate/v1/rule_set.ts";
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

/** As the server keeps it. */
const kept = ({ tests, ...parts }: RuleSetParts) => ({ ...parts, tests: tests.map((each) => testFromWire(each, "")) });

test("a key that YAML would take for a merge stays a key", () => {
  const metadata = { "<<": { a: 1 }, b: "<<" };
  const tests = [{ name: "t", workflow: { state: "ACTIVE", metadata }, to: "PAUSED", expect: "allowed" }];
  const first = read(JSON.stringify({ tests }));
  expect(first.tests[0]?.check?.workflow?.metadata).toEqual(metadata);
  expect(kept(read(ruleSetYaml(itemsOf(first))))).toEqual(kept(first));
});

test("a text that begins with blanks stays as it is", () => {
  const first = read(JSON.stringify({ facts: [{ name: "f", expression: " \n \n1", description: "\n a\n" }] }));
  expect(read(ruleSetYaml(itemsOf(first))).facts).toEqual(first.facts);
});
