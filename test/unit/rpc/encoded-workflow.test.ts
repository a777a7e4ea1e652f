import { expect, test } from "vitest";
import { GetWorkflowResponse } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { workflowToWire } from "../../../src/rpc/convert-workflow.ts";
import { encoded, orEncoded } from "../../../src/rpc/encoded-answer.ts";
import { readAnswer } from "../../../src/rpc/encoded-workflow.ts";
import { workflow } from "../../support/storage-values.ts";

const read = { ...workflow("wf-1"), metadata: { a: "1" } };

function bytesOf(answer: ReturnType<typeof readAnswer>): Uint8Array {
  const { encode, fromPartial } = orEncoded(GetWorkflowResponse);
  return encode(fromPartial(answer)).finish();
}

test("a workflow is encoded once for all who read it, as the contract has it", () => {
  const answer = readAnswer(read);
  expect(bytesOf(answer)).toEqual(encoded(GetWorkflowResponse, { workflow: workflowToWire(read) }));
  expect(readAnswer(read)).toBe(answer);
});

test("another workflow is another one, also if it only has a new version", () => {
  readAnswer(read);
  const next = { ...read, version: read.version + 1 };
  expect(GetWorkflowResponse.decode(bytesOf(readAnswer(next))).workflow?.version).toBe(BigInt(next.version));
});
