// What is left of the service when there is too much: more callers than it works for at a time, more calls than it can answer.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { print, tableLines } from "../src/cli/output.ts";
import { prepare } from "../test/bench/prepare.ts";
import { processUse } from "../test/bench/proc.ts";
import { median } from "../test/bench/statistics.ts";
import { progress } from "./progress.ts";
import type { Load, Measured } from "./too-much/load.ts";

const help = `Moves workflows to and fro on a server of its own, as it is served, with ten active rules of which two apply.

  node scripts/too-much.ts [options]

  --only PART     only this: callers, beyond, refusals or memory
  --seconds N     of each measurement (default 4)
  --rounds N      of each measurement; the median counts (default 3)
  --callers N[,N…]  so many at once (default 64,256,1024,4096)
  --minutes N     of memory (default 10), with so many moves a second:
  --pace N        (default 1000)
  --server FILE   another version's src/main.ts
  --against FILE  and one that callers are measured with, too, in turns
  --help

Judges nothing: what is wanted stands in docs/performance.md, and the machine decides with.`;

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    callers: { type: "string", default: "64,256,1024,4096" },
    pace: { type: "string", default: "1000" },
    minutes: { type: "string", default: "10" },
    server: { type: "string", default: join(import.meta.dirname, "../src/main.ts") },
    against: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const durationMs = Number(values.seconds) * 1_000;
/** As many as are under way at once at most. */
const poolSize = 4_096;

type Server = {
  readonly address: string;
  /** Of its main thread, in ms. */
  readonly cpuMs: () => number;
  readonly memoryMb: () => number;
  readonly lines: () => readonly Record<string, unknown>[];
  readonly stop: () => Promise<void>;
};

process.once("SIGTERM", () => process.exit(1));
const folder = mkdtempSync(join(tmpdir(), "concord-too-much-"));

async function start(name: string, flags: readonly string[] = [], program = values.server): Promise<Server> {
  const data = join(folder, name);
  mkdirSync(data);
  const log = join(folder, `${name}.log`);
  const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--log-format", "json", ...flags];
  const node = ["--max-semi-space-size=32", "--disable-warning=ExperimentalWarning", program];
  const env = { MALLOC_ARENA_MAX: "2", ...process.env, NODE_COMPILE_CACHE: join(import.meta.dirname, "../.cache/node") };
  const child = spawn(process.execPath, [...node, ...args], { stdio: ["ignore", "ignore", openSync(log, "w")], env });
  process.once("exit", () => child.kill("SIGKILL"));
  const lines = (): readonly Record<string, unknown>[] => linesOf(log);
  const address = await servedAddress(child, lines);
  // With room for one call there is none for those that prepare.
  if (!flags.includes("--max-calls")) await prepare(Number(address.slice(address.lastIndexOf(":") + 1)));
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await once(child, "close");
  };
  const { pid } = child;
  if (pid === undefined) throw new Error("the server could not be started");
  return {
    address,
    cpuMs: () => (processUse(pid).cpuMicros["main"] ?? Number.NaN) / 1_000,
    memoryMb: () => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024,
    lines,
    stop,
  };
}

const linesOf = (file: string): readonly Record<string, unknown>[] =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function servedAddress(server: ChildProcess, lines: Server["lines"]): Promise<string> {
  for (;;) {
    const served = lines().find(({ msg }) => msg === "serving");
    if (served !== undefined) return String(served["listen"]);
    if (server.exitCode !== null) throw new Error(`the server has ended: ${JSON.stringify(lines())}`);
    await sleep(20);
  }
}

type Asked = Partial<Load> & Pick<Load, "address">;

async function measure(asked: Asked): Promise<Measured> {
  const load: Load = {
    pauseMs: 100,
    warmUpMs: durationMs / 4,
    durationMs,
    count: asked.callers ?? poolSize,
    connections: Math.min(8, asked.callers ?? 8),
    stateFile: join(folder, `${asked.address.replace(":", "-")}.json`),
    ...asked,
  };
  const file = join(import.meta.dirname, "too-much/load.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [file, JSON.stringify(load)]);
  return JSON.parse(stdout) as Measured;
}

const rate = ({ byStatus, seconds }: Measured, status: string): number => (byStatus[status] ?? 0) / seconds;

/** Of several rounds, each figure's median. */
function cells(rounds: readonly Measured[]): string[] {
  const of = (figure: (measured: Measured) => number, digits = 0): string => median(rounds.map(figure)).toFixed(digits);
  const others = new Set(
    rounds.flatMap(({ byStatus }) => Object.keys(byStatus)).filter((status) => status !== "0" && status !== "8"),
  );
  return [
    of((each) => rate(each, "0")),
    of(({ done }) => done.p50, 1),
    of(({ done }) => done.p99, 1),
    of((each) => rate(each, "8")),
    of(({ refused }) => refused.p50, 1),
    [...others].map((status) => `${status}: ${of((each) => rate(each, status))}`).join(", ") || "-",
  ];
}

const head = ["done a second", "p50 ms", "p99 ms", "refused a second", "p50 ms", "others"];

const rounds = <T>(each: () => Promise<T>): Promise<T[]> =>
  Array.from({ length: Number(values.rounds) }).reduce<Promise<T[]>>(
    async (made) => [...(await made), await each()],
    Promise.resolve([]),
  );

async function callers(): Promise<void> {
  const programs = { this: values.server, ...(values.against !== undefined && { other: values.against }) };
  const starting = Object.entries(programs).map(async ([name, program]) => ({ name, server: await start(name, [], program) }));
  const servers = await Promise.all(starting);
  const measured = servers.flatMap(({ name, server }) =>
    values.callers
      .split(",")
      .map(Number)
      .map((count) => ({ name, server, count, made: [] as Measured[], costs: [] as number[] })),
  );
  await rounds(async () => {
    for (const { name, server, count, made, costs } of measured.toSorted((one, other) => one.count - other.count)) {
      progress(`${name}: ${count} callers`);
      const beforeMs = server.cpuMs();
      const each = await measure({ address: server.address, callers: count });
      made.push(each);
      costs.push(((server.cpuMs() - beforeMs) * 1_000) / each.all);
    }
  });
  for (const { name, server } of servers) {
    const rows = measured
      .filter((each) => each.name === name)
      .map(({ count, made, costs }) => [String(count), ...cells(made), median(costs).toFixed(0)]);
    print(["", name, ...tableLines(["callers", ...head, "µs of CPU each"], rows)]);
    print(`${server.memoryMb().toFixed(0)} MB at last`);
    warnings(server);
    await server.stop();
  }
}

/** What the server has warned of meanwhile: that the circuit has opened, above all. */
function warnings({ lines }: Server): void {
  const texts = lines()
    .filter(({ level }) => level === "warn" || level === "error")
    .map(({ msg }) => String(msg));
  for (const text of new Set(texts)) print(`  ${texts.filter((each) => each === text).length} x "${text}"`);
}

async function best(server: Server): Promise<number> {
  progress("what can be done");
  return median((await rounds(() => measure({ address: server.address, callers: 256 }))).map((each) => rate(each, "0")));
}

async function beyond(): Promise<void> {
  const server = await start("beyond");
  const perSecond = await best(server);
  const rows: string[][] = [["256 callers", perSecond.toFixed(0)]];
  for (const factor of [1.5, 3]) {
    progress(`${factor} times as many`);
    const asked = { address: server.address, perSecond: factor * perSecond, timeoutMs: 1_000 };
    const made = await rounds(() => measure(asked));
    rows.push([`${factor} times as many, 1 s of time`, ...cells(made)]);
  }
  rows.push(["256 callers again", (await best(server)).toFixed(0)]);
  print(tableLines(["asked", ...head], rows));
  warnings(server);
  await server.stop();
}

/** What a call costs that is refused before it is read, and one that is done. */
async function refusals(): Promise<void> {
  const rows: string[][] = [];
  for (const [name, flags] of [
    ["done", []],
    ["refused", ["--max-calls", "1"]],
  ] as const) {
    const server = await start(name, flags);
    const costs = await rounds(async () => {
      const beforeMs = server.cpuMs();
      const each = await measure({ address: server.address, callers: 256, pauseMs: 0, warmUpMs: 0 });
      return ((server.cpuMs() - beforeMs) * 1_000) / each.all;
    });
    rows.push([name, median(costs).toFixed(1)]);
    await server.stop();
  }
  print(tableLines(["a call that is", "µs of CPU of the main thread"], rows));
}

async function memory(): Promise<void> {
  const server = await start("memory");
  const rows: string[][] = [];
  for (let minute = 1; minute <= Number(values.minutes); minute += 1) {
    progress(`minute ${minute}`);
    const made = await measure({ address: server.address, perSecond: Number(values.pace), warmUpMs: 0, durationMs: 60_000 });
    rows.push([String(minute), rate(made, "0").toFixed(0), server.memoryMb().toFixed(0)]);
  }
  print(tableLines(["minute", "done a second", "memory, MB"], rows));
  await server.stop();
}

const parts: Readonly<Record<string, () => Promise<void>>> = { callers, beyond, refusals, memory };
try {
  print(`${availableParallelism()} cores, Node ${process.version}`);
  for (const [name, run] of Object.entries(parts)) {
    if (values.only === "" ? name === "memory" : name !== values.only) continue;
    print(["", name]);
    await run();
    progress("");
  }
} finally {
  rmSync(folder, { recursive: true });
}
