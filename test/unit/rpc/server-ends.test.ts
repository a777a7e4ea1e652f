import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { Status } from "nice-grpc";
import { HealthDefinition } from "nice-grpc-server-health";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../../../src/cli/client.ts";
import { WorkflowEvent } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import { clientFactory, openChannel } from "../../../src/rpc/clients/channel.ts";
import { rpcError } from "../../../src/rpc/errors.ts";
import { failureOf } from "../../support/concord.ts";
import { openRawCall } from "../../support/raw-call.ts";
import { type Fakes, startRecordingServer } from "../../support/recording-server.ts";
import { until } from "../../support/until.ts";

/** Longer than any test may take: who waits for it fails. */
const graceMs = 10 * 60_000;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(fakes?: Fakes) {
  const recording = await startRecordingServer(fakes);
  const channel = openChannel(recording.address);
  cleanups.push(
    () => recording.server.shutdown(0),
    () => channel.close(),
  );
  return { ...recording, channel, port: Number(recording.address.split(":")[1]) };
}

const workflows = "concord.workflow.v1.WorkflowService";
const stops = { code: Status.UNAVAILABLE, reason: "SHUTTING_DOWN", retryAfterMs: 1_000 };

describe("a server that stops does not wait for", () => {
  test("a health watch: it hears NOT_SERVING, and then that the server stops", async () => {
    const { server, channel } = await start();
    const watch = clientFactory.create(HealthDefinition, channel).watch({ service: workflows })[Symbol.asyncIterator]();
    expect(await watch.next()).toMatchObject({ value: { status: 1 } });
    await server.shutdown(graceMs);
    expect(await watch.next()).toMatchObject({ value: { status: 2 } });
    expect(await failureOf(watch.next())).toMatchObject(stops);
  });

  test("a reflection stream", async () => {
    const { server, address } = await start();
    const call = openRawCall(address, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    cleanups.push(call.close);
    // list_services: ""
    call.send(Buffer.from([0x3a, 0]));
    await once(call.stream, "data");
    await server.shutdown(graceMs);
    expect(await call.status).toBe(String(Status.UNAVAILABLE));
  });

  test("a watch whose client does not read", async () => {
    const event = { body: { $case: "event", value: WorkflowEvent.fromPartial({ reason: "r".repeat(100_000) }) } };
    let written = 0;
    const { server, address } = await start({
      async *watchWorkflowEvents() {
        for (;;) {
          written += 1;
          yield event;
        }
      },
    });
    const call = openRawCall(address, "/concord.workflow.v1.WorkflowService/WatchWorkflowEvents");
    cleanups.push(call.close);
    call.send(new Uint8Array());
    call.stream.end();
    await once(call.stream, "response");
    expect(written).toBeGreaterThan(0);
    await server.shutdown(graceMs);
  });

  test("a connection that says nothing, and does not hang up when the server does", async () => {
    const { server, port } = await start();
    const socket = connectTcp({ port, host: "127.0.0.1", allowHalfOpen: true });
    cleanups.push(() => socket.destroy());
    await once(socket, "data");
    await server.shutdown(graceMs);
    let refused: Error | undefined;
    socket.on("error", (error) => {
      refused = error;
    });
    await until(() => {
      if (refused === undefined) socket.write("is anybody there?");
      return refused;
    }, "nobody is there any more");
  });
});

describe("a call under way", () => {
  test("ends in its own time, while new ones are refused", async () => {
    const release = Promise.withResolvers<void>();
    const { server, calls, channel } = await start({
      getSystemStats: async () => {
        await release.promise;
        return { totalWorkflows: 7n, workflowsByState: [] };
      },
    });
    const client = connect(channel).workflows;
    const answer = client.getSystemStats({});
    await until(() => calls.length === 1, "the call is under way");
    const left = server.leave(workflows, graceMs);
    expect(await failureOf(client.getWorkflow({ workflowId: "w" }))).toMatchObject(stops);
    const stopped = server.shutdown(graceMs);
    release.resolve();
    expect(await answer).toMatchObject({ totalWorkflows: 7n });
    await Promise.all([left, stopped]);
    expect(calls).toHaveLength(1);
  });

  const untilAborted = ({ signal }: { readonly signal: AbortSignal }) =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal)));
  const endings: readonly { readonly what: string; readonly handler: Fakes[string]; readonly told: object }[] = [
    { what: "one that hears nothing", handler: () => new Promise(() => {}), told: stops },
    {
      what: "one that gives up when its signal aborts",
      handler: async (context) => {
        await untilAborted(context);
        context.signal.throwIfAborted();
      },
      told: stops,
    },
    {
      what: "one that has words of its own",
      handler: async (context) => {
        await untilAborted(context);
        throw rpcError({
          code: Status.DEADLINE_EXCEEDED,
          reason: "OUTCOME_PENDING",
          message: "",
          metadata: { workflow_id: "w" },
        });
      },
      told: { reason: "OUTCOME_PENDING", metadata: { workflow_id: "w" } },
    },
  ];
  test.each(endings)("is cut off once the grace is over, and told so: $what", async ({ handler, told }) => {
    const { server, calls, channel } = await start({ getSystemStats: handler as Fakes[string] });
    const failed = failureOf(connect(channel).workflows.getSystemStats({}));
    await until(() => calls.length === 1, "the call is under way");
    await server.shutdown(0);
    expect(await failed).toMatchObject(told);
  });
});

test("many health watches are no leak to warn of", async () => {
  const warnings: string[] = [];
  const warn = ({ message }: Error): void => void warnings.push(message);
  process.on("warning", warn);
  cleanups.push(() => process.off("warning", warn));
  const { channel } = await start();
  const health = clientFactory.create(HealthDefinition, channel);
  const watches = Array.from({ length: 20 }, () => health.watch({ service: "" })[Symbol.asyncIterator]());
  for (const watch of watches) await watch.next();
  for (const watch of watches) await watch.return?.();
  expect(warnings).toEqual([]);
});
