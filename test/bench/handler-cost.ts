// What a move and a read cost without the calls that ask for them.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { print, tableLines } from "../../src/cli/output.ts";
import type { startConcord } from "../../src/compose.ts";
import type { loadConfig } from "../../src/config.ts";
import type {
  WorkflowServiceDefinition,
  WorkflowServiceImplementation,
} from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { nobody, type Principal } from "../../src/kernel/principal.ts";
import type { RpcContext } from "../../src/rpc/context.ts";
import type { withValidation } from "../../src/rpc/server.ts";
import type { createLogger } from "../../src/runtime/logger.ts";
import { encodedGet, encodedMove } from "./encoded-requests.ts";
import { createPool } from "./pool.ts";
import { prepare } from "./prepare.ts";
import { poolSize } from "./shape.ts";

const help = `Serves Concord in this process, and has its handlers decode, carry out and answer moves and reads, so many at once, as a call would; only the
call itself is left out. Rules are asked over gRPC, and moves are durable, as always. Prints microseconds of CPU, the least and the median of some
rounds: on a busy machine they say more than a rate does.

  node --max-semi-space-size=32 test/bench/handler-cost.ts [options]

  --at-once N       (default 64)
  --rounds N        of 6,000 moves and 20,000 reads (default 5)
  --principal NAME  who has proved to ask; each change keeps it (default: nobody)
  --server FOLDER   another checkout, to be compared with: run both by turns
  --help`;

const { values } = parseArgs({
  options: {
    "at-once": { type: "string", default: "64" },
    rounds: { type: "string", default: "5" },
    principal: { type: "string", default: "" },
    server: { type: "string", default: join(import.meta.dirname, "..", "..") },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const laneCount = Number(values["at-once"]);
const of = async <Module>(file: string): Promise<Module> => import(join(resolve(values.server), file)) as Promise<Module>;
const start = (await of<{ startConcord: typeof startConcord }>("src/compose.ts")).startConcord;
const load = (await of<{ loadConfig: typeof loadConfig }>("src/config.ts")).loadConfig;
const log = (await of<{ createLogger: typeof createLogger }>("src/runtime/logger.ts")).createLogger;
const validated = (await of<{ withValidation: typeof withValidation }>("src/rpc/server.ts")).withValidation;
const contract = await of<{ WorkflowServiceDefinition: typeof WorkflowServiceDefinition }>(
  "src/gen/concord/workflow/v1/workflow_service.ts",
);
const { getWorkflow, transitionWorkflow } = validated(contract.WorkflowServiceDefinition).methods;

const folder = mkdtempSync(join(tmpdir(), "concord-handler-cost-"));
const loaded = load({ flags: { listen: "127.0.0.1:0", dataDir: folder }, environment: {}, file: undefined });
if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
let served: WorkflowServiceImplementation<RpcContext> | undefined;
const started = await start({ config: loaded.value.config, logger: log({ level: "error", format: "json" }) }, (workflow) => {
  served = workflow;
  return [];
});
if (!started.ok || served === undefined) throw new Error("the server did not start");
const handlers = served;
const principal: Principal = values.principal === "" ? nobody : { name: values.principal, by: "token" };
await prepare(started.value.port);

const quiet = {
  requestId: "measured",
  traceparent: undefined,
  tracestate: undefined,
  debug() {},
  info() {},
  warn() {},
  error() {},
};
const pool = createPool(poolSize);
let reads = 0;

async function move(): Promise<void> {
  const [index = 0] = pool.take(1) ?? [];
  const request = transitionWorkflow.requestType.decode(encodedMove(index, pool.isActive(index)));
  const answer = await handlers.transitionWorkflow(request, context());
  transitionWorkflow.responseType.encode(answer as never).finish();
  pool.put(index, !pool.isActive(index));
}

async function read(): Promise<void> {
  reads += 1;
  const answer = await handlers.getWorkflow(getWorkflow.requestType.decode(encodedGet(reads % poolSize)), context());
  getWorkflow.responseType.encode(answer as never).finish();
}

/** As far as these handlers know it. */
const context = () =>
  ({
    signal: new AbortController().signal,
    deadlineMs: undefined,
    principal,
    log: quiet,
    origin: quiet,
    peer: "",
  }) as never;

const rows = [await measured("move", 6_000, move), await measured("read", 20_000, read)];
print(tableLines(["", "main us", "median", "all threads us", "median"], rows));
await started.value.stop();
rmSync(folder, { recursive: true });
process.exit();

async function measured(name: string, count: number, once: () => Promise<void>): Promise<string[]> {
  await times(count, once);
  const main: number[] = [];
  const all: number[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const before = { main: process.threadCpuUsage(), all: process.cpuUsage() };
    await times(count, once);
    main.push(microsOf(process.threadCpuUsage(before.main)) / count);
    all.push(microsOf(process.cpuUsage(before.all)) / count);
  }
  return [name, ...leastAndMedian(main), ...leastAndMedian(all)];
}

async function times(count: number, once: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await once();
    }
  };
  await Promise.all(Array.from({ length: laneCount }, lane));
}

function microsOf({ user, system }: NodeJS.CpuUsage): number {
  return user + system;
}

function leastAndMedian(numbers: readonly number[]): readonly string[] {
  const sorted = numbers.toSorted((one, other) => one - other);
  return [sorted[0], sorted[Math.floor(sorted.length / 2)]].map((number = Number.NaN) => number.toFixed(1));
}
