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
  const text = "type: sample\nretention:\n  after: 30d\n  archive: true\n  free_ids: false\n";
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

test.each([
  { text: "recovery: { max_attempts: 99999999999 }", named: "must be a whole number from 0 to 1,000,000" },
  { text: "recovery: { initial_backoff: 99999999999999999999h }", named: "of at most 10,000 years" },
  { text: "", named: "is empty; a policy that says nothing is {}" },
  { text: "# nothing yet\n", named: "is empty" },
])("what the contract has no room for, and an empty file, are refused before a server is asked: $text", ({ text, named }) => {
  const answer = read(text);
  expect(JSON.stringify(answer.ok ? [] : answer.error)).toContain(named);
});

test("a policy that says nothing is said so", () => {
  expect(read("{}")).toMatchObject({ ok: true, value: { workflowType: "", terms: { deadlines: [] } } });
});

test("a file that is none is told from a folder, and from what is no text", () => {
  const problem = (path: string) => {
    const answer = readPolicyFile(path);
    return answer.ok ? undefined : answer.error[0]?.message;
  };
  const bytes = join(folder.path, "bytes");
  writeFileSync(bytes, Buffer.from([0xff, 0xfe]));
  expect([join(folder.path, "none"), folder.path, bytes].map(problem)).toEqual([
    "there is no such file",
    "is a folder, and no file",
    "is no text in UTF-8",
  ]);
});
