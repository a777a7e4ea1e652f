import { type ClientHttp2Session, connect } from "node:http2";
import { gzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";

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

type Answer = { readonly code: string | undefined; readonly message: string; readonly requestId: unknown };

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
    stream.on("close", () =>
      resolve({
        code: status[Number(ended["grpc-status"])],
        message: decodeURIComponent(String(ended["grpc-message"])),
        requestId: ended["x-request-id"],
      }),
    );
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

describe.each([`${health}/Check`, `${health}/Watch`, reflection])("%s", (path) => {
  test("refuses bytes that are no message", async () => {
    expect(await send(path, Uint8Array.of(0x0a, 0x07))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("not a well-formed grpc."),
    });
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
    expect(answer.code).toBe(code);
    expect(refusals()).toMatchObject([{ level, message: answer.message }]);
  });

  test.each(["banana", "5", "5X", ""])('a grpc-timeout "%s"', async (timeout) => {
    lines.length = 0;
    const answer = await send(createWorkflow, workflow("none-4"), { "grpc-timeout": timeout });
    expect(answer).toMatchObject({ code: "INTERNAL", message: `Invalid grpc-timeout value "${timeout}"` });
    expect(refusals()).toMatchObject([{ level: 40, message: answer.message }]);
  });

  test("no workflow has come of it", async () => {
    expect((await server.clients.workflows.listWorkflows({})).workflows).toEqual([]);
  });
});

test("what is well compressed is read", async () => {
  expect(await send(createWorkflow, gzipSync(workflow("zipped")), { "grpc-encoding": "gzip" }, 1)).toMatchObject({ code: "OK" });
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
