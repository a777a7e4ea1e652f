import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type Server } from "node:net";
import { Status } from "nice-grpc-common";
import { afterEach, expect, test } from "vitest";
import { CallEnded, duplexCall } from "../../../src/rpc/clients/duplex-call.ts";
import { overloaded } from "../../../src/rpc/errors.ts";
import { createFrameReader, framed } from "../../../src/rpc/frames.ts";
import { statusHeaders } from "../../../src/rpc/status-headers.ts";

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

function listen(server: Server): Promise<string> {
  cleanups.push(() => server.close());
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as { port: number }).port}`));
  });
}

const serve = (answer: (stream: ServerHttp2Stream, path: unknown) => void): Promise<string> =>
  listen(
    createHttp2Server().on("stream", (stream: ServerHttp2Stream, headers) => {
      stream.on("error", () => undefined);
      answer(stream, headers[":path"]);
    }),
  );

async function* saying(...bursts: readonly string[][]) {
  for (const burst of bursts) yield burst.map((text) => Buffer.from(text));
}

async function* silent(): AsyncGenerator<Buffer[]> {
  await new Promise(() => {});
}

/** What has come, and how it ended. */
async function converse(address: string, outgoing: AsyncIterable<readonly Uint8Array[]>, signal = new AbortController().signal) {
  const heard: string[][] = [];
  try {
    for await (const burst of duplexCall({ address, path: "/a.Service/Talk" }, outgoing, signal)) heard.push(burst.map(String));
    return { heard, end: "well" };
  } catch (error) {
    return { heard, end: error };
  }
}

const wellEnded = (stream: ServerHttp2Stream): void => {
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
};

test("both sides stream: what is said together is one write, and what comes together is one array", async () => {
  const address = await serve((stream, path) => {
    expect(path).toBe("/a.Service/Talk");
    const read = createFrameReader(100);
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    wellEnded(stream);
    stream.on("data", (chunk: Buffer) => stream.write(framed(read(chunk).map((message) => Buffer.from(`${message}!`)))));
    stream.on("end", () => stream.end());
  });
  const { heard, end } = await converse(address, saying(["a", "b"], ["c"]));
  expect(heard.flat()).toEqual(["a!", "b!", "c!"]);
  expect(end).toBe("well");
});

test("a stream that is often full has no more listeners for that", async () => {
  const address = await serve((stream) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    wellEnded(stream);
    stream.resume().on("end", () => stream.end());
  });
  const warnings: string[] = [];
  const hear = ({ name }: Error): void => void warnings.push(name);
  process.on("warning", hear);
  const large = "x".repeat(200_000);
  const { end } = await converse(address, saying(...Array.from({ length: 20 }, () => [large])));
  process.off("warning", hear);
  expect(end).toBe("well");
  expect(warnings).toEqual([]);
});

test("how it ends is told by its trailers, or by its headers if there is nothing else", async () => {
  const address = await serve((stream) => stream.respond(statusHeaders(overloaded(7, "streams")), { endStream: true }));
  const { end } = await converse(address, silent());
  expect(end).toBeInstanceOf(CallEnded);
  const message = "more than 7 streams; retry later";
  expect(end).toMatchObject({ message, status: { code: Status.RESOURCE_EXHAUSTED, message, reason: "OVERLOADED" } });
});

test("what is no gRPC, or nobody at all, is named", async () => {
  const web = await serve((stream) => stream.respond({ ":status": 404 }, { endStream: true }));
  expect((await converse(web, silent())).end).toMatchObject({
    message: "what listens there does not speak gRPC (HTTP status 404)",
    status: { code: Status.UNIMPLEMENTED },
  });
  const other = await listen(createTcpServer((socket) => socket.end("SMTP\r\n")));
  expect((await converse(other, silent())).end).toMatchObject({
    message: expect.stringMatching(/^what listens there does not speak gRPC \(/),
    status: undefined,
  });
  expect((await converse("127.0.0.1:1", silent())).end).toMatchObject({ message: "nobody listens there" });
  expect((await converse("unix:/nowhere/at/all", silent())).end).toMatchObject({ message: "nobody listens there" });
  expect((await converse("nowhere.invalid:1", silent())).end).toMatchObject({ message: "no host has this name" });
});

test("a connection that breaks ends it", async () => {
  const address = await serve((stream) => {
    stream.respond({ ":status": 200 });
    stream.write(framed([Buffer.from("a")]), () => stream.session?.socket.resetAndDestroy());
  });
  const { end } = await converse(address, silent());
  expect(end).toMatchObject({ message: expect.stringMatching(/^the connection is gone \(/), status: undefined });
});

test("a stream that is closed without a word ends it", async () => {
  const address = await serve((stream) => stream.close(11));
  expect((await converse(address, silent())).end).toMatchObject({ status: undefined });
});

test("whoever leaves has left", async () => {
  const closed = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const address = await serve((stream) => {
    stream.respond({ ":status": 200 });
    stream.on("close", closed.resolve);
    opened.resolve();
  });
  const leaving = new AbortController();
  const ended = converse(address, silent(), leaving.signal);
  await opened.promise;
  leaving.abort();
  expect((await ended).end).toBeInstanceOf(CallEnded);
  await closed.promise;
});

test("what cannot be said ends the call with its cause", async () => {
  const address = await serve((stream) => stream.respond());
  async function* failing() {
    yield [Buffer.from("a")];
    throw new Error("no such message");
  }
  const { end } = await converse(address, failing());
  expect(end).toBeInstanceOf(CallEnded);
  expect(String(end)).toContain("no such message");
});
