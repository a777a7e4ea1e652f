// node test/bench/main.ts --size 10000,1000000: how long calls take in stores of these sizes, and that they do not take longer in larger ones.
import { readFileSync } from "node:fs";
import { type Clients, connect } from "../../src/cli/client.ts";
import { tableLines } from "../../src/cli/output.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { WatchPosition } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { startServer } from "./server-process.ts";
import { idOf, isMovable, storeOfSize } from "./size-store.ts";
import { metText } from "./table.ts";

/** Calls of each kind, one after the other; the first tenth finds cold code and is not counted. */
const callCount = 400;

/** The fastest counts: what else the machine does only adds. */
const startCount = 3;

/** What a call may take in the last store, by what it takes in the first: 10^6 workflows beside 10^4. */
const ratioMax = 1.3;

/** Until it listens. */
const startMsMax = 1_500;

type Server = {
  readonly size: number;
  readonly clients: Clients;
  readonly startMs: number;
  readonly memory: () => number;
  readonly stop: () => Promise<void>;
};

/** Servers of all sizes take turns, call by call, so that what else the machine does meets all of them. */
export async function measureSizes(sizes: readonly number[]): Promise<void> {
  const servers: Server[] = [];
  try {
    for (const size of sizes) {
      const madeMs = performance.now();
      const folder = await storeOfSize(size);
      process.stderr.write(`a store of ${size} workflows is there after ${Math.round((performance.now() - madeMs) / 1000)} s\n`);
      servers.push(await startSized(size, folder));
    }
    const calls = servers.map(({ clients, size }) => callsOf(clients, size));
    const rows: string[][] = [];
    for (const name of Object.keys(calls[0] ?? {})) {
      const took = await measured(calls.map((each) => each[name]).filter((call) => call !== undefined));
      rows.push(rowOf(name, took));
    }
    const watchers = await Promise.all(servers.map(({ clients, size }) => watcherOf(clients, size)));
    rows.push(rowOf("from a move to a watcher", await measured(watchers.map(({ call }) => call))));
    for (const { stop } of watchers) await stop();
    const lastStartMs = servers.at(-1)?.startMs ?? Number.NaN;
    const started = `≤ ${startMsMax}: ${metText(lastStartMs <= startMsMax)}`;
    rows.push(["start, ms", ...servers.map(({ startMs }) => startMs.toFixed(0)), "", started]);
    rows.push(["memory after it, MB", ...servers.map(({ memory }) => memory().toFixed(0)), "", ""]);
    const head = ["p50 / p99 ms", ...sizes.map((size) => `${size} workflows`), "p50, last to first", "target"];
    console.log(tableLines(head, rows).join("\n"));
  } finally {
    for (const { stop } of servers) await stop();
  }
}

type Call = () => Promise<unknown>;

/** Of each call, in ms, without the first ones, which find cold code. */
async function measured(calls: readonly Call[]): Promise<readonly (readonly number[])[]> {
  const took = calls.map((): number[] => []);
  for (let round = 0; round < callCount; round += 1) {
    for (const [index, call] of calls.entries()) {
      const startedMs = performance.now();
      await call();
      took[index]?.push(performance.now() - startedMs);
    }
  }
  return took.map((each) => each.slice(callCount / 10).toSorted((a, b) => a - b));
}

function rowOf(name: string, took: readonly (readonly number[])[]): string[] {
  const at = (sorted: readonly number[] | undefined, share: number): number =>
    sorted?.[Math.floor(sorted.length * share)] ?? Number.NaN;
  const cells = took.map((sorted) => `${at(sorted, 0.5).toFixed(2)} / ${at(sorted, 0.99).toFixed(2)}`);
  const ratio = at(took.at(-1), 0.5) / at(took[0], 0.5);
  return [name, ...cells, ratio.toFixed(2), took.length > 1 ? `≤ ${ratioMax}: ${metText(ratio <= ratioMax)}` : ""];
}

async function startSized(size: number, folder: string): Promise<Server> {
  let startMs = Number.POSITIVE_INFINITY;
  for (let count = 1; ; count += 1) {
    const startedMs = performance.now();
    const server = await startServer(folder, "error");
    startMs = Math.min(startMs, performance.now() - startedMs);
    if (count < startCount) {
      await server.stop();
      continue;
    }
    const channel = openChannel(`127.0.0.1:${server.port}`);
    const stop = async (): Promise<void> => {
      channel.close();
      await server.stop();
    };
    return { size, clients: connect(channel), startMs, memory: () => memoryOf(server.pid), stop };
  }
}

const randomIndex = (size: number): number => Math.floor(Math.random() * size);

function movable(size: number): string {
  for (let index = randomIndex(size); ; index = (index + 1) % size) if (isMovable(index)) return idOf(index);
}

function mover({ workflows }: Clients, size: number): () => Promise<void> {
  return async () => {
    const workflowId = movable(size);
    const { workflow } = await workflows.getWorkflow({ workflowId });
    const targetState = workflow?.state === WorkflowState.ACTIVE ? WorkflowState.PAUSED : WorkflowState.ACTIVE;
    await workflows.transitionWorkflow({ workflowId, targetState, reason: "measured", requestedBy: "bench" });
  };
}

function callsOf(clients: Clients, size: number): Readonly<Record<string, Call>> {
  const { workflows } = clients;
  const list = (request: { readonly filter?: string; readonly orderBy?: string }) => async () => {
    const { workflows: found } = await workflows.listWorkflows({ pageSize: 100, ...request });
    if (found.length === 0) throw new Error(`nothing was found: ${JSON.stringify(request)}`);
  };
  const recent = new Date(1_700_000_000_000 + 9 * size).toISOString();
  return {
    "get a workflow": () => workflows.getWorkflow({ workflowId: idOf(randomIndex(size)) }),
    "read and move a workflow": mover(clients, size),
    "list 100, by id": list({}),
    "by id, of a state": list({ filter: 'workflow.state == "ACTIVE"' }),
    "by id, of a type": list({ filter: 'workflow.type == "type-7"' }),
    "by id, of a type and state": list({ filter: 'workflow.type == "type-11" && workflow.state == "ACTIVE"' }),
    "by id, from an id on": () => list({ filter: `workflow.id >= "${idOf(randomIndex(size / 2))}"` })(),
    "last changed first": list({ orderBy: "updated_at desc" }),
    "last changed first, of a state": list({ orderBy: "updated_at desc", filter: 'workflow.state == "FAILED"' }),
    "last changed first, of a type": list({ orderBy: "updated_at desc", filter: 'workflow.type == "type-11"' }),
    "changed since then, by id": list({ filter: `workflow.updated_at >= timestamp("${recent}") && workflow.state == "ACTIVE"` }),
    "last created first": list({ orderBy: "created_at desc" }),
    "by version": list({ orderBy: "version" }),
    "count by type and state": () => workflows.countWorkflows({ groupBy: ["type", "state"] }),
    "system stats": () => workflows.getSystemStats({}),
    "events of a workflow": () => workflows.listWorkflowEvents({ workflowId: idOf(randomIndex(size)) }),
  };
}

/** From the call that moves to the event that tells of it. */
async function watcherOf(clients: Clients, size: number): Promise<{ readonly call: Call; readonly stop: () => Promise<void> }> {
  const ending = new AbortController();
  const start = { $case: "position", value: WatchPosition.NOW } as const;
  const messages = clients.workflows.watchWorkflowEvents({ start }, { signal: ending.signal })[Symbol.asyncIterator]();
  await messages.next();
  const move = mover(clients, size);
  const call = async (): Promise<void> => {
    await move();
    for (;;) {
      const { value } = await messages.next();
      if (value?.body?.$case === "event") return;
    }
  };
  const stop = async (): Promise<void> => {
    ending.abort();
    await messages.next().catch(() => undefined);
  };
  return { call, stop };
}

/** What the process holds, on Linux. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}
