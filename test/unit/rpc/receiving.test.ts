import { constants } from "node:http2";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { status as Status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { clientFactory, openChannel } from "../../../src/rpc/clients/channel.ts";
import { failureOf } from "../../support/concord.ts";
import { openRawCall, type RawCall } from "../../support/raw-call.ts";
import { startRecordingServer } from "../../support/recording-server.ts";
import { until } from "../../support/until.ts";

const getWorkflow = "/concord.workflow.v1.WorkflowService/GetWorkflow";
const reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const kibibyte = 1024;
const bytesMax = 256 * kibibyte;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startServer() {
  const { address, calls, server } = await startRecordingServer({}, undefined, { bounds: { receivingBytesMax: bytesMax } });
  cleanups.push(() => server.shutdown(0));
  return { address, calls, received: () => server.load().receivingBytes };
}

/** `status`: as grpc-status has it. */
type Half = Omit<RawCall, "send"> & {
  readonly close: () => void;
  readonly send: (bytes: number) => void;
  readonly answered: () => unknown;
};

/** Begins a request of one field that nobody knows, with so many bytes in it. */
function begin(address: string, bytes: number): Half {
  const call = openRawCall(address, getWorkflow);
  cleanups.push(call.close);
  const field = new BinaryWriter().tag(99, WireType.LengthDelimited).uint32(bytes).finish();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(field.length + bytes, 1);
  call.stream.write(Buffer.concat([prefix, field]));
  call.stream.resume();
  let answer: unknown;
  void call.status.then((status) => {
    answer = status;
  });
  return { ...call, send: (count) => void call.stream.write(Buffer.alloc(count)), answered: () => answer };
}

const refused = String(Status.RESOURCE_EXHAUSTED);
/** What a handler of the recording server says. */
const heard = String(Status.FAILED_PRECONDITION);

describe("of requests that are not whole", () => {
  test("the largest is refused when they are too much together, and the others are heard", async () => {
    const { address, calls, received } = await startServer();
    const large = begin(address, 3_000 * kibibyte);
    large.send(160 * kibibyte);
    await until(() => received() > 160 * kibibyte, "the large one has come so far");
    const small = Array.from({ length: 20 }, () => begin(address, 10 * kibibyte));
    for (const call of small) call.send(9 * kibibyte);
    expect(await large.status).toBe(refused);
    for (const call of small) call.send(kibibyte);
    for (const call of small) call.stream.end();
    expect(await Promise.all(small.map(({ status }) => status))).toEqual(small.map(() => heard));
    expect(calls).toHaveLength(small.length);
    await until(() => received() === 0, "nothing is kept");
  });

  test("a hundred never take more than the bound, and each that is refused is told", async () => {
    const { address, received } = await startServer();
    let most = 0;
    const calls = Array.from({ length: 100 }, () => begin(address, 1_000 * kibibyte));
    for (const call of calls) call.send(64 * kibibyte);
    await until(() => {
      most = Math.max(most, received());
      return calls.filter(({ answered }) => answered() === refused).length >= 90;
    }, "those that are too much are refused");
    expect(most).toBeLessThanOrEqual(bytesMax);
    const whole = begin(address, 30 * kibibyte);
    whole.send(30 * kibibyte);
    whole.stream.end();
    expect(await whole.status).toBe(heard);
  });

  test("a client of gRPC understands the refusal, in the midst of what it sends", async () => {
    const { address } = await startServer();
    const channel = openChannel(address);
    cleanups.push(() => channel.close());
    const client = clientFactory.create(WorkflowServiceDefinition, channel);
    const workflowId = "w".repeat(3_000 * kibibyte);
    expect(await failureOf(client.getWorkflow({ workflowId }))).toMatchObject({
      code: Status.RESOURCE_EXHAUSTED,
      reason: "OVERLOADED",
      metadata: { limit: String(bytesMax) },
      retryAfterMs: expect.any(Number),
    });
  });

  test("nothing is kept of one whose caller has left", async () => {
    const { address, received } = await startServer();
    const call = begin(address, 100 * kibibyte);
    call.send(50 * kibibyte);
    await until(() => received() > 50 * kibibyte, "half has come");
    call.close();
    await until(() => received() === 0, "nothing is kept");
  });

  test("one that comes byte by byte counts for more than its bytes", async () => {
    const { address } = await startServer();
    const call = begin(address, 10_000);
    let sent = 0;
    // Each in a frame of its own.
    const sendOn = (): void => {
      if (sent < 2_000 && call.answered() === undefined) call.stream.write(Buffer.alloc(1), sendOn);
      sent += 1;
    };
    sendOn();
    expect(await call.status).toBe(refused);
    expect(sent).toBeLessThan(2_000);
  });

  test("what still comes of one that was refused for its size is not counted", async () => {
    const { address, received } = await startServer();
    const call = begin(address, 5_000 * kibibyte);
    call.send(300 * kibibyte);
    expect(await call.status).toBe(refused);
    const other = begin(address, 2 * kibibyte);
    other.send(kibibyte);
    await until(() => received() > 0, "the other has come");
    expect(received()).toBeLessThan(64 * kibibyte);
  });
});

test("a session that has been answered, and sends too much of its next message, is reset", async () => {
  const { address, received } = await startServer();
  const call = openRawCall(address, reflection);
  cleanups.push(call.close);
  const answered = new Promise((resolve) => call.stream.once("data", resolve));
  // list_services: ""
  call.send(Uint8Array.of(0x3a, 0));
  await answered;
  const closed = new Promise((resolve) => call.stream.once("close", resolve));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(3_000 * kibibyte, 1);
  call.stream.write(Buffer.concat([prefix, Buffer.alloc(300 * kibibyte)]));
  await closed;
  expect(call.stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  expect(received()).toBe(0);
});
