import { once } from "node:events";
import { constants } from "node:http2";
import { afterEach, expect, test } from "vitest";
import { WorkflowEvent, WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { GetSystemStatsResponse } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import type { Bound } from "../../../src/rpc/refusals.ts";
import { createProtoClient } from "../../support/proto-client.ts";
import { openRawConnection, type RawCall } from "../../support/raw-call.ts";
import { startRecordingServer } from "../../support/recording-server.ts";
import { until } from "../../support/until.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const stats = "/concord.workflow.v1.WorkflowService/GetSystemStats";
const largeBytes = 1_000_000;

async function start(options: Parameters<typeof startRecordingServer>[2] = {}) {
  const refused: Bound[] = [];
  const onRefused = (bound: Bound): void => void refused.push(bound);
  let pulled = 0;
  const fakes = {
    async *watchWorkflowEvents() {
      for (;;) {
        pulled += 1;
        yield { body: { $case: "event", value: WorkflowEvent.fromPartial({ reason: "r".repeat(100_000) }) } };
      }
    },
    participate: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
    getSystemStats: async () =>
      GetSystemStatsResponse.fromPartial({
        workflowsByState: Array.from({ length: largeBytes / 10 }, () => ({ state: WorkflowState.ACTIVE, count: 2n ** 40n })),
      }),
  };
  const { server, address } = await startRecordingServer(fakes, undefined, { onRefused, ...options });
  const client = createProtoClient(address);
  cleanups.push(
    () => server.shutdown(0),
    () => client.close(),
  );
  const connect = (localAddress: string) => {
    const connection = openRawConnection(address, localAddress);
    cleanups.push(connection.close);
    return connection;
  };
  const underWay = () => server.load().calls.reduce((sum, lane) => sum + lane.underWay, 0);
  return { client, connect, refused, underWay, pulled: () => pulled };
}

/** A call with all of its request, whose answer is not read. */
function ask(call: RawCall): RawCall {
  call.stream.pause();
  call.send(new Uint8Array());
  call.stream.end();
  return call;
}

test("a watch goes at the pace of its reader: of one who does not read, two messages are held", async () => {
  const { client, connect, pulled } = await start();
  const { stream } = ask(connect("127.0.0.1").call("/concord.workflow.v1.WorkflowService/WatchWorkflowEvents"));
  await until(() => pulled() === 2, "as much as there may be is held");
  // Many turns of the loop.
  for (let count = 0; count < 20; count += 1) expect(await client.call("Health/Check", {})).toEqual({ status: "SERVING" });
  expect(pulled()).toBe(2);
  stream.resume();
  await until(() => pulled() > 50, "who reads is told more");
});

test("who lets most answers wait loses them, when all that wait are too many; others read theirs", async () => {
  const { connect, refused, client } = await start({ bounds: { unreadBytesMax: 5 * largeBytes }, times: { lookMs: 50 } });
  const [patient, hoards] = [connect("127.0.0.2"), connect("127.0.0.3")];
  const one = ask(patient.call(stats));
  await once(one.stream, "response");
  const hoard = Array.from({ length: 8 }, () => ask(hoards.call(stats)));
  await until(() => hoard.every(({ stream }) => stream.closed), "all that it lets wait is dropped");
  expect(hoard.map(({ stream }) => stream.rstCode)).toEqual(hoard.map(() => constants.NGHTTP2_ENHANCE_YOUR_CALM));
  expect(refused).toMatchObject([{ kind: "answer-byte", of: "process", limit: 5 * largeBytes }]);
  expect(await client.call("Health/Check", {})).toEqual({ status: "SERVING" });
  one.stream.resume();
  expect(await one.status).toBe("0");
});

test("a request that is not whole in time is refused; one that is may take as long as it likes", async () => {
  const { connect, underWay } = await start({ times: { requestMs: 200, lookMs: 50 } });
  const { call } = connect("127.0.0.2");
  const watch = ask(call("/grpc.health.v1.Health/Watch"));
  await once(watch.stream, "response");
  const session = call("/concord.commit.v1.TwoPhaseCommit/Participate");
  const [headersOnly, half] = [call(stats), call(stats)];
  half.stream.write(Uint8Array.of(0, 0, 0));
  // DEADLINE_EXCEEDED
  expect(await headersOnly.status).toBe("4");
  expect(await half.status).toBe("4");
  await until(() => underWay() === 2, "their places are free");
  expect([watch.stream.closed, session.stream.closed]).toEqual([false, false]);
});
