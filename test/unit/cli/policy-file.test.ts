import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { policyYaml, readPolicyFile } from "../../../src/cli/policy-file.ts";
import { WorkflowTypePolicy } from "../../../src/gen/concord/workflow/v1/policy.ts";
import { temporaryFolder } from "../../support/concord.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

function read(text: string) {
  const file = join(folder.path, "policy.yaml");
  writeFileSync(file, text);
  return readPolicyFile(file);
}

test("a policy of retention reads as it was written", () => {
  const text = "type: sample\nretention:\n  after: 720h\n  archive: true\n  free_ids: false\n";
  const first = read(text);
  if (!first.ok) throw new Error(JSON.stringify(first.error));
  expect(first.value.terms.retention).toMatchObject({ after: { seconds: 2_592_000n }, archive: true, freeIds: false });
  expect(policyYaml(WorkflowTypePolicy.fromPartial(first.value))).toBe(text);
});

test.each([
  { text: "retention: { archive: true }", named: "after" },
  { text: "retention: { after: soon }", named: "duration" },
  { text: "retention: { after: 1h, keep: 3 }", named: "keep" },
])("a policy of retention that cannot be is refused: $text", ({ text, named }) => {
  const { ok, ...rest } = read(text);
  expect(ok).toBe(false);
  expect(JSON.stringify(rest)).toContain(named);
});
