import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import type { Bound } from "../../../src/rpc/refusals.ts";
import { openRawConnection, type RawCall } from "../../support/raw-call.ts";
import { startRecordingServer } from "../../support/recording-server.ts";
import { until } from "../../support/until.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const path = "/concord.workflow.v1.WorkflowService/GetSystemStats";

/** A server that never has time, and begins one call of a method at a time; none of them ends by itself. */
async function start(options: Parameters<typeof startRecordingServer>[2] = {}) {
  const refused: Bound[] = [];
  const { bounds, ...others } = options;
  const { server, address, calls } = await startRecordingServer(
    { getSystemStats: () => new Promise(() => undefined) },
    undefined,
    { idleMs: () => 0, onRefused: (bound) => void refused.push(bound), bounds: { windowMin: 1, ...bounds }, ...others },
  );
  const connection = openRawConnection(address);
  cleanups.push(() => server.shutdown(0), connection.close);
  const waiting = () =>
    server.load().calls.find(({ kind, service }) => kind === "call" && service.endsWith("WorkflowService"))?.waiting;
  return { connection, calls, refused, waiting };
}

function whole(call: RawCall, message: Uint8Array = new Uint8Array()): RawCall {
  call.send(message);
  call.stream.end();
  return call;
}

test("a call that waits for its turn is not read, and begins when another ends, with what is left of its time", async () => {
  const { connection, calls, waiting } = await start();
  const first = whole(connection.call(path));
  await until(() => calls.length === 1, "it has begun");
  const sentMs = Date.now();
  whole(connection.call(path, { "grpc-timeout": "1H" }));
  await until(() => waiting() === 1 && Date.now() > sentMs + 20, "it waits, and time passes");
  expect(calls).toHaveLength(1);
  const endedMs = Date.now();
  first.stream.close(8);
  await until(() => calls.length === 2, "it has begun");
  // Of an hour, counted from when it was heard of, it would be above.
  expect(calls[1]?.context.deadlineMs).toBeLessThan(endedMs + 3_600_000 - 10);
});

test("one whose time has run out before its turn is refused, and no handler hears of it", async () => {
  const { connection, calls, waiting, refused } = await start();
  const first = whole(connection.call(path));
  await until(() => calls.length === 1, "it has begun");
  const sentMs = performance.now();
  const late = whole(connection.call(path, { "grpc-timeout": "20m" }));
  const answered = once(late.stream, "response");
  await until(() => waiting() === 1 && performance.now() > sentMs + 30, "it waits, and its time runs out");
  first.stream.close(8);
  expect(await late.status).toBe("8");
  const [headers] = (await answered) as [Readonly<Record<string, string>>];
  expect(decodeURI(headers["grpc-message"] ?? "")).toBe(
    "calls come faster than they are answered, and this one would begin in some 100 ms; retry then",
  );
  const details = Buffer.from(headers["grpc-status-details-bin"] ?? "", "base64").toString("latin1");
  expect(details).toContain("OVERLOADED");
  expect(details).toContain("google.rpc.RetryInfo");
  expect(refused).toMatchObject([{ kind: "waiting-call", service: "concord.workflow.v1.WorkflowService" }]);
  expect([calls.length, waiting()]).toEqual([1, 0]);
});

test("what has come of those that wait is bounded: the largest is refused", async () => {
  const { connection, calls, waiting, refused } = await start({ bounds: { receivingBytesMax: 1_000 }, times: { lookMs: 5 } });
  whole(connection.call(path));
  await until(() => calls.length === 1, "it has begun");
  const small = whole(connection.call(path), new Uint8Array(100));
  const large = whole(connection.call(path), new Uint8Array(2_000));
  expect(await large.status).toBe("8");
  expect(refused).toMatchObject([{ kind: "request-byte", of: "process", limit: 1_000 }]);
  await until(() => waiting() === 1, "the other waits on");
  expect(small.stream.closed).toBe(false);
});
