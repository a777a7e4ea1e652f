import { expect, test } from "vitest";
import { createQueue } from "../../../src/commit/queue.ts";
import { ParticipateRequest, TwoPhaseCommitDefinition } from "../../../src/gen/concord/commit/v1/two_phase_commit.ts";
import {
  WatchWorkflowEventsRequest,
  WatchWorkflowEventsResponse,
  WorkflowServiceDefinition,
} from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { burstsOf, inBursts, together } from "../../../src/rpc/bursts.ts";
import { duplexCall } from "../../../src/rpc/clients/duplex-call.ts";
import { burstBytesMax } from "../../../src/rpc/limits.ts";
import { createRpcServer, withValidation } from "../../../src/rpc/server.ts";
import { createLogger } from "../../../src/runtime/logger.ts";

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

test("what is said in one turn of the loop goes together, and what is said later goes later", async () => {
  const said = createQueue<string>();
  const bursts = inBursts(said.items, () => 1);
  const first = bursts.next();
  await nextTurn();
  said.push("a");
  await Promise.resolve();
  said.push("b");
  expect((await first).value).toEqual(["a", "b"]);
  const second = bursts.next();
  await nextTurn();
  said.push("c");
  expect((await second).value).toEqual(["c"]);
  said.push("d");
  said.close();
  expect((await bursts.next()).value).toEqual(["d"]);
  expect((await bursts.next()).done).toBe(true);
});

test("what is large enough is not joined by more, which waits where it is until somebody comes for it", async () => {
  let taken = 0;
  const said = createQueue<number>(() => (taken += 1));
  for (const bytes of [1, burstBytesMax, burstBytesMax, 2, 3]) said.push(bytes);
  const bursts = inBursts(said.items, (bytes) => bytes);
  expect((await bursts.next()).value).toEqual([1, burstBytesMax]);
  await nextTurn();
  await nextTurn();
  expect(taken).toBe(2);
  expect((await bursts.next()).value).toEqual([burstBytesMax]);
  expect((await bursts.next()).value).toEqual([2, 3]);
});

test("an error comes behind what was said before it", async () => {
  async function* failing() {
    yield "a";
    throw new Error("a defect");
  }
  const bursts = inBursts(failing(), () => 1);
  expect((await bursts.next()).value).toEqual(["a"]);
  await expect(bursts.next()).rejects.toThrow("a defect");
});

test("what comes to a server in one write is handed on together, and so is what it answers", async () => {
  const { participate } = TwoPhaseCommitDefinition.methods;
  const definition = { ...TwoPhaseCommitDefinition, methods: { participate } } as const;
  const server = createRpcServer({
    services: [
      {
        name: definition.fullName,
        addTo: (builder) =>
          builder.add(withValidation(definition), {
            async *participate(requests) {
              for await (const burst of burstsOf(requests)) yield together(burst.map(({ sequence }) => ({ sequence })));
            },
          }),
      },
    ],
    logger: createLogger({ level: "silent", format: "json" }),
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const heartbeat = (sequence: number) =>
    ParticipateRequest.encode(
      ParticipateRequest.fromPartial({ sequence: BigInt(sequence), body: { $case: "heartbeat", value: {} } }),
    ).finish();
  async function* said() {
    yield [1, 2, 3].map(heartbeat);
    await nextTurn();
    yield [4, 5].map(heartbeat);
  }
  const path = `/${definition.fullName}/Participate`;
  const answered: number[] = [];
  for await (const burst of duplexCall({ address, path }, said(), new AbortController().signal)) answered.push(burst.length);
  expect(answered.reduce((sum, count) => sum + count)).toBe(5);
  expect(answered[0]).toBe(3);
  await server.shutdown(1_000);
});

test("a handler that is only asked once may answer with one message at a time, or with several", async () => {
  const { watchWorkflowEvents } = WorkflowServiceDefinition.methods;
  const definition = { ...WorkflowServiceDefinition, methods: { watchWorkflowEvents } } as const;
  const progress = (sequence: bigint) => ({ body: { $case: "progress", value: { sequence } } }) as const;
  const server = createRpcServer({
    services: [
      {
        name: definition.fullName,
        addTo: (builder) =>
          builder.add(withValidation(definition), {
            async *watchWorkflowEvents() {
              yield progress(1n);
              await nextTurn();
              yield together([2n, 3n, 4n].map(progress));
            },
          }),
      },
    ],
    logger: createLogger({ level: "silent", format: "json" }),
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  async function* asked() {
    yield [WatchWorkflowEventsRequest.encode(WatchWorkflowEventsRequest.fromPartial({})).finish()];
  }
  const path = `/${definition.fullName}/WatchWorkflowEvents`;
  const told: bigint[][] = [];
  for await (const burst of duplexCall({ address, path }, asked(), new AbortController().signal))
    told.push(burst.map((bytes) => WatchWorkflowEventsResponse.decode(bytes).body?.value.sequence as bigint));
  expect(told.flat()).toEqual([1n, 2n, 3n, 4n]);
  expect(told.at(-1)?.slice(-3)).toEqual([2n, 3n, 4n]);
  await server.shutdown(1_000);
});
