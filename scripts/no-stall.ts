// How long others wait, and how long the event loop is held, while a stranger does the worst that is known.

import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { print, tableLines } from "../src/cli/output.ts";
import { type HostileCall, hostileCalls } from "../test/support/hostile/calls.ts";
import { measureLatency } from "../test/support/hostile/latency.ts";
import { type ProbedServer, startProbedServer } from "../test/support/hostile/probed-server.ts";
import { answered, openHostileWorld, seedStores } from "../test/support/hostile/world.ts";
import { progress } from "./progress.ts";

const help = `Serves 30,000 events, 4,000 holds and 5,000 unfinished transactions, and makes each of the calls that are known to be hostile, again
and again; beside it, another client asks for a workflow each few milliseconds. A server of its own for each.

  node scripts/no-stall.ts [options]

  --seconds N     how long each call is made again (default 4)
  --only TEXT     only calls whose name has it
  --server FILE   another version's src/main.ts
  --help

Exit code 0: the p99 of the other client stays below 100 ms beside each. 1: it does not.`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    only: { type: "string", default: "" },
    server: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const sizes = { events: 30_000, holds: 4_000, unfinished: 5_000 };
const measureMs = Number(values.seconds) * 1000;
/** A call that has no answer by then is left behind, and its server with it. */
const patienceMs = 30_000;
const p99MaxMs = 100;
const program = values.server === undefined ? undefined : resolve(values.server);

const folder = mkdtempSync(join(tmpdir(), "concord-no-stall-"));
const [seeds, data] = [join(folder, "seeds"), join(folder, "data")];
const quiet: HostileCall = { name: "nothing", run: () => sleep(measureMs) };
const rows: string[][] = [];
try {
  mkdirSync(seeds);
  await seedStores(seeds, sizes);
  const chosen = [quiet, ...hostileCalls].filter(({ name }) => name.includes(values.only));
  for (const call of chosen) {
    progress(call.name);
    rows.push(await measure(call));
  }
  progress("");
} finally {
  rmSync(folder, { recursive: true });
}
print(`${availableParallelism()} cores, Node ${process.version}`);
print(tableLines(["beside", "times", "p50 ms", "p99 ms", "max ms", "longest stretch, ms of CPU"], rows));
process.exitCode = rows.every(([, , , p99]) => Number(p99) < p99MaxMs) ? 0 : 1;

async function measure({ name, run }: HostileCall): Promise<string[]> {
  cpSync(seeds, data, { recursive: true });
  const server = await startProbedServer(data, program);
  try {
    return [name, ...(await measureAt(server, run))];
  } finally {
    await server.kill();
    rmSync(data, { recursive: true });
  }
}

async function measureAt(server: ProbedServer, run: HostileCall["run"]): Promise<string[]> {
  const world = await openHostileWorld(server.address, sizes);
  await server.look();
  const latency = measureLatency(server.address, "seed-1");
  const endMs = performance.now() + measureMs;
  let times = 0;
  let isOver = false;
  const repeated = async (): Promise<void> => {
    for (; performance.now() < endMs && !isOver; times += 1) await run(world);
  };
  await orNothing(answered(repeated()));
  isOver = true;
  const { p50, p99, max } = await latency.stop();
  const { longestMs } = (await orNothing(server.look())) ?? { longestMs: Number.POSITIVE_INFINITY };
  world.close();
  return [String(times), ...[p50, p99, max, longestMs].map((ms) => ms.toFixed(1))];
}

async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  return Promise.race([answer, sleep(patienceMs, undefined, { ref: false })]);
}
