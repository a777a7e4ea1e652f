import type { ServerResponse } from "node:http";
import { PassThrough } from "node:stream";
import { Status } from "nice-grpc-common";
import { afterEach, expect, test, vi } from "vitest";
import type { CallFailure } from "../../../src/http/call-failure.ts";
import { sendEvents } from "../../../src/http/events.ts";
import type { GrpcCall } from "../../../src/http/grpc-call.ts";
import { heartbeatMs } from "../../../src/http/limits.ts";

const compacted: CallFailure = {
  code: Status.OUT_OF_RANGE,
  reason: "REVISION_COMPACTED",
  message: "purged",
  metadata: { oldest_sequence: "1001" },
  fields: [],
  preconditions: [],
  retryAfterMs: undefined,
};

function call(messages: AsyncGenerator<Uint8Array, void>, failure?: CallFailure): GrpcCall {
  return { messages, failure: async () => failure, headers: () => ({}), leave: () => undefined };
}

async function* of(...texts: string[]): AsyncGenerator<Uint8Array, void> {
  for (const text of texts) yield Buffer.from(text);
}

function outgoing(highWaterMark = 1_000) {
  const heads: number[] = [];
  const response = Object.assign(new PassThrough({ highWaterMark }), {
    writeHead: (status: number) => heads.push(status),
    getHeader: () => "mine",
  });
  return { response: response as unknown as ServerResponse & PassThrough, heads };
}

const plain = (bytes: Uint8Array): string => `${Buffer.from(bytes)}\n\n`;

afterEach(() => {
  vi.useRealTimers();
});

test("what ends a stream before it begins is an answer", async () => {
  const { response, heads } = outgoing();
  expect(await sendEvents(call(of(), compacted), response, plain)).toMatchObject({
    problem: { status: 410, reason: "REVISION_COMPACTED", metadata: { oldest_sequence: "1001" } },
  });
  expect(heads).toEqual([]);
});

test("what ends it later is an event, and the end", async () => {
  const { response, heads } = outgoing();
  expect(await sendEvents(call(of("data: 1"), { ...compacted, retryAfterMs: 1_500 }), response, plain)).toBeUndefined();
  const text = (await response.toArray()).join("");
  expect(text).toMatch(
    /^data: 1\n\nretry: 1500\nevent: error\ndata: \{.*"reason":"REVISION_COMPACTED".*"requestId":"mine"\}\n\n$/,
  );
  expect([heads, response.writableEnded]).toEqual([[200], true]);
});

test("the next message is not taken before somebody reads", async () => {
  let taken = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void> {
    for (taken = 1; taken <= 3; taken += 1) yield Buffer.from("x".repeat(100));
  }
  const { response } = outgoing(10);
  const sent = sendEvents(call(counted()), response, plain);
  await vi.waitFor(() => expect(response.writableNeedDrain).toBe(true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toBe(1);
  response.resume();
  await sent;
  expect(taken).toBe(4);
});

test("a reader that leaves ends it", async () => {
  const { response } = outgoing(10);
  const sent = sendEvents(call(of("a".repeat(100), "b")), response, plain);
  await vi.waitFor(() => expect(response.writableNeedDrain).toBe(true));
  response.destroy();
  expect(await sent).toBeUndefined();
});

test("silence is broken now and then", async () => {
  vi.useFakeTimers();
  const end = Promise.withResolvers<void>();
  async function* silent(): AsyncGenerator<Uint8Array, void> {
    yield Buffer.from("data: 1");
    await end.promise;
  }
  const { response } = outgoing();
  const sent = sendEvents(call(silent()), response, plain);
  await vi.advanceTimersByTimeAsync(0);
  expect(String(response.read())).toBe("data: 1\n\n");
  await vi.advanceTimersByTimeAsync(heartbeatMs);
  expect(String(response.read())).toBe(":\n\n");
  end.resolve();
  await sent;
});
