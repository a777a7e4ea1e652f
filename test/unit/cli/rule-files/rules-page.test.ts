import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileFiles } from "../../../../src/cli/rule-files/compile.ts";
import { lintWarnings } from "../../../../src/cli/rule-files/lint.ts";
import { runTests } from "../../../../src/cli/rule-files/run.ts";
import { readRuleFiles } from "../../../../src/cli/rule-files.ts";
import { ruleFolder } from "../../../support/rule-folder.ts";

const page = readFileSync(new URL("../../../../docs/rules.md", import.meta.url), "utf8");
const [, file = ""] = /```yaml\n(.*?)```/s.exec(page) ?? [];

let folder: ReturnType<typeof ruleFolder>;
beforeAll(() => {
  folder = ruleFolder({ "rules.yaml": file });
});
afterAll(() => folder.remove());

test("docs/rules.md: its rule file is right, warns of nothing, and passes its tests", () => {
  const files = readRuleFiles([folder.path]);
  if (!files.ok) throw new Error(JSON.stringify(files.error));
  const { ruleSet, problems } = compileFiles(files.value);
  expect([...problems, ...lintWarnings(files.value, ruleSet)]).toEqual([]);
  const { results } = runTests(ruleSet, () => files.value.placeOf(""));
  expect(results.map(({ why }) => why)).toEqual([undefined, undefined]);
});
