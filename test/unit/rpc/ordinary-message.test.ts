import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, test } from "vitest";
import { ValidateTransitionRequest } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { TransitionWorkflowRequest } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { messageType } from "../../../src/rpc/descriptors.ts";
import { ordinaryMessage } from "../../../src/rpc/ordinary-message.ts";
import { InvalidMessage, validatingDecoder } from "../../../src/rpc/validation.ts";

const transition = messageType("concord.workflow.v1.TransitionWorkflowRequest");
const validate = messageType("concord.predicate.v1.ValidateTransitionRequest");
const { ACTIVE, PAUSED } = WorkflowState;

const move = TransitionWorkflowRequest.fromPartial({ workflowId: "wf-1", targetState: PAUSED, reason: "r", requestedBy: "ada" });
const moveBytes = TransitionWorkflowRequest.encode(move).finish();

const context = (fields: Uint8Array): Uint8Array => inside(6, fields);
const entry = (key: string, value: Uint8Array): Uint8Array =>
  inside(1, Buffer.concat([inside(1, Buffer.from(key)), inside(2, value)]));
const inside = (number: number, bytes: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();

test("what is asked most is ordinary", () => {
  const at = new Date(1_800_000_000_123);
  const metadata = { temperature: 4, tags: ["a", null, true, { deep: "ä 😀" }] };
  const request = TransitionWorkflowRequest.fromPartial({
    ...move,
    expectedVersion: 3n,
    context: metadata,
    requestId: "r-1",
    enlist: [{ participantId: "p", payload: Buffer.from("x") }],
    deadline: { due: { $case: "after", value: { seconds: 1n, nanos: 5 } }, targetState: ACTIVE, reason: "late" },
  });
  const check = {
    workflow: { workflowId: "wf-1", state: ACTIVE, version: 2n, createdAt: at, metadata },
    targetState: PAUSED,
    at,
  };
  const question = ValidateTransitionRequest.fromPartial({ check: { ...check, reason: "r", requestedBy: "ada" } });
  expect(ordinaryMessage(transition)(TransitionWorkflowRequest.encode(request).finish())).toEqual(request);
  expect(ordinaryMessage(validate)(ValidateTransitionRequest.encode(question).finish())).toEqual(question);
});

describe("is read by the libraries, who let it pass:", () => {
  test.each([
    { what: "a field that the contract does not know", more: inside(999, Buffer.from("?")) },
    { what: "a Struct that comes in two pieces", more: [context(entry("a", inside(3, Buffer.from("x")))), context(Buffer.of())] },
    { what: "a key __proto__", more: context(entry("__proto__", inside(3, Buffer.from("x")))) },
    { what: "an entry without a key", more: context(inside(1, inside(2, inside(3, Buffer.from("x"))))) },
    { what: "a value of two kinds", more: context(entry("a", Buffer.concat([inside(3, Buffer.from("x")), Buffer.of(0x20, 1)]))) },
    { what: "text of which characters are counted", more: inside(4, Buffer.from("😀".repeat(1_000))) },
  ])("$what", ({ more }) => {
    const bytes = Buffer.concat([moveBytes, ...[more].flat()]);
    expect(ordinaryMessage(transition)(bytes)).toBeUndefined();
    expect(validatingDecoder(transition)(bytes)).toMatchObject({ workflowId: "wf-1" });
  });
});

describe("is read by the libraries, who refuse it:", () => {
  test.each([
    { what: "a text that is no UTF-8", more: inside(4, Buffer.of(0xff)) },
    { what: "an enum number that nobody knows", more: Buffer.of(0x10, 99) },
    { what: "a number that JSON does not have", more: context(entry("a", Buffer.of(0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f))) },
    { what: "an integer that is not exact", more: Buffer.of(0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f) },
    { what: "a name of the server's own", more: inside(5, Buffer.from("system:deadline")) },
    {
      what: "a participant that is named twice",
      more: [inside(8, inside(1, Buffer.from("p"))), inside(8, inside(1, Buffer.from("p")))],
    },
  ])("$what", ({ more }) => {
    const bytes = Buffer.concat([moveBytes, ...[more].flat()]);
    expect(ordinaryMessage(transition)(bytes)).toBeUndefined();
    expect(validatingDecoder(transition)(bytes)).toBeInstanceOf(InvalidMessage);
  });
});
