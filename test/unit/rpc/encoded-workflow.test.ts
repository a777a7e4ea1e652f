import { expect, test } from "vitest";
import { TransitionCheck } from "../../../src/gen/concord/predicate/v1/verdict.ts";
import { GetWorkflowResponse, TransitionWorkflowResponse } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { eventToWire, workflowToWire } from "../../../src/rpc/convert-workflow.ts";
import { encoded, orEncoded } from "../../../src/rpc/encoded-answer.ts";
import { answerWithWorkflow, getAnswer, withWorkflow } from "../../../src/rpc/encoded-workflow.ts";
import { event, workflow } from "../../support/storage-values.ts";

const moved = { ...workflow("wf-1"), metadata: { a: "1" } };
const wire = workflowToWire(moved);

const bytesOf = (type: Parameters<typeof orEncoded>[0], answer: unknown): Uint8Array => {
  const { encode, fromPartial } = orEncoded(type) as unknown as {
    readonly encode: (message: unknown) => { finish(): Uint8Array };
    readonly fromPartial: (partial: unknown) => unknown;
  };
  return encode(fromPartial(answer)).finish();
};

test("a workflow is encoded once, as the contract has it, for who reads it, for the answer of its move, and for what is asked of the rules", () => {
  const rest = { event: eventToWire({ ...event(moved), sequence: 7 }), warnings: [] };
  const first = getAnswer(moved);
  expect(bytesOf(GetWorkflowResponse, first)).toEqual(encoded(GetWorkflowResponse, { workflow: wire }));
  expect(getAnswer(moved)).toBe(first);
  const answer = bytesOf(TransitionWorkflowResponse, answerWithWorkflow(TransitionWorkflowResponse, moved, rest));
  expect(TransitionWorkflowResponse.decode(answer)).toEqual(TransitionWorkflowResponse.fromPartial({ workflow: wire, ...rest }));
  const asked = withWorkflow(TransitionCheck, moved, { reason: "why" });
  expect(TransitionCheck.decode(asked)).toEqual(TransitionCheck.fromPartial({ workflow: wire, reason: "why" }));
});

test("another workflow is another one, also if it only has a new version", () => {
  getAnswer(moved);
  const next = { ...moved, version: moved.version + 1 };
  expect(GetWorkflowResponse.decode(bytesOf(GetWorkflowResponse, getAnswer(next))).workflow?.version).toBe(BigInt(next.version));
});
