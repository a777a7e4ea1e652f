import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DescField, type DescMessage, getOption, type Registry, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { registry } from "../../src/rpc/descriptors.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { concordServices, createProtoClient, type ProtoClient, type RpcName } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";

// What holds for every service, method and field, asked of the descriptors: a new field needs no new test.

const root = join(import.meta.dirname, "../..");
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const methods = concordServices.flatMap(({ service, fullName }) => {
  const descriptor = registry.getService(fullName);
  if (descriptor === undefined) throw new Error(`no descriptor of ${fullName}`);
  return descriptor.methods.map((method) => ({ rpc: `${service}/${method.name}` as RpcName, method }));
});
const calls = methods.filter(({ method }) => method.methodKind !== "bidi_streaming");

describe.each(methods)("$rpc", ({ method }) => {
  test("has a request and a response of its own, named after it", () => {
    const { name, input, output } = method;
    expect([input.name, output.name]).toEqual([`${name}Request`, `${name}Response`]);
    const sharers = methods.filter(({ method: other }) => other.input === input || other.output === output);
    expect(sharers).toHaveLength(1);
  });

  test("changes something only with request_id, requested_by and reason", () => {
    const { name, input } = method;
    const fields = new Set(input.fields.map((field) => field.name));
    const isMutation =
      /^(Create|BatchTransition|Start|Cancel|Update|Delete|Set|Apply|Rollback|Shadow|Deprecate|Transition|Recover|Activate|Deactivate|Execute|Begin|Enlist|Commit|Abort|Retry|Resolve|Forget|Reset|Pause|Resume|Discard|Purge)/.test(
        name,
      );
    const isQuestion =
      /^(Get|List|Count|Watch|Wait|Check|Explain|Assess|Lint|Replay|Validate|BatchValidate|StreamValidate|Participate|Replay|Export)/.test(
        name,
      );
    expect(isMutation !== isQuestion, `${name} is either a mutation or a question`).toBe(true);
    if (isMutation) expect(["request_id", "requested_by", "reason"].filter((field) => !fields.has(field))).toEqual([]);
    // A state has four moves at most.
    if (name.startsWith("List") && name !== "ListAllowedTransitions")
      expect(["page_size", "page_token"].filter((field) => !fields.has(field))).toEqual([]);
  });
});

describe.each(calls)("$rpc refuses a malformed body:", ({ rpc, method }) => {
  test.each([
    { what: "a tag without a value", bytes: [0x0a] },
    { what: "a length beyond the end", bytes: [0x0a, 0x7f, 0x00] },
    { what: "field number 0", bytes: [0x00, 0x00] },
    { what: "an end of a group that never began", bytes: [0x0c] },
    { what: "a varint without an end", bytes: [0x08, ...Array.from({ length: 11 }, () => 0xff)] },
    // Each of these was a message to one decoder and none to another.
    { what: "a wrong wire type, or a length beyond the end", bytes: [0x0a, 0x07] },
    { what: "an end of a group after a text", bytes: [...Buffer.from("0a047238323910037700791a03776a79", "hex")] },
  ])("$what", async ({ bytes }) => {
    const failure = await client.failureOfBytes(rpc, Uint8Array.from(bytes));
    expect(failure).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_REQUEST",
      message: `not a well-formed ${method.input.typeName}`,
    });
  });
});

type Violation = { readonly path: string; readonly what: string; readonly bytes: Uint8Array };

const tag = (field: DescField, type: WireType) => new BinaryWriter().uint32((field.number << 3) | type);
const varint = (field: DescField, value: number) => tag(field, WireType.Varint).int64(value).finish();
const lengthDelimited = (field: DescField, bytes: Uint8Array) => tag(field, WireType.LengthDelimited).bytes(bytes).finish();
const text = (length: number): Uint8Array => Buffer.alloc(length, "x");
const concat = (parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);

/** The `buf.validate` rules of a field, read as any reader of the .proto file does. */
function rulesOf(field: DescField): Readonly<Record<string, unknown>> {
  const extension = (registry as Registry).getExtension("buf.validate.field");
  if (extension === undefined) throw new Error("no extension buf.validate.field");
  const rules = getOption(field, extension) as { type?: { value?: object } };
  return { ...rules.type?.value };
}

const bounded = (rules: Readonly<Record<string, unknown>>, name: string): number | undefined =>
  typeof rules[name] === "bigint" || (typeof rules[name] === "number" && rules[name] !== 0) ? Number(rules[name]) : undefined;

/** Every way in which one field of a message, or of the messages in it, can break its rule or be unknown. */
function violations(message: DescMessage, prefix: string, wrap: (bytes: Uint8Array) => Uint8Array): readonly Violation[] {
  return message.fields.flatMap((field): readonly Violation[] => {
    const path = `${prefix}${field.name}`;
    const rules = rulesOf(field);
    const found = (what: string, bytes: Uint8Array): Violation => ({ path, what, bytes: wrap(bytes) });
    if (field.fieldKind === "enum") return [found("an unknown enum number", varint(field, 99))];
    if (field.fieldKind === "list") return listViolations(field, path, wrap, bounded(rules, "maxItems"));
    if (field.fieldKind === "message") return messageViolations(field, field.message, path, wrap);
    if (field.scalar === ScalarType.INT64 || field.scalar === ScalarType.UINT64) {
      const large = field.scalar === ScalarType.INT64 ? 2n ** 63n - 1n : 2n ** 64n - 1n;
      const rest = integerViolations(field, rules, found);
      return [...rest, found(String(large), tag(field, WireType.Varint).uint64(large).finish())];
    }
    const limit = bounded(rules, "maxLen");
    const pattern = rules["pattern"] === "" ? undefined : (rules["pattern"] as string | undefined);
    const tooMany = pattern === undefined ? 0 : longestOf(pattern) + 1;
    return [
      ...(limit === undefined ? [] : [found(`${limit + 1} characters`, lengthDelimited(field, text(limit + 1)))]),
      ...(pattern !== undefined
        ? [found("a character that is not allowed", lengthDelimited(field, Buffer.from("a\u0001b")))]
        : []),
      ...(pattern !== undefined ? [found(`${tooMany} characters`, lengthDelimited(field, text(tooMany)))] : []),
      ...integerViolations(field, rules, found),
    ];
  });
}

/** How long a text of one letter may be. */
function longestOf(pattern: string): number {
  const regex = new RegExp(pattern, "u");
  return Array.from({ length: 1024 }, (_, length) => length).findLast((length) => regex.test("x".repeat(length))) ?? 128;
}

function integerViolations(
  field: DescField,
  rules: Readonly<Record<string, unknown>>,
  found: (what: string, bytes: Uint8Array) => Violation,
): readonly Violation[] {
  const { value: most } = (rules["lessThan"] ?? {}) as { value?: unknown };
  const { value: least } = (rules["greaterThan"] ?? {}) as { value?: unknown };
  return [
    ...(most === undefined ? [] : [found(`more than ${most}`, numberOf(field, Number(most) + 1))]),
    ...(least === undefined ? [] : [found(`less than ${least}`, numberOf(field, Number(least) - 1))]),
  ];
}

function listViolations(
  field: DescField & { fieldKind: "list" },
  path: string,
  wrap: (bytes: Uint8Array) => Uint8Array,
  limit: number | undefined,
): readonly Violation[] {
  const isEnum = field.listKind === "enum";
  const item = isEnum ? varint(field, 1) : lengthDelimited(field, new Uint8Array());
  const many = Array.from({ length: (limit ?? 0) + 1 }, () => item);
  return [
    ...(isEnum ? [{ path: `${path}[0]`, what: "an unknown enum number", bytes: wrap(varint(field, 99)) }] : []),
    ...(limit === undefined ? [] : [{ path, what: `${limit + 1} elements`, bytes: wrap(concat(many)) }]),
    ...(field.listKind === "message"
      ? violations(field.message, `${path}[0].`, (bytes) => wrap(lengthDelimited(field, bytes)))
      : []),
  ];
}

function messageViolations(
  field: DescField,
  message: DescMessage,
  path: string,
  wrap: (bytes: Uint8Array) => Uint8Array,
): readonly Violation[] {
  switch (message.typeName) {
    case "google.protobuf.Duration":
      return [
        // Beyond every limit of the contract.
        { path, what: "10,000 years", bytes: wrap(lengthDelimited(field, secondsAndNanos(315_576_000_000, 0))) },
        { path, what: "more than 10,000 years", bytes: wrap(lengthDelimited(field, secondsAndNanos(315_576_000_001, 0))) },
        { path, what: "mixed signs", bytes: wrap(lengthDelimited(field, secondsAndNanos(1, -1))) },
        { path, what: "nanos of a whole second", bytes: wrap(lengthDelimited(field, secondsAndNanos(1, 1_000_000_000))) },
      ];
    case "google.protobuf.Struct":
      return [
        { path, what: "more than 64 KiB", bytes: wrap(lengthDelimited(field, structOf(textValue(64 * 1024)))) },
        { path, what: "33 levels", bytes: wrap(lengthDelimited(field, nested(33))) },
        ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((number) => ({
          path: `${path}.k`,
          what: String(number),
          bytes: wrap(lengthDelimited(field, structOf(numberValue(number)))),
        })),
      ];
    case "google.protobuf.Timestamp":
      return [
        { path, what: "the year 10000", bytes: wrap(lengthDelimited(field, secondsAndNanos(253_402_300_800, 0))) },
        { path, what: "the year 0", bytes: wrap(lengthDelimited(field, secondsAndNanos(-62_135_596_801, 0))) },
        { path, what: "nanos below 0", bytes: wrap(lengthDelimited(field, secondsAndNanos(0, -1))) },
        { path, what: "nanos of a whole second", bytes: wrap(lengthDelimited(field, secondsAndNanos(0, 1_000_000_000))) },
      ];
    default:
      return violations(message, `${path}.`, (bytes) => wrap(lengthDelimited(field, bytes)));
  }
}

const numberOf = (field: DescField, value: number): Uint8Array =>
  field.scalar === ScalarType.DOUBLE ? tag(field, WireType.Bit64).double(value).finish() : varint(field, value);

const inner = (number: number, bytes: Uint8Array) =>
  new BinaryWriter()
    .uint32((number << 3) | 2)
    .bytes(bytes)
    .finish();
/** Struct { fields { key: "k", value } } */
const structOf = (value: Uint8Array) => inner(1, concat([inner(1, Buffer.from("k")), inner(2, value)]));
/** Timestamp and Duration are alike on the wire. */
const secondsAndNanos = (seconds: number, nanos: number) =>
  new BinaryWriter().uint32(0x08).int64(seconds).uint32(0x10).int32(nanos).finish();
/** Value { number_value } */
const numberValue = (number: number) => new BinaryWriter().uint32(0x11).double(number).finish();
/** Value { string_value } */
const textValue = (length: number) => inner(3, text(length));
/** Value { struct_value } in itself. */
const nested = (levels: number): Uint8Array => structOf(levels === 1 ? textValue(1) : inner(5, nested(levels - 1)));

const broken = calls.map(({ rpc, method }) => ({ rpc, all: violations(method.input, "", (bytes) => bytes) }));

describe.each(broken.filter(({ all }) => all.length > 0))("$rpc names the field that breaks its rule:", ({ rpc, all }) => {
  test.each(all)("$path has $what", async ({ path, bytes }) => {
    const failure = await client.failureOfBytes(rpc, bytes);
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST" });
    expect(failure?.fields).toContain(path);
  });
});

describe("TwoPhaseCommit/Participate answers with the name of the field that breaks its rule:", () => {
  const input = methods.find(({ rpc }) => rpc === "TwoPhaseCommit/Participate")?.method.input;
  if (input === undefined) throw new Error("no Participate");
  const all = violations(input, "", (bytes) => bytes);
  const ofHello = (path: string): boolean => path.startsWith("hello.");

  test.each(all.filter(({ path }) => ofHello(path)))("$path has $what: the stream ends", async ({ path, bytes }) => {
    const stream = client.converse("TwoPhaseCommit/Participate");
    stream.send(Buffer.from(bytes));
    const failure = await stream.end();
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST" });
    expect(failure?.fields).toContain(path);
  });

  test.each(all.filter(({ path }) => !ofHello(path)))("$path has $what: Nack", async ({ path, bytes }) => {
    const participant = await joinAs(client, "clumsy");
    participant.sendBytes(bytes);
    expect(await participant.expect("nack")).toMatchObject({ reason: expect.stringContaining(path) });
    participant.leave();
  });
});

describe("concord.error.v1.ErrorReason", () => {
  const proto = readFileSync(join(root, "proto/concord/error/v1/error.proto"), "utf8");
  const documented = new Map(
    [...proto.matchAll(/\n {2}\/\/ (.*)\n(?: {2}\/\/.*\n)* {2}ERROR_REASON_(\w+) = \d+;/g)].map(([, comment = "", name = ""]) => [
      name,
      comment,
    ]),
  );
  const values = (registry.getEnum("concord.error.v1.ErrorReason")?.values ?? []).map(({ name }) =>
    name.replace("ERROR_REASON_", ""),
  );
  const sources = globSync("src/{rpc,commit,workflow,predicate}/**/*.ts", { cwd: root }).map((file) =>
    readFileSync(join(root, file), "utf8"),
  );

  test.each(values.filter((name) => name !== "UNSPECIFIED"))("%s: its comment gives its gRPC code, and src has it", (name) => {
    expect(documented.get(name)).toMatch(
      /^(INVALID_ARGUMENT|NOT_FOUND|ALREADY_EXISTS|FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE|RESOURCE_EXHAUSTED|UNAVAILABLE|DEADLINE_EXCEEDED|INTERNAL|UNAUTHENTICATED|PERMISSION_DENIED)\b/,
    );
    expect(sources.some((source) => source.includes(`"${name}"`))).toBe(true);
  });

  test("src sends each reason with the code of its comment, and no other reason", () => {
    const sent = sources.flatMap((source) => [...source.matchAll(/code: Status\.(\w+),\s*reason: "(\w+)"/g)]);
    expect(sent.length).toBeGreaterThan(25);
    for (const [, code, reason = ""] of sent) expect(documented.get(reason), reason).toMatch(new RegExp(`^${code}\\b`));
  });
});

describe.each([...registry.files].filter(({ name }) => name.startsWith("concord/")).map(({ name, proto }) => ({ name, proto })))(
  "$name",
  ({ name, proto }) => {
    const [, domain = ""] = name.split("/");
    const pascal = (text: string) => text.replaceAll(/(?:^|_)(.)/g, (_, first: string) => first.toUpperCase());

    test("has a package in each language that needs to be told", () => {
      expect(proto.options).toMatchObject({
        csharpNamespace: `Concord.${pascal(domain)}.V1`,
        goPackage: `concord/clients/go/gen/concord/${domain}/v1;${domain}v1`,
        javaMultipleFiles: true,
        javaOuterClassname: `${pascal(name.slice(name.lastIndexOf("/") + 1))}Proto`,
        javaPackage: `concord.${domain}.v1`,
        objcClassPrefix: `C${domain.slice(0, 1).toUpperCase()}X`,
      });
    });

    test("names nothing as Java's own language does", () => {
      const names = [...proto.messageType, ...proto.enumType, ...proto.service].map((each) => each.name);
      const ofJava = [
        "Error",
        "Exception",
        "Object",
        "Record",
        "Process",
        "Runtime",
        "Thread",
        "Module",
        "Package",
        "Override",
        "String",
      ];
      expect(names.filter((each) => ofJava.includes(each))).toEqual([]);
    });
  },
);
