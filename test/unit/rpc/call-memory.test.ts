import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import zlib, { type Gunzip } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { status as Status } from "@grpc/grpc-js";
import { afterEach, expect, test, vi } from "vitest";
import { compressedBytesMax, decompressionsMax } from "../../../src/rpc/limits.ts";
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
  const connection = openRawConnection(address);
  cleanups.push(() => server.shutdown(0), connection.close);
  return { calls, connection };
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
function compressed(level: number): Buffer {
  const message = framed(zlib.gzipSync(large, { level }));
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

test("those that wait for it are bounded in bytes", async () => {
  const { connection } = await startServer();
  const { promise: refused, resolve: refuse } = Promise.withResolvers<void>();
  // None goes on before one is refused.
  onGunzip((gunzip) => {
    const end = gunzip.end.bind(gunzip);
    gunzip.end = () => {
      void refused.then(() => end());
      return gunzip;
    };
  });
  const calls = Array.from({ length: 12 }, () => connection.call(getWorkflow, gzip));
  // Stored, not compressed: 3 MiB each.
  for (const { stream } of calls) stream.resume().end(compressed(0));
  for (const { status } of calls) void status.then(() => refuse());
  const answers = await Promise.all(calls.map(({ status }) => status));
  // What comes after the first refusal finds room.
  const heardCount = answers.filter((status) => status === heard).length;
  expect(heardCount).toBeGreaterThanOrEqual(Math.floor(compressedBytesMax / compressed(0).length));
  expect(answers).toContain(String(Status.RESOURCE_EXHAUSTED));
});
