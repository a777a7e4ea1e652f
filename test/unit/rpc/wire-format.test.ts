import { type DescField, type DescMessage, fromBinary, getOption } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { createValidator } from "@bufbuild/protovalidate";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, test } from "vitest";
import { TransitionWorkflowRequest } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { fieldCountMax, structDepthMax, structValueCountMax } from "../../../src/kernel/limits.ts";
import { messageType, registry } from "../../../src/rpc/descriptors.ts";
import { InvalidMessage, validatingDecoder } from "../../../src/rpc/validation.ts";
import { wireWalk } from "../../../src/rpc/wire-format.ts";

const mebibyte = 2 ** 20;

/** So many times the same field, of an empty message or text. */
const empties = (number: number, count: number): Uint8Array => Buffer.alloc(2 * count, Uint8Array.of((number << 3) | 2, 0));

const inside = (number: number, bytes: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();

const transition = "concord.workflow.v1.TransitionWorkflowRequest";
const batch = "concord.predicate.v1.BatchValidateTransitionsRequest";

describe("a list is counted before an element of it is made:", () => {
  test.each([
    { typeName: batch, number: 1, count: mebibyte / 2, field: "checks", most: 1_000 },
    { typeName: batch, number: 1, count: (19 * mebibyte) / 2, field: "checks", most: 1_000 },
    { typeName: "concord.commit.v1.ExecuteTransactionRequest", number: 1, count: 5_000, field: "participants", most: 64 },
    { typeName: transition, number: 8, count: 5_000, field: "enlist", most: 63 },
    { typeName: "concord.predicate.v1.CreateRuleRequest", number: 3, count: 5_000, field: "moves", most: 36 },
  ])("$count $field", ({ typeName, number, count, field, most }) => {
    expect(wireWalk(messageType(typeName))(empties(number, count))).toEqual({
      excess: { field, description: `must contain no more than ${most} item(s)` },
      fieldCount: most + 1,
    });
  });

  test("in a message that is within another", () => {
    const walk = wireWalk(messageType("concord.commit.v1.ParticipateRequest"));
    expect(walk(inside(2, empties(5, 10_000))).excess).toBeUndefined();
    expect(walk(inside(2, empties(5, 10_001))).excess?.field).toBe("hello.in_doubt");
  });
});

describe("a list of numbers is counted, as it may come:", () => {
  const walk = wireWalk(messageType("concord.workflow.v1.WaitForWorkflowRequest"));
  const packed = (count: number) => inside(2, Buffer.alloc(count, 1));
  const single = (count: number) => Buffer.alloc(2 * count, Uint8Array.of(2 << 3, 1));
  const excess = { field: "states", description: "must contain no more than 6 item(s)" };

  test("in one piece, one by one, or both", () => {
    for (const bytes of [packed(6), single(6), Buffer.concat([packed(3), single(3)])]) {
      expect(walk(bytes).excess).toBeUndefined();
    }
    for (const bytes of [packed(7), packed(mebibyte), single(7), Buffer.concat([packed(3), single(4)])]) {
      expect(walk(bytes).excess).toEqual(excess);
    }
  });

  test("a piece that ends in the midst of a number is none", () => {
    expect(() => walk(Uint8Array.of((2 << 3) | 2, 1, 0x80, 1))).toThrow("runs over the end");
  });

  test("they are decoded as they come", () => {
    const decode = validatingDecoder(messageType("concord.workflow.v1.WaitForWorkflowRequest"));
    const id = inside(1, Buffer.from("w"));
    const states = ["WORKFLOW_STATE_CREATED", "WORKFLOW_STATE_ACTIVE"];
    expect(decode(Buffer.concat([id, inside(2, Uint8Array.of(1, 2))]))).toMatchObject({ states });
    expect(decode(Buffer.concat([id, Uint8Array.of(2 << 3, 1, 2 << 3, 2)]))).toMatchObject({ states });
  });
});

const bytesOf = (changes: Parameters<typeof TransitionWorkflowRequest.fromPartial>[0]) =>
  TransitionWorkflowRequest.encode(TransitionWorkflowRequest.fromPartial(changes)).finish();

function nested(levels: number): unknown {
  let value: unknown = {};
  for (let level = 1; level < levels; level += 1) value = level % 2 === 0 ? [value] : { value };
  return value;
}

describe("a Struct is measured before a value of it is made:", () => {
  const walk = wireWalk(messageType(transition));
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
  const entries = (count: number) => Object.fromEntries(numbers(count).map((index) => [`k${index}`, null]));
  const tooWide = `has more than ${structValueCountMax} values`;
  const tooDeep = `is nested deeper than ${structDepthMax} levels`;

  test.each([
    // The list is a value, too.
    { what: "values of a list", most: { a: numbers(4_999) }, more: { a: numbers(20_000) }, description: tooWide },
    { what: "entries", most: entries(5_000), more: entries(20_000), description: tooWide },
    {
      what: "empty lists",
      most: { a: numbers(4_999).map(() => []) },
      more: { a: numbers(9_999).map(() => []) },
      description: tooWide,
    },
    { what: "levels", most: { a: nested(31) }, more: { a: nested(300) }, description: tooDeep },
    {
      what: "text",
      most: { a: "x".repeat(65_527) },
      more: { a: "x".repeat(65_500), ["y".repeat(100)]: null },
      description: "has more than 65536 bytes as JSON",
    },
  ])("$what", ({ most, more, description }) => {
    for (const name of ["context", "eventMetadata"] as const) {
      expect(walk(bytesOf({ [name]: most })).excess).toBeUndefined();
      const { excess, fieldCount } = walk(bytesOf({ [name]: more }));
      expect(excess).toEqual({ field: name === "context" ? "context" : "event_metadata", description });
      expect(fieldCount).toBeLessThanOrEqual(4 * structValueCountMax + 4);
    }
  });

  test("two that are as wide as they may be are understood", () => {
    const decoded = validatingDecoder(messageType(transition))(
      bytesOf({
        workflowId: "w",
        targetState: "WORKFLOW_STATE_ACTIVE",
        reason: "r",
        requestedBy: "ada",
        context: entries(5_000),
        eventMetadata: entries(5_000),
      }),
    );
    expect(decoded).not.toBeInstanceOf(InvalidMessage);
  });
});

describe("what no rule counts is counted for the whole message:", () => {
  const description = `the message must have no more than ${fieldCountMax} fields, those within it included`;
  const manyChecks = Buffer.concat(Array.from({ length: 100 }, () => inside(1, inside(5, empties(1, 1_000)))));
  test.each([
    // Field 99 is unknown; field 2 is target_state.
    { what: "unknown fields", bytes: inside(99, new Uint8Array()), times: fieldCountMax + 1, typeName: transition, field: "" },
    {
      what: "a number again and again",
      bytes: Uint8Array.of(0x10, 1),
      times: fieldCountMax + 1,
      typeName: transition,
      field: "",
    },
    { what: "what many elements have within them", bytes: manyChecks, times: 1, typeName: batch, field: "checks[61].context" },
  ])("$what", ({ bytes, times, typeName, field }) => {
    expect(wireWalk(messageType(typeName))(Buffer.concat(Array.from({ length: times }, () => bytes)))).toEqual({
      excess: { field, description },
      fieldCount: fieldCountMax + 1,
    });
  });
});

test("groups are refused: no message has any", () => {
  const group = Uint8Array.of((99 << 3) | 3, 6, (99 << 3) | 4, 6);
  expect(() => wireWalk(messageType(transition))(group)).toThrow();
});

describe("every field of a request that has a most says it in the words of its rule:", () => {
  const validator = createValidator({ registry });
  const services = [...registry].filter((type) => type.kind === "service" && type.typeName.startsWith("concord."));
  const requests = services.flatMap((service) => (service.kind === "service" ? service.methods.map(({ input }) => input) : []));
  const messages = [...new Set(requests.flatMap((request) => [...within(request, new Set())]))];

  test.each(messages)("$typeName", (message) => {
    const walk = wireWalk(message);
    for (const field of message.fields) {
      const filled = (count: number, bytes: number) =>
        Buffer.concat(Array.from({ length: count }, () => inside(field.number, Buffer.alloc(bytes, "x"))));
      const { count, bytes } = mostOf(field);
      if (field.fieldKind === "list") expect(count, `${field} has a most`).toBeDefined();
      if (count === undefined && bytes === undefined) continue;
      // A number is one in a piece of its own.
      const itemBytes = field.fieldKind === "list" && field.listKind === "enum" ? 1 : 0;
      const tooMuch = bytes === undefined ? filled((count ?? 0) + 1, itemBytes) : filled(1, bytes * 4 + 1);
      const { excess } = walk(tooMuch);
      const result = validator.validate(message, fromBinary(message, tooMuch));
      const words = result.violations?.filter(({ field: [first] }) => first === field).map((violation) => violation.message);
      expect(words).toContain(excess?.description);
    }
  });
});

/** The message types within a request, apart from those that everybody has. */
function within(message: DescMessage, found: Set<DescMessage>): Set<DescMessage> {
  if (found.has(message) || message.typeName.startsWith("google.")) return found;
  found.add(message);
  for (const field of message.fields) if (field.message) within(field.message, found);
  return found;
}

function mostOf(field: DescField): { readonly count?: number; readonly bytes?: number } {
  const { type } = getOption(field, fieldRules);
  if (type.case === "repeated" && type.value.maxItems > 0n) return { count: Number(type.value.maxItems) };
  const isText = type.case === "string" || type.case === "bytes";
  return isText && type.value.maxLen > 0n ? { bytes: Number(type.value.maxLen) } : {};
}
