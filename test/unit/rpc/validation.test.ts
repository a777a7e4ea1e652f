import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { create, createFileRegistry, setExtension } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  MessageOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { MessageRulesSchema, message as messageRules, RuleSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, test } from "vitest";
import { ValidateTransitionRequest } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { TransitionWorkflowRequest } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { messageType } from "../../../src/rpc/descriptors.ts";
import { InvalidMessage, patternWords, validatingDecoder } from "../../../src/rpc/validation.ts";

const { ACTIVE, COMPLETED } = WorkflowState;

const decodeMove = validatingDecoder(messageType("concord.workflow.v1.TransitionWorkflowRequest"));
const decodeCheck = validatingDecoder(messageType("concord.predicate.v1.ValidateTransitionRequest"));
const move = { workflowId: "wf-1", targetState: ACTIVE, reason: "r", requestedBy: "ada" };

const bytesOf = (changes: Parameters<typeof TransitionWorkflowRequest.fromPartial>[0]) =>
  TransitionWorkflowRequest.encode(TransitionWorkflowRequest.fromPartial({ ...move, ...changes })).finish();

function violations(decoded: unknown): readonly { readonly field: string; readonly description: string }[] {
  if (!(decoded instanceof InvalidMessage)) throw new Error("it is valid");
  return decoded.violations;
}

test("a valid request is decoded as the generated decoder does", () => {
  const request = TransitionWorkflowRequest.fromPartial({ ...move, expectedVersion: 3n, context: { a: [1, { b: null }] } });
  expect(decodeMove(TransitionWorkflowRequest.encode(request).finish())).toEqual(request);
});

describe("descriptions are for people", () => {
  test.each([
    {
      changes: { workflowId: "a b" },
      field: "workflow_id",
      says: "must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit",
    },
    {
      changes: { targetState: WorkflowState.UNSPECIFIED },
      field: "target_state",
      says: /^must be one of WORKFLOW_STATE_CREATED, .*CANCELLED$/,
    },
    { changes: { reason: "" }, field: "reason", says: /at least 1 char/ },
    {
      changes: { requestId: "r\n1" },
      field: "request_id",
      says: "must be at most 128 characters, none of them a control character",
    },
    { changes: { expectedVersion: 0n }, field: "expected_version", says: /greater than or equal to 1/ },
    { changes: { enlist: [{ participantId: "" }] }, field: "enlist[0].participant_id", says: /^must be 1 to 128 characters/ },
    // As JSON, six characters each.
    {
      changes: { context: { big: "\u0001".repeat(11_000) } },
      field: "context",
      says: "has 66010 bytes as JSON; at most 65536 are allowed",
    },
  ])("$field: $says", ({ changes, field, says }) => {
    expect(violations(decodeMove(bytesOf(changes)))).toEqual([
      { field, description: typeof says === "string" ? says : expect.stringMatching(says) },
    ]);
  });
});

test("each pattern of the contract has words", () => {
  const root = join(import.meta.dirname, "..", "..", "..", "proto", "concord");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".proto"));
  const texts = files.map((name) => readFileSync(join(root, name), "utf8"));
  const patterns = texts.flatMap((text) =>
    [...text.matchAll(/string\.pattern = ("[^"]*")/g)].map(([, literal = ""]) => JSON.parse(literal)),
  );
  expect(patterns.length).toBeGreaterThan(50);
  expect(Object.keys(patternWords)).toEqual(expect.arrayContaining([...new Set(patterns)]));
});

test("what a field rule refuses is not named as possible", () => {
  const decode = validatingDecoder(messageType("concord.commit.v1.ResolveTransactionRequest"));
  for (const outcome of [0, 3, 99]) {
    // transaction_id: "t", outcome, reason: "r"
    const bytes = Uint8Array.of(0x0a, 1, 0x74, 0x10, outcome, 0x1a, 1, 0x72);
    expect(violations(decode(bytes))).toContainEqual({
      field: "outcome",
      description: "must be one of OUTCOME_COMMITTED, OUTCOME_ABORTED",
    });
  }
});

test("a bound of a text counts characters", () => {
  expect(decodeMove(bytesOf({ reason: "😀".repeat(1_000) }))).not.toBeInstanceOf(InvalidMessage);
  expect(violations(decodeMove(bytesOf({ reason: "😀".repeat(1_001) }))).map(({ field }) => field)).toEqual(["reason"]);
});

test("everything that is wrong is said at once, and nothing twice", () => {
  // target_state = 99, and nothing else.
  const wrong = violations(decodeMove(Uint8Array.of(0x10, 99)));
  expect(wrong.map(({ field }) => field).toSorted()).toEqual(["reason", "requested_by", "target_state", "workflow_id"]);
});

test("an enum number that the contract does not know is found wherever it is", () => {
  // check { workflow { state: 42, in_transition { target_state: 42 } }, target_state: COMPLETED }
  const bytes = Uint8Array.of(0x0a, 10, 0x0a, 6, 0x10, 42, 0x3a, 2, 0x10, 42, 0x10, 4);
  expect(violations(decodeCheck(bytes)).map(({ field }) => field)).toEqual([
    "check.workflow.state",
    "check.workflow.in_transition.target_state",
  ]);
});

test("a Struct is bounded wherever it is", () => {
  let deep: object = {};
  for (let level = 0; level < 33; level += 1) deep = { deep };
  const workflow = { workflowId: "w", state: ACTIVE };
  const check = { workflow, targetState: COMPLETED };
  const wrong = (changed: object) =>
    violations(
      decodeCheck(
        ValidateTransitionRequest.encode(ValidateTransitionRequest.fromPartial({ check: { ...check, ...changed } })).finish(),
      ),
    );
  expect(wrong({ workflow: { ...workflow, metadata: deep } })).toEqual([
    { field: "check.workflow.metadata", description: "is nested deeper than 32 levels" },
  ]);
  expect(wrong({ context: { big: "x".repeat(65_536) } })).toEqual([
    { field: "check.context", description: "has more than 65536 bytes as JSON" },
  ]);
});

test("a value in a oneof is looked at, and one that is not chosen is not", () => {
  const decode = validatingDecoder(messageType("concord.workflow.v1.WatchWorkflowEventsRequest"));
  expect(violations(decode(Uint8Array.of(0x10, 9))).map(({ field }) => field)).toEqual(["position"]);
  expect(decode(Uint8Array.of(0x08, 9))).toMatchObject({ start: { $case: "afterSequence", value: 9n } });
});

test("bytes that are no message are refused, and nothing is thrown", () => {
  for (const bytes of [[0x0a], [0x0c], [0x00], [0x0a, 0x05, 0x01]]) {
    const [violation] = violations(decodeMove(Uint8Array.from(bytes)));
    expect(violation).toEqual({ field: "", description: "not a well-formed concord.workflow.v1.TransitionWorkflowRequest" });
  }
});

test("a record that runs over the end of its message is refused: what follows would be read as part of it", () => {
  // check, 1 byte long, with the tag of its workflow; the length of that workflow stands behind the check.
  expect(violations(decodeCheck(Uint8Array.of(0x0a, 0x01, 0x0a, 0x00)))).toEqual([
    { field: "", description: "not a well-formed concord.predicate.v1.ValidateTransitionRequest" },
  ]);
});

test("a rule that cannot be checked is a defect, which the log is told", () => {
  const cel = create(RuleSchema, { id: "broken", expression: "1 / int(this.n) > 0" });
  const options = create(MessageOptionsSchema);
  setExtension(options, messageRules, create(MessageRulesSchema, { cel: [cel] }));
  const n = {
    name: "n",
    jsonName: "n",
    number: 1,
    type: FieldDescriptorProto_Type.INT32,
    label: FieldDescriptorProto_Label.OPTIONAL,
  };
  const file = create(FileDescriptorProtoSchema, {
    name: "broken.proto",
    syntax: "proto3",
    messageType: [{ name: "Broken", field: [n], options }],
  });
  const descriptor = createFileRegistry(file, () => undefined).getMessage("Broken");
  if (descriptor === undefined) throw new Error("no descriptor");
  const decoded = validatingDecoder(descriptor)(new Uint8Array());
  expect(decoded).toMatchObject({ defect: expect.objectContaining({ message: expect.stringContaining("zero") }) });
});

test("a place in a Struct is named by its keys", () => {
  const context = { a: [1, 2, { b: Number.NaN }] };
  const fieldsOf = (changed: object) => violations(decodeMove(bytesOf({ context: changed }))).map(({ field }) => field);
  expect(fieldsOf(context)).toEqual(["context.a[2].b"]);
  expect(fieldsOf({ "x y": { "": Number.NEGATIVE_INFINITY } })).toEqual(['context["x y"][""]']);
  expect(fieldsOf(JSON.parse('{"__proto__": {"constructor": 1e999}}'))).toEqual(["context.__proto__.constructor"]);
});

test("a list element is named by its place", () => {
  const decode = validatingDecoder(messageType("concord.predicate.v1.CreateRuleRequest"));
  // moves [{}, { to_state: 77 }], reason "1", requested_by "1"
  const wrong = violations(
    decode(Uint8Array.of(0x0a, 1, 0x72, 0x1a, 0, 0x1a, 2, 0x10, 77, 0x22, 1, 0x31, 0x3a, 1, 0x31, 0x42, 1, 0x31)),
  );
  expect(wrong).toEqual([{ field: "moves[1].to_state", description: expect.stringContaining("WORKFLOW_STATE_PAUSED") }]);
});
