import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AckPolicy, DeliverPolicy, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect as connectClients } from "../../src/cli/client.ts";
import { createNatsTransport } from "../../src/events/nats.ts";
import { SinkPosition, SinkState } from "../../src/gen/concord/workflow/v1/sink.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { temporaryFolder } from "../support/concord.ts";
import { findNatsServer, freePort, type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { type Server, serve } from "../support/process.ts";
import { sourceEvent } from "../support/sink-values.ts";
import { until } from "../support/until.ts";

// "NATS is a projection: killed and emptied, it is filled again from the last acknowledged sequence without a gap." With a real nats-server.

const found = findNatsServer();
const missing = "missing" in found ? found.missing : undefined;
const path = "path" in found ? found.path : "";
if (missing !== undefined && process.env["CI"] !== undefined) throw new Error(missing);
if (missing !== undefined) console.error(`events to NATS are not tested: ${missing}`);

const { ACTIVE, PAUSED } = WorkflowState;
const by = { reason: "a test", requestedBy: "e2e" };

describe.skipIf(missing !== undefined)("events to NATS JetStream", () => {
  const data = temporaryFolder();
  const jetstream = join(data.path, "jetstream");
  let port = 0;
  let nats: NatsServer;
  let concord: Server;
  let listen = "127.0.0.1:0";
  const flags: string[] = [];

  async function startConcord(): Promise<void> {
    concord = await serve(join(data.path, "concord"), { listen, flags });
    listen = concord.address;
  }

  async function startNats(): Promise<void> {
    nats = await startNatsServer(path, { port, folder: jetstream });
  }

  beforeAll(async () => {
    port = await freePort();
    mkdirSync(jetstream);
    const file = join(data.path, "sinks.yaml");
    const servers = [`nats://127.0.0.1:${port}`];
    const bus = { name: "bus", type: "nats", servers, stream: "CONCORD", subject_prefix: "concord.events" };
    const failures = { ...bus, name: "pauses", stream: "PAUSES", subject_prefix: "pauses", filter: 'event.to == "PAUSED"' };
    writeFileSync(file, JSON.stringify({ sinks: [bus, failures] }));
    flags.push("--sinks", file);
    await startNats();
    await startConcord();
  });

  afterAll(async () => {
    await concord?.terminate();
    await nats?.kill();
    data.remove();
  });

  async function withClients<T>(run: (clients: ReturnType<typeof connectClients>["workflows"]) => Promise<T>): Promise<T> {
    const channel = openChannel(concord.address);
    try {
      return await run(connectClients(channel).workflows);
    } finally {
      channel.close();
    }
  }

  let counter = 0;
  let moved = 0;

  /** So many moves, one after the other, of one workflow each time: what comes twice as fast as it is published is not what is tested. */
  async function move(count: number): Promise<void> {
    await withClients(async (workflows) => {
      counter += 1;
      const workflowId = `wf.${counter}`;
      await workflows.createWorkflow({ workflowId, type: "sample", ...by });
      for (let index = 0; index < count; index += 1) {
        await workflows.transitionWorkflow({ workflowId, targetState: index % 2 === 0 ? ACTIVE : PAUSED, ...by });
      }
      moved += count + 1;
    });
  }

  async function sinkOf(name: string) {
    return withClients(async (workflows) => {
      const { sinks } = await workflows.listSinks({});
      const sink = sinks.find((each) => each.name === name);
      if (sink === undefined) throw new Error(`no sink ${name}`);
      return sink;
    });
  }

  const published = (): Promise<unknown> =>
    until(async () => Number((await sinkOf("bus")).cursor) === moved, `all of ${moved} events are published`, {
      describe: async () =>
        JSON.stringify(await sinkOf("bus"), (_, value) => (typeof value === "bigint" ? String(value) : value)),
    });

  type Message = {
    readonly subject: string;
    readonly id: string | undefined;
    readonly event: { readonly [field: string]: unknown };
  };

  /** All that the stream holds. */
  async function stored(stream: string): Promise<readonly Message[]> {
    const connection = await connect({ servers: nats.url });
    try {
      const manager = await jetstreamManager(connection);
      const { state } = await manager.streams.info(stream);
      const messages: Message[] = [];
      if (state.messages === 0) return messages;
      const info = await manager.consumers.add(stream, { ack_policy: AckPolicy.None, deliver_policy: DeliverPolicy.All });
      const consumer = await manager.jetstream().consumers.get(stream, info.name);
      while (messages.length < state.messages) {
        for await (const message of await consumer.fetch({ max_messages: 500, expires: 2_000 })) {
          messages.push({ subject: message.subject, id: message.headers?.get("Nats-Msg-Id"), event: message.json() });
        }
      }
      return messages;
    } finally {
      await connection.close();
    }
  }

  const sequences = (messages: readonly Message[]): readonly number[] => messages.map(({ event }) => Number(event["sequence"]));
  const from = (first: number, last: number): readonly number[] =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index);

  test("each event is stored once, in order, as a CloudEvent with a Nats-Msg-Id", async () => {
    await move(6);
    await published();
    const messages = await stored("CONCORD");
    expect(sequences(messages)).toEqual(from(1, moved));
    const [, first] = messages;
    const [event] = (await withClients((workflows) => workflows.listWorkflowEvents({ filter: "event.sequence == 2" }))).events;
    expect(first?.subject).toBe("concord.events.sample.transition.wf%2E1");
    const source = String(first?.event["source"]);
    expect(first?.id).toBe(`${source.replace("urn:concord:store:", "")}:2`);
    expect(first?.event).toMatchObject({
      specversion: "1.0",
      id: event?.eventId,
      type: "dev.concord.workflow.v1.transition",
      subject: "wf.1",
      time: event?.occurredAt?.toISOString(),
      data: { sequence: "2", workflowId: "wf.1", toState: "WORKFLOW_STATE_ACTIVE", requestedBy: "e2e", workflowType: "sample" },
    });
  });

  test("what a filter leaves out is not published, and counts as done", async () => {
    await until(async () => Number((await sinkOf("pauses")).cursor) === moved, "the filtered sink has passed all");
    const messages = await stored("PAUSES");
    expect(messages.map(({ event }) => (event["data"] as { readonly toState: string }).toState)).toEqual(
      messages.map(() => "WORKFLOW_STATE_PAUSED"),
    );
    expect(messages).toHaveLength(3);
  });

  test("NATS is killed in the middle, with -9: when it is back, nothing is missing and nothing is out of order", async () => {
    const moving = move(400);
    await until(async () => Number((await sinkOf("bus")).cursor) > 60, "some are published");
    await nats.kill();
    await until(async () => (await sinkOf("bus")).state === SinkState.RETRYING, "the sink has noticed");
    await moving;
    expect(Number((await sinkOf("bus")).lagEvents)).toBeGreaterThan(0);
    await startNats();
    await published();
    expect(sequences(await stored("CONCORD"))).toEqual(from(1, moved));
    expect(await sinkOf("bus")).toMatchObject({ state: SinkState.DELIVERING, lastError: "", lagEvents: 0n, deadLetters: 0 });
  });

  test("Concord is killed in the middle, with -9: when it is back, nothing is missing, and first comes what is first", async () => {
    const moving = move(400).catch(() => undefined);
    const before = moved;
    await until(async () => Number((await sinkOf("bus")).cursor) > before + 60, "some are published");
    await concord.kill();
    await moving;
    await startConcord();
    moved = await withClients(async (workflows) => Number((await workflows.getSystemStats({})).totalEvents));
    await published();
    // Within the duplicate window, what was published twice is stored once.
    expect(sequences(await stored("CONCORD"))).toEqual(from(1, moved));
  });

  test("NATS is killed and emptied: it is filled again from the last acknowledged event, without a gap, and from the oldest if it is told to", async () => {
    const before = moved;
    await nats.kill();
    rmSync(jetstream, { recursive: true });
    mkdirSync(jetstream);
    await move(50);
    await startNats();
    await published();
    expect(sequences(await stored("CONCORD"))).toEqual(from(before + 1, moved));
    await concord.logged(
      "the stream was gone and is made anew; what came before is not in it: reset the sink to publish it again",
    );
    // Emptied once more, so that the stream has no duplicates to leave out.
    await nats.kill();
    rmSync(jetstream, { recursive: true });
    mkdirSync(jetstream);
    await startNats();
    const reset = await withClients((workflows) =>
      workflows.resetSink({
        sink: "bus",
        to: { $case: "position", value: SinkPosition.OLDEST_AVAILABLE },
        ...by,
      }),
    );
    expect(reset).toEqual({ cursorBefore: BigInt(moved), cursor: 0n });
    await published();
    expect(sequences(await stored("CONCORD"))).toEqual(from(1, moved));
  });

  test("an event is stored only behind the one before it, so that what fails leaves no hole that is filled later; a new connection goes on", async () => {
    const options = {
      servers: [nats.url],
      stream: "CHAIN",
      subjectPrefix: "chain",
      duplicateWindowMs: 120_000,
      replicas: 1,
      credentialsFile: undefined,
      caFile: undefined,
    };
    const transport = createNatsTransport("chain", options, "store", { warn: () => {} });
    const outgoing = (sequence: number) => [{ event: { ...sourceEvent, sequence }, body: JSON.stringify({ sequence }) }];
    const opened = async () => {
      const result = await transport.open({ cursor: 0, signal: new AbortController().signal });
      if (!result.ok) throw new Error(result.error.cause);
      return result.value;
    };
    const first = await opened();
    expect(await first.publish(outgoing(1))).toEqual({ type: "acknowledged" });
    // Something else is the last of the stream now, as if the next event had been lost.
    const stranger = await connect({ servers: nats.url });
    await (await jetstreamManager(stranger)).jetstream().publish("chain.stranger", "{}", { msgID: "a stranger's" });
    await stranger.close();
    expect(await first.publish(outgoing(2))).toMatchObject({
      type: "failed",
      cause: expect.stringContaining("wrong last msg ID"),
    });
    await first.close();
    const second = await opened();
    for (const sequence of [2, 3]) expect(await second.publish(outgoing(sequence))).toEqual({ type: "acknowledged" });
    await second.close();
    expect((await stored("CHAIN")).map(({ id }) => id)).toEqual(["store:1", "a stranger's", "store:2", "store:3"]);
  });

  test("a stream that is another is refused, with what differs, and is taken when it is right", async () => {
    await concord.terminate();
    const connection = await connect({ servers: nats.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.delete("CONCORD");
    await manager.streams.add({ name: "CONCORD", subjects: ["other.>"] });
    await startConcord();
    const sink = await until(async () => {
      const each = await sinkOf("bus");
      return each.state === SinkState.RETRYING ? each : undefined;
    }, "the sink is refused");
    expect(sink.lastError).toContain("the stream CONCORD is there, but takes other.>, not concord.events.>");
    await manager.streams.delete("CONCORD");
    await connection.close();
    await move(1);
    await published();
    expect(sequences(await stored("CONCORD")).at(-1)).toBe(moved);
  });
});
