import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExecuteTransactionRequest } from "../../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { CreateRuleRequest } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { CreateWorkflowRequest, TransitionWorkflowRequest } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { nobody, type Principal } from "../../../src/kernel/principal.ts";
import { registry } from "../../../src/rpc/descriptors.ts";
import { requestDigest, requestKey } from "../../../src/rpc/request-key.ts";

type Move = Parameters<typeof TransitionWorkflowRequest.fromPartial>[0];
const digestOfMove = (changes: Move) =>
  requestDigest(
    "concord.workflow.v1.TransitionWorkflowRequest",
    TransitionWorkflowRequest.fromPartial({ workflowId: "wf-1", targetState: WorkflowState.ACTIVE, ...changes }),
  );
const digestOfMetadata = (metadata: unknown) =>
  requestDigest(
    "concord.workflow.v1.CreateWorkflowRequest",
    CreateWorkflowRequest.fromPartial({ metadata: metadata as { readonly [key: string]: unknown } }),
  );

test("a request without an id has no key", () => {
  expect(
    requestKey("concord.workflow.v1.CreateWorkflowRequest", CreateWorkflowRequest.fromPartial({}), { principal: nobody }),
  ).toBeUndefined();
});

// They are stored. One that changes makes a REQUEST_ID_REUSED of each retry over an upgrade.
test.each([
  {
    typeName: "concord.workflow.v1.TransitionWorkflowRequest",
    request: TransitionWorkflowRequest.fromPartial({
      workflowId: "wf-17",
      targetState: WorkflowState.COMPLETED,
      expectedVersion: 3n,
      reason: "done",
      requestedBy: "ada",
      context: { b: [1, { c: null }], a: true },
      requestId: "r-1",
      enlist: [{ participantId: "stock", payload: Buffer.from("take 2") }, { participantId: "billing" }],
      timeout: { seconds: 2n, nanos: 0 },
    }),
    digest: "7I1uA3buxgrmFeVHhJSbsAjvWQ1zbtbsoDQf2R-4R2s",
  },
  {
    typeName: "concord.commit.v1.ExecuteTransactionRequest",
    request: ExecuteTransactionRequest.fromPartial({ requestId: "r-1", participants: [{ participantId: "stock" }] }),
    digest: "8b-S13J_8k95NgTP4C_HJGJ4xnkrnZFmpzWegv2syXo",
  },
  {
    typeName: "concord.predicate.v1.CreateRuleRequest",
    request: CreateRuleRequest.fromPartial({ ruleId: "cold", expression: "true", priority: -2, requestId: "r-1" }),
    digest: "lm3fMCyP4TLVc7ylKwSg_AkUTy3aNpJbyfrNtlbratM",
  },
])("golden digest of $typeName", ({ typeName, request, digest }) => {
  expect(requestDigest(typeName, request)).toBe(digest);
});

test("of a payload each byte counts, however large it is", () => {
  const digestOf = (payload: Buffer) =>
    requestDigest(
      "concord.commit.v1.ExecuteTransactionRequest",
      ExecuteTransactionRequest.fromPartial({ participants: [{ participantId: "stock", payload }] }),
    );
  const payloads = [4_095, 4_096, 4_097, 262_144].flatMap((bytes) => [
    Buffer.alloc(bytes),
    Buffer.alloc(bytes).fill(1, bytes - 1),
  ]);
  expect(new Set(payloads.map(digestOf)).size).toBe(payloads.length);
  expect(payloads.map((payload) => digestOf(Buffer.from(payload)))).toEqual(payloads.map(digestOf));
  expect(digestOf(Buffer.alloc(4_097))).toBe("XhG_80zVdp3lX8_1puBb--0tYVmrC4VPnV1tCnhJDQY");
});

test("a field that the contract gains, and that is not set, changes no digest", () => {
  const older = { workflowId: "wf-1", targetState: WorkflowState.ACTIVE };
  expect(digestOfMove({})).toBe(requestDigest("concord.workflow.v1.TransitionWorkflowRequest", older));
});

test("who asks counts, as far as it is proved", () => {
  const named = (name: string): Principal => ({ name, by: "token" });
  const request = TransitionWorkflowRequest.fromPartial({ workflowId: "wf-1", requestId: "r-1" });
  const digestFor = (principal: Principal) =>
    requestKey("concord.workflow.v1.TransitionWorkflowRequest", request, { principal })?.digest;
  const digests = [nobody, named("ada"), named("eve")].map(digestFor);
  expect(new Set(digests).size).toBe(3);
  expect(digestFor({ name: "ada", by: "certificate" })).toBe(digests[1]);
});

test("how long the caller waits is no part of the request", () => {
  const waits: Move = { timeout: { seconds: 2n, nanos: 0 }, waitForParticipants: { seconds: 1n, nanos: 0 } };
  expect(digestOfMove(waits)).toBe(digestOfMove({}));
});

test("any other value or type makes another one", () => {
  const stock = { participantId: "stock", payload: Buffer.from([1, 2]) };
  const changes: readonly Move[] = [
    {},
    { workflowId: "wf-2" },
    { targetState: WorkflowState.PAUSED },
    { targetState: WorkflowState.UNSPECIFIED },
    { expectedVersion: 0n },
    { expectedVersion: 1n },
    { context: {} },
    { context: { a: 0 } },
    { context: { a: null } },
    { context: { a: [] } },
    { eventMetadata: { a: 0 } },
    { enlist: [stock] },
    { enlist: [stock, { participantId: "x" }] },
    { enlist: [{ participantId: "x" }, stock] },
    { enlist: [{ ...stock, payload: Buffer.from([2, 1]) }] },
  ];
  const digests = [...changes.map(digestOfMove), requestDigest("concord.workflow.v1.RecoverWorkflowRequest", {})];
  expect(new Set(digests).size).toBe(digests.length);
});

describe("of a Struct", () => {
  const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));

  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, each]) => [key, reversed(each)]),
    );
  };

  test("the order of keys makes no other request, at any depth", () => {
    const property = fc.property(json, (metadata) => {
      expect(digestOfMetadata(reversed(metadata))).toBe(digestOfMetadata(metadata));
    });
    fc.assert(property);
  });

  test("each key counts, whatever its name", () => {
    const hostile = JSON.parse('{"a":{"__proto__":1}}') as unknown;
    expect(digestOfMetadata(hostile)).not.toBe(digestOfMetadata({ a: {} }));
  });
});

test("every mutation of the contract has a key", () => {
  const messages = [...registry].filter((each) => each.kind === "message");
  const mutations = messages.filter(({ fields }) => fields.some(({ name }) => name === "request_id"));
  expect(mutations.length).toBeGreaterThan(12);
  for (const { typeName } of mutations) {
    expect(requestKey(typeName, { requestId: "r" }, { principal: nobody })).toEqual({
      id: "r",
      digest: expect.stringMatching(/^[\w-]{43}$/),
    });
  }
});
