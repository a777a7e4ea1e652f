// How soon a subscriber of NATS has an event, under load: from the event's own time, which is before its commit.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect as connectNats } from "@nats-io/transport-node";
import { type Clients, connect } from "../src/cli/client.ts";
import { print } from "../src/cli/output.ts";
import { WorkflowState } from "../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../src/rpc/clients/channel.ts";
import { findNatsServer, freePort, startNatsServer } from "../test/support/nats-server.ts";
import { progress } from "./progress.ts";

const help = `Moves workflows at a steady rate, on a server of its own that publishes to a nats-server of its own, and measures how old events are when a
subscriber has them. That time has the write and its fsync in it. Beside it a gRPC watch of the same events, to compare with.

  node scripts/sink-latency.ts [options]

  --rate N      moves a second (default 1000)
  --seconds N   how long (default 20)
  --max-p99 N   milliseconds (default 50)
  --help

Exit code 0: the 99th percentile is below. 1: it is not, or events are missing or out of order. 2: there is no nats-server.`;

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "1000" },
    seconds: { type: "string", default: "20" },
    "max-p99": { type: "string", default: "50" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const { ACTIVE, PAUSED } = WorkflowState;
const by = { reason: "measured", requestedBy: "load" };
const rate = Number(values.rate);
const durationMs = Number(values.seconds) * 1000;
const warmUpMs = 3_000;
const workflowCount = 256;
const isActive = new Set<number>();
const stopWatching = new AbortController();

const found = findNatsServer();
if ("missing" in found) {
  process.stderr.write(`${found.missing}\n`);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "concord-sink-latency-"));
mkdirSync(join(folder, "jetstream"));
const nats = await startNatsServer(found.path, { port: await freePort(), folder: join(folder, "jetstream") });
const sinksFile = join(folder, "sinks.yaml");
const bus = { name: "bus", type: "nats", servers: [nats.url], stream: "CONCORD", subject_prefix: "concord.events" };
writeFileSync(sinksFile, JSON.stringify({ sinks: [bus] }));
const program = join(import.meta.dirname, "../src/main.ts");
const args = [
  "serve",
  "--listen",
  "127.0.0.1:0",
  "--data-dir",
  join(folder, "data"),
  "--sinks",
  sinksFile,
  "--log-format",
  "json",
];
const server = spawn(process.execPath, [program, ...args, "--log-level", "info"], { stdio: ["ignore", "ignore", "pipe"] });
const channel = openChannel(await servedAddress());
const subscriber = await connectNats({ servers: nats.url });
try {
  const clients = connect(channel);
  const agesMs: number[] = [];
  const watchedMs: number[] = [];
  const sequences: number[] = [];
  let isMeasured = false;
  subscriber.subscribe("concord.events.>", {
    callback: (_, message) => {
      const { time, sequence } = message.json<{ readonly time: string; readonly sequence: string }>();
      sequences.push(Number(sequence));
      if (isMeasured) agesMs.push(Date.now() - Date.parse(time));
    },
  });
  await subscriber.flush();
  const watching = watch(clients, (ageMs) => {
    if (isMeasured) watchedMs.push(ageMs);
  });
  await create(clients);
  await load(clients, warmUpMs);
  isMeasured = true;
  const { moves, failed } = await load(clients, durationMs);
  isMeasured = false;
  const { totalEvents } = await clients.workflows.getSystemStats({});
  const endMs = performance.now() + 10_000;
  while (sequences.length < Number(totalEvents) && performance.now() < endMs) await sleep(50);
  const inOrder = sequences.every((sequence, index) => sequence === index + 1) && sequences.length === Number(totalEvents);
  stopWatching.abort();
  await watching;
  progress("");
  print(
    `${availableParallelism()} cores, Node ${process.version}; ${moves / (durationMs / 1000)} moves a second, ${failed} failed`,
  );
  const p99 = tell("subscriber of NATS", agesMs);
  tell("gRPC watch", watchedMs);
  print(
    inOrder
      ? `all ${totalEvents} arrived, once and in order`
      : `${totalEvents} events, ${sequences.length} arrived, or not in order`,
  );
  process.exitCode = inOrder && p99 < Number(values["max-p99"]) ? 0 : 1;
} finally {
  await subscriber.close();
  channel.close();
  server.kill("SIGTERM");
  await new Promise((resolve) => server.once("close", resolve));
  await nats.kill();
  rmSync(folder, { recursive: true });
}

/** How old events were when somebody had them; answers with the 99th percentile. */
function tell(who: string, agesMs: number[]): number {
  agesMs.sort((a, b) => a - b);
  const at = (share: number): number => agesMs[Math.min(agesMs.length - 1, Math.floor(agesMs.length * share))] ?? Number.NaN;
  const shares = `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, max ${at(1)} ms`;
  print(`${agesMs.length} events, from their time to a ${who}: ${shares}`);
  return at(0.99);
}

async function watch({ workflows }: Clients, onEvent: (ageMs: number) => void): Promise<void> {
  const { signal } = stopWatching;
  try {
    for await (const { body } of workflows.watchWorkflowEvents({}, { signal })) {
      if (body?.$case === "event") onEvent(Date.now() - (body.value.occurredAt?.getTime() ?? Number.NaN));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function servedAddress(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const lines = createInterface({ input: server.stderr });
  lines.on("line", (line) => {
    const { msg, listen } = JSON.parse(line) as { readonly msg: string; readonly listen: string };
    if (msg === "serving") resolve(listen);
  });
  server.once("exit", () => reject(new Error("the server has ended")));
  return promise;
}

async function create({ workflows }: Clients): Promise<void> {
  for (let index = 0; index < workflowCount; index += 1) await workflows.createWorkflow({ workflowId: `wf-${index}`, ...by });
}

/** In steps of 10 ms, so many moves as are due; a workflow that is still on its way is passed over. */
async function load({ workflows }: Clients, forMs: number): Promise<{ readonly moves: number; readonly failed: number }> {
  const underWay = new Set<Promise<unknown>>();
  const free = Array.from({ length: workflowCount }, (_, index) => index);
  const beganMs = performance.now();
  let moves = 0;
  let failed = 0;
  for (let nowMs = beganMs; nowMs < beganMs + forMs; nowMs = performance.now()) {
    progress(`${((nowMs - beganMs) / 1000).toFixed(0)} s, ${moves} moves`);
    for (let due = Math.floor(((nowMs - beganMs) / 1000) * rate) - moves; due > 0; due -= 1) {
      const index = free.shift();
      if (index === undefined) break;
      moves += 1;
      const moving = move(index).catch(() => {
        failed += 1;
      });
      underWay.add(moving);
      void moving.finally(() => {
        underWay.delete(moving);
        free.push(index);
      });
    }
    await sleep(10);
  }
  await Promise.all(underWay);
  return { moves, failed };

  async function move(index: number): Promise<void> {
    const workflowId = `wf-${index}`;
    const { workflow } = await workflows.transitionWorkflow({
      workflowId,
      targetState: isActive.has(index) ? PAUSED : ACTIVE,
      ...by,
    });
    if (workflow?.state === ACTIVE) isActive.add(index);
    else isActive.delete(index);
  }
}
