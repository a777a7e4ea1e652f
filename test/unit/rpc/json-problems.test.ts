import { expect, test } from "vitest";
import { messageType } from "../../../src/rpc/descriptors.ts";
import { jsonProblems } from "../../../src/rpc/json-problems.ts";
import { notUnicodePlace, notUnicodeWords } from "../../../src/rpc/unicode.ts";

const states =
  "must be one of WORKFLOW_STATE_CREATED, WORKFLOW_STATE_ACTIVE, WORKFLOW_STATE_PAUSED, WORKFLOW_STATE_COMPLETED, WORKFLOW_STATE_FAILED, WORKFLOW_STATE_CANCELLED";

test.each([
  ["a word that is no state", '{"items":[{"targetState":"SLEEPING"}]}', "items[0].target_state", states],
  [
    "a field in both spellings, deep in it",
    '{"items":[{"workflowId":"a","workflow_id":"b"}]}',
    "items[0].workflow_id",
    "is there twice, as workflowId and as workflow_id",
  ],
  ["half a character", '{"reason":"\\udc00"}', "reason", notUnicodeWords],
  [
    "half a character in a Struct",
    '{"items":[{"context":{"a b":[1,"\\ud800"]}}]}',
    'items[0].context["a b"][1]',
    notUnicodeWords,
  ],
  ["half a character in a key", '{"items":[{"context":{"\\ud800":1}}]}', 'items[0].context["\\ud800"]', notUnicodeWords],
])("%s is named at its place", (_, text, field, description) => {
  const descriptor = messageType("concord.workflow.v1.BatchTransitionWorkflowsRequest");
  expect(jsonProblems(descriptor, JSON.parse(text))).toEqual([{ field, description }]);
});

test("a whole pair is a character", () => {
  expect(notUnicodePlace(JSON.parse('{"\\ud83d\\ude00":"\\ud83d\\ude00","b":["\\\\ud800"]}'))).toBeUndefined();
});

test("it looks into what is deeper than the stack", () => {
  const text = `${"[".repeat(200_000)}"\\ud800"${"]".repeat(200_000)}`;
  expect(notUnicodePlace(JSON.parse(text))).toHaveLength("[0]".length * 200_000);
});
