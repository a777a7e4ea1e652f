import { Status } from "nice-grpc";
import { RetryInfo } from "nice-grpc-error-details";
import { describe, expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { changeError } from "../../../src/rpc/predicate-errors.ts";
import { workflowError } from "../../../src/rpc/workflow-errors.ts";
import type { Refusal } from "../../../src/workflow/core/errors.ts";

const workflowId = "wf-1" as WorkflowId;

describe("what the predicate engine does not take, and would not take later either", () => {
  const refused = (refusal: Partial<Refusal> & Pick<Refusal, "why">) =>
    workflowError(
      { type: "predicate-logic-refused", workflowId, refusal: { cause: "so it is", limit: undefined, fields: [], ...refusal } },
      {},
    );

  test.each([
    ["invalid", Status.INVALID_ARGUMENT, "INVALID_REQUEST", undefined, {}],
    ["too-large", Status.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", 7, { limit: "7" }],
    ["too-expensive", Status.RESOURCE_EXHAUSTED, "CHECKS_TOO_EXPENSIVE", 9, { limit: "9" }],
  ] as const)("because it is %s", (why, code, reason, limit, metadata) => {
    const error = refused({ why, limit });
    expect(error).toMatchObject({ code, details: expect.stringContaining('"wf-1": so it is') });
    expect(error.extra).toContainEqual(expect.objectContaining({ reason, metadata: { workflow_id: "wf-1", ...metadata } }));
    expect(error.extra).not.toContainEqual(expect.objectContaining({ $type: RetryInfo.$type }));
  });

  test("names the fields", () => {
    const fields = [{ field: "context", description: "is bad" }];
    expect(refused({ why: "invalid", fields }).extra).toContainEqual(
      expect.objectContaining({ fieldViolations: [expect.objectContaining({ field: "context", description: "is bad" })] }),
    );
  });
});

test("metadata that breaks its schema is METADATA_INVALID, each violation with its field", () => {
  const violations = [
    { path: "metadata.a", message: "is 1, must be a string" },
    { path: "metadata.tags[2]", message: "is missing" },
  ];
  const error = workflowError({ type: "metadata-invalid", workflowType: "sample", ruleSetRevision: 4, violations }, {});
  expect(error).toMatchObject({
    code: Status.INVALID_ARGUMENT,
    details: "metadata.a: is 1, must be a string; metadata.tags[2]: is missing",
  });
  const metadata = { workflow_type: "sample", rule_set_revision: "4" };
  expect(error.extra).toContainEqual(expect.objectContaining({ reason: "METADATA_INVALID", metadata }));
  expect(error.extra).toContainEqual(
    expect.objectContaining({ fieldViolations: violations.map(({ path }) => expect.objectContaining({ field: path })) }),
  );
});

test("a move that cannot be judged in time is OVERLOADED, and RetryInfo says when its turn would have come", () => {
  const error = workflowError({ type: "predicate-logic-overloaded", workflowId, cause: "a crowd", retryAfterMs: 1_250 }, {});
  expect(error).toMatchObject({ code: Status.RESOURCE_EXHAUSTED, details: expect.stringContaining("a crowd") });
  expect(error.extra).toContainEqual(expect.objectContaining({ reason: "OVERLOADED", metadata: { workflow_id: "wf-1" } }));
  expect(error.extra).toContainEqual(RetryInfo.fromPartial({ retryDelay: { seconds: 1, nanos: 250_000_000 } }));
});

test.each([
  [1, "there is 1 rule that", "there is 1 workflow that"],
  [2, "there are 2 rules that", "there are 2 workflows that"],
])("how many there are of what a quota counts: %i", (count, rules, workflows) => {
  const quota = { principal: "ada", limit: count, count };
  expect(changeError({ type: "rule-quota", wanted: 1, ...quota }).details).toContain(rules);
  expect(workflowError({ type: "workflow-quota", ...quota }, {}).details).toContain(workflows);
});
