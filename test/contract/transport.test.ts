import { type ClientHttp2Session, connect } from "node:http2";
import { gzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { status } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { TransitionWorkflowRequest } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { messageType } from "../../src/rpc/descriptors.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { openRawCall } from "../support/raw-call.ts";

// What no gRPC client would send, over bare HTTP/2. The codes are those of
// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md and doc/compression.md.

const data = temporaryFolder();
const lines: { readonly msg: string; readonly level: number; readonly message?: string }[] = [];
let server: TestServer;
let session: ClientHttp2Session;

beforeAll(async () => {
  const logger = pino({ level: "debug" }, { write: (line) => void lines.push(JSON.parse(line)) });
  server = await startServer({ dataDir: data.path }, logger);
  session = connect(`http://${server.address}`);
});

afterAll(async () => {
  session.close();
  await server.stop();
  data.remove();
});

/** The server's own participant says hello in between. */
const refusals = () => lines.filter(({ msg }) => msg === "call answered by the transport");

type Answer = {
  readonly code: string | undefined;
  readonly message: string;
  readonly requestId: unknown;
  /** ErrorInfo. */
  readonly reason: string | undefined;
  readonly metadata: unknown;
};

type Details = { readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[] };

function errorInfo(header: unknown): { readonly reason?: string; readonly metadata?: unknown } {
  const { details } = fromBinary(
    messageType("google.rpc.Status"),
    Buffer.from(String(header ?? ""), "base64"),
  ) as unknown as Details;
  const info = details.find(({ typeUrl }) => typeUrl.endsWith("/google.rpc.ErrorInfo"));
  return info === undefined ? {} : (fromBinary(messageType("google.rpc.ErrorInfo"), info.value) as object);
}

/** One message in one frame of gRPC. */
function send(path: string, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}, compressed = 0): Promise<Answer> {
  const always = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  return new Promise((resolve, reject) => {
    const stream = session.request({ ...always, ...headers });
    let ended: Readonly<Record<string, unknown>> = {};
    stream.on("response", (response) => {
      ended = response;
    });
    stream.on("trailers", (trailers) => {
      ended = trailers;
    });
    stream.on("close", () => {
      const { reason, metadata } = errorInfo(ended["grpc-status-details-bin"]);
      resolve({
        code: status[Number(ended["grpc-status"])],
        message: decodeURIComponent(String(ended["grpc-message"])),
        requestId: ended["x-request-id"],
        reason,
        metadata,
      });
    });
    stream.on("error", reject);
    stream.resume();
    const length = Buffer.alloc(5);
    length.writeUInt8(compressed, 0);
    length.writeUInt32BE(bytes.length, 1);
    stream.end(Buffer.concat([length, bytes]));
  });
}

const health = "/grpc.health.v1.Health";
const reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const createWorkflow = "/concord.workflow.v1.WorkflowService/CreateWorkflow";
const workflow = (id: string) => Buffer.concat([Uint8Array.of(0x0a, id.length), Buffer.from(id)]);

describe.each([`${health}/Check`, `${health}/Watch`, reflection, reflection.replace("v1", "v1alpha")])("%s", (path) => {
  test("refuses bytes that are no message", async () => {
    expect(await send(path, Uint8Array.of(0x0a, 0x07))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("not a well-formed grpc."),
    });
  });
});

test("a request for reflection that is no name of anything is not decoded", async () => {
  // `host`, again and again.
  expect(await send(reflection, Buffer.alloc(4_098, Uint8Array.of(0x0a, 0)))).toMatchObject({
    code: "INVALID_ARGUMENT",
    message: "the message must have no more than 4096 bytes",
  });
});

test("the name of an unknown service is not repeated in whole", async () => {
  const { code, message } = await send(
    `${health}/Check`,
    Buffer.concat([Uint8Array.of(0x0a, 0xd0, 0x86, 0x03), Buffer.alloc(50_000, "x")]),
  );
  expect(code).toBe("NOT_FOUND");
  expect(message.length).toBeLessThan(700);
});

describe("a call that cannot be read is answered, is logged, and does nothing:", () => {
  test.each([
    {
      what: "an unknown compression",
      headers: { "grpc-encoding": "foo" },
      bytes: workflow("none-1"),
      code: "UNIMPLEMENTED",
      level: 20,
    },
    {
      what: "bytes that are not gzip",
      headers: { "grpc-encoding": "gzip" },
      bytes: workflow("none-2"),
      code: "INTERNAL",
      level: 40,
    },
    {
      what: "gzip that is cut off",
      headers: { "grpc-encoding": "gzip" },
      bytes: gzipSync(workflow("none-3")).subarray(0, 15),
      code: "INTERNAL",
      level: 40,
    },
  ])("$what", async ({ headers, bytes, code, level }) => {
    lines.length = 0;
    const answer = await send(createWorkflow, bytes, headers, 1);
    expect(answer).toMatchObject({ code, reason: "UNREADABLE_CALL" });
    expect(refusals()).toMatchObject([{ level, message: answer.message, request: answer.requestId }]);
  });

  test.each(["banana", "5", "5X", ""])('a grpc-timeout "%s"', async (timeout) => {
    lines.length = 0;
    const answer = await send(createWorkflow, workflow("none-4"), { "grpc-timeout": timeout });
    expect(answer).toMatchObject({
      code: "INTERNAL",
      message: `Invalid grpc-timeout value "${timeout}"`,
      reason: "UNREADABLE_CALL",
    });
    expect(refusals()).toMatchObject([{ level: 40, message: answer.message }]);
  });

  test("no workflow has come of it", async () => {
    expect((await server.clients.workflows.listWorkflows({})).workflows).toEqual([]);
  });
});

test("what is well compressed is read", async () => {
  expect(await send(createWorkflow, gzipSync(workflow("zipped")), { "grpc-encoding": "gzip" }, 1)).toMatchObject({ code: "OK" });
});

describe("a request that is larger than --max-message", () => {
  const limit = 4 * 1024 * 1024;
  const tooLarge = { code: "RESOURCE_EXHAUSTED", reason: "MESSAGE_TOO_LARGE", metadata: { limit: String(limit) } };

  /** A workflow, and as much of an unknown field as makes it so large. */
  function filled(id: string, bytes: number): Uint8Array {
    const known = workflow(id);
    const tagAndLength = 2 + 4;
    const rest = bytes - known.length - tagAndLength;
    const writer = new BinaryWriter().tag(99, WireType.LengthDelimited).bytes(Buffer.alloc(rest));
    return Buffer.concat([known, writer.finish()]);
  }

  test("is refused with the limit; one that is as large is read", async () => {
    expect(await send(createWorkflow, filled("full", limit))).toMatchObject({ code: "OK" });
    expect(await send(createWorkflow, filled("none-5", limit + 1))).toMatchObject(tooLarge);
  });

  test("is refused when its length has come, before the rest of it", async () => {
    const call = openRawCall(server.address, createWorkflow);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(limit + 1, 1);
    call.stream.write(prefix);
    call.stream.resume();
    expect(await call.status).toBe(String(status.RESOURCE_EXHAUSTED));
    call.close();
  });

  test("is refused while it is decompressed", async () => {
    // Whoever read on would come to where the bytes are cut off, and say that instead.
    const cutOff = gzipSync(Buffer.alloc(8 * limit)).subarray(0, -100);
    expect(await send(createWorkflow, cutOff, { "grpc-encoding": "gzip" }, 1)).toMatchObject(tooLarge);
  });
});

test("an atomic transition whose transaction would be larger than --max-message is refused for what it enlists", async () => {
  const { workflows } = server.clients;
  await workflows.createWorkflow({ workflowId: "heavy" });
  // 16 payloads, so that the last one makes it as large as it may be; the workflow manager's own part comes on top.
  const request = (last: number): Parameters<typeof TransitionWorkflowRequest.fromPartial>[0] => ({
    workflowId: "heavy",
    targetState: WorkflowState.ACTIVE,
    reason: "r",
    requestedBy: "ada",
    enlist: Array.from({ length: 16 }, (_, index) => ({
      participantId: `p${index}`,
      payload: Buffer.alloc(index === 15 ? last : 262_144),
    })),
  });
  const size = (last: number): number =>
    TransitionWorkflowRequest.encode(TransitionWorkflowRequest.fromPartial(request(last))).finish().length;
  const last = 200_000 + 4 * 1024 * 1024 - size(200_000);
  expect(size(last)).toBe(4 * 1024 * 1024);
  expect(await failureOf(workflows.transitionWorkflow(request(last)))).toMatchObject({
    reason: "INVALID_REQUEST",
    fields: [{ field: "enlist", description: expect.stringContaining("4194304 bytes") }],
  });
});

describe("the id of a call", () => {
  const getWorkflow = "/concord.workflow.v1.WorkflowService/GetWorkflow";
  const made = /^[0-9a-f-]{36}$/;

  test.each([
    { given: "mine-1", id: /^mine-1$/ },
    { given: "", id: made },
    { given: "é", id: made },
    { given: "x".repeat(129), id: made },
  ])("$given", async ({ given, id }) => {
    expect((await send(getWorkflow, workflow("none"), { "x-request-id": given })).requestId).toMatch(id);
  });
});
