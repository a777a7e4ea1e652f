import { constants } from "node:http2";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import zlib, { type Gunzip } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { status as Status } from "@grpc/grpc-js";
import { afterEach, expect, test, vi } from "vitest";
import {
  compressedBytesMax,
  compressedBytesPerConnectionMax,
  decompressionsMax,
  decompressionsPerConnectionMax,
  waitingDecompressionsMax,
} from "../../../src/rpc/limits.ts";
import { framed, openRawConnection } from "../../support/raw-call.ts";
import { startRecordingServer } from "../../support/recording-server.ts";
import { until } from "../../support/until.ts";

const getWorkflow = "/concord.workflow.v1.WorkflowService/GetWorkflow";
const mebibyte = 1024 * 1024;
/** A field that nobody knows: nothing of it is in what a handler gets. */
const large = new BinaryWriter()
  .tag(99, WireType.LengthDelimited)
  .bytes(Buffer.alloc(3 * mebibyte))
  .finish();

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startServer(fakes: Parameters<typeof startRecordingServer>[0] = {}) {
  const { address, calls, server } = await startRecordingServer(fakes);
  cleanups.push(() => server.shutdown(0));
  const connect = () => {
    const connection = openRawConnection(address);
    cleanups.push(connection.close);
    return connection;
  };
  return { calls, connection: connect(), connect };
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

test("of a request that its handler has, no bytes are kept", async () => {
  const { promise: over, resolve: finish } = Promise.withResolvers<void>();
  const { calls, connection } = await startServer({ getWorkflow: () => over.then(() => ({})) });
  const message = framed(large);
  const underWay = Array.from({ length: 20 }, () => connection.call(getWorkflow));
  for (const { stream } of underWay) stream.resume().end(message);
  await until(() => calls.length === underWay.length, "each handler has its request");
  const kept = await until(() => {
    collectGarbage();
    return process.memoryUsage().arrayBuffers < 25 * mebibyte;
  }, "their bytes are given back");
  finish();
  expect(kept).toBe(true);
});

/** As gRPC has it on the wire, with the flag that says so. */
function compressed(level: number, contents = large): Buffer {
  const message = framed(zlib.gzipSync(contents, { level }));
  message.writeUInt8(1, 0);
  return message;
}

const gzip = { "grpc-encoding": "gzip" };
/** What the handler of the recording server says. */
const heard = String(Status.FAILED_PRECONDITION);

/** Has each decompression begin with `begun`. */
function onGunzip(begun: (gunzip: Gunzip) => void): void {
  const createGunzip = zlib.createGunzip.bind(zlib);
  vi.spyOn(zlib, "createGunzip").mockImplementation((options) => {
    const gunzip = createGunzip(options);
    begun(gunzip);
    return gunzip;
  });
}

test("few messages are decompressed at a time, however many have come", async () => {
  const { connection } = await startServer();
  let atOnce = 0;
  let most = 0;
  onGunzip((gunzip) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    gunzip.once("end", () => {
      atOnce -= 1;
    });
  });
  const calls = Array.from({ length: 40 }, () => connection.call(getWorkflow, gzip));
  for (const { stream } of calls) stream.resume().end(compressed(9));
  expect(await Promise.all(calls.map(({ status }) => status))).toEqual(calls.map(() => heard));
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(decompressionsMax);
});

/** Decompresses nothing of what is `held` before the promise is kept. */
function holdGunzips(until: Promise<void>, held: (contents: Buffer) => boolean = () => true): void {
  onGunzip((gunzip) => {
    const write = gunzip.write.bind(gunzip) as (contents: Buffer) => boolean;
    const end = gunzip.end.bind(gunzip);
    let begin = Promise.resolve();
    gunzip.write = (contents: Buffer) => {
      if (held(contents)) begin = until;
      void begin.then(() => write(contents));
      return true;
    };
    gunzip.end = () => {
      void begin.then(() => end());
      return gunzip;
    };
  });
}

test.for([
  { of: "one connection", connectionCount: 1, callsOfEach: 9, bytesMax: compressedBytesPerConnectionMax },
  { of: "all", connectionCount: 3, callsOfEach: 4, bytesMax: compressedBytesMax },
])("those of $of that wait for it are bounded in bytes", async ({ connectionCount, callsOfEach, bytesMax }) => {
  const { connect } = await startServer();
  const { promise: refused, resolve: refuse } = Promise.withResolvers<void>();
  // None goes on before one is refused.
  holdGunzips(refused);
  const connections = Array.from({ length: connectionCount }, connect);
  // Stored, not compressed: 3 MiB each.
  const calls = connections.flatMap(({ call }) => Array.from({ length: callsOfEach }, () => call(getWorkflow, gzip)));
  for (const { status } of calls) void status.then(() => refuse());
  // One after the other: a client that has more than 10 MiB to send reads no answers.
  for (const { stream } of calls) await new Promise<void>((sent) => stream.resume().end(compressed(0), sent));
  const answers = await Promise.all(calls.map(({ status }) => status));
  // What comes after the first refusal finds room.
  const heardCount = answers.filter((status) => status === heard).length;
  expect(heardCount).toBeGreaterThanOrEqual(Math.floor(bytesMax / compressed(0).length));
  expect(answers).toContain(String(Status.RESOURCE_EXHAUSTED));
});

test("a connection's many wait for each other, and nobody for them; too many are refused", async () => {
  const { connection, connect } = await startServer();
  const { promise: answered, resolve: release } = Promise.withResolvers<void>();
  const bomb = compressed(9);
  const others = compressed(1);
  holdGunzips(answered, (contents) => contents.equals(bomb.subarray(5)));
  const statuses: unknown[] = [];
  const bombs = Array.from({ length: 200 }, () => connection.call(getWorkflow, gzip));
  for (const { stream, status } of bombs) {
    stream.resume().end(bomb);
    void status.then((each) => statuses.push(each));
  }
  // Large, of another connection; small, of the same.
  const large = connect().call(getWorkflow, gzip);
  large.stream.resume().end(others);
  expect(await large.status).toBe(heard);
  const small = connection.call(getWorkflow, gzip);
  small.stream.resume().end(compressed(9, new Uint8Array(0)));
  expect(await small.status).toBe(heard);
  const kept = decompressionsPerConnectionMax + waitingDecompressionsMax;
  await until(() => statuses.length === bombs.length - kept, "all others are refused");
  expect(new Set(statuses)).toEqual(new Set([String(Status.RESOURCE_EXHAUSTED)]));
  release();
  await until(() => statuses.length === bombs.length, "all are answered");
  expect(statuses.filter((status) => status === heard)).toHaveLength(kept);
});

test("what nobody waits for any more is not decompressed", async () => {
  const { connection } = await startServer();
  const { promise: cancelled, resolve: release } = Promise.withResolvers<void>();
  let begun = 0;
  holdGunzips(cancelled, () => {
    begun += 1;
    return true;
  });
  const send = (message: Buffer) => {
    const call = connection.call(getWorkflow, gzip);
    call.stream.resume().end(message);
    return call;
  };
  const small = compressed(9, new Uint8Array(0));
  const first = Array.from({ length: decompressionsPerConnectionMax }, () => send(compressed(9)));
  await until(() => begun === first.length, "all places are taken");
  const others = Array.from({ length: 20 }, () => send(compressed(9)));
  // What is answered says that all before it has come.
  await send(small).status;
  for (const { stream } of others) stream.close(constants.NGHTTP2_CANCEL);
  await send(small).status;
  release();
  expect(await Promise.all(first.map(({ status }) => status))).toEqual(first.map(() => heard));
  expect(await send(compressed(9)).status).toBe(heard);
  expect(begun).toBe(first.length + 1);
});
