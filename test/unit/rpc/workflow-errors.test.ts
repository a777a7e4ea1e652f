import { Status } from "nice-grpc";
import { RetryInfo } from "nice-grpc-error-details";
import { expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { workflowError } from "../../../src/rpc/workflow-errors.ts";

test("a move that cannot be judged in time is OVERLOADED, and RetryInfo says when its turn would have come", () => {
  const error = workflowError(
    { type: "predicate-logic-overloaded", workflowId: "wf-1" as WorkflowId, cause: "a crowd", retryAfterMs: 1_250 },
    {},
  );
  expect(error).toMatchObject({ code: Status.RESOURCE_EXHAUSTED, details: expect.stringContaining("a crowd") });
  expect(error.extra).toContainEqual(expect.objectContaining({ reason: "OVERLOADED", metadata: { workflow_id: "wf-1" } }));
  expect(error.extra).toContainEqual(RetryInfo.fromPartial({ retryDelay: { seconds: 1, nanos: 250_000_000 } }));
});
