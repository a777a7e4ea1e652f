// make bench-peers: Concord's TransitionWorkflow and ExecuteTransaction beside other servers that do comparable work, on the same machine, in
// the same run, round by round in turn. docs/performance.md says what is compared with what.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { tableLines } from "../../../src/cli/output.ts";
import { findGenerator } from "../load.ts";
import { describeMachine } from "../machine.ts";
import { progress, warmUpShare } from "../rounds.ts";
import { type Comparison, compare, comparisonHead, comparisonRow } from "./comparison.ts";
import { type Concord, openConcord } from "./concord.ts";
import { type Call, type Entry, entries, notCompared } from "./entries.ts";
import type { Missing, Peer, Round } from "./peer.ts";

const help = `Measures Concord beside other servers, in the same run, and prints its rates as ratios to theirs.

  node test/bench/peers/main.ts [options]

  --only PEER[,PEER…]   ${entries.map(({ id }) => id).join(", ")}
  --concurrency N[,N…]  calls at once, 256 at most (default 1,16,64,256)
  --seconds N           of each measurement (default 1.2)
  --rounds N            of each measurement, alternating (default 3)
  --help`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    concurrency: { type: "string", default: "1,16,64,256" },
    seconds: { type: "string", default: "1.2" },
    rounds: { type: "string", default: "3" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}
const only = values.only?.split(",");
const chosen = entries.filter(({ id }) => only === undefined || only.includes(id));
if (chosen.length === 0) {
  console.error(`--only: there is no peer ${values.only}; see --help`);
  process.exit(2);
}
const durationMs = Number(values.seconds) * 1000;
const warmUpMs = durationMs * warmUpShare;
const roundCount = Number(values.rounds);

/** Nobody is measured cold: a just-in-time compiler needs seconds. */
const beforehand = { concurrency: 64, warmUpMs: 0, durationMs: 6000 };

/** On a disk, which a folder for what is temporary need not be. */
const cache = join(import.meta.dirname, "../../../.cache/bench");

type Opened = Entry & { readonly peer: Peer };

mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, "peers-"));
// Not everybody may run as root: PostgreSQL does not.
chmodSync(folder, 0o755);
// Whatever has been started ends with it.
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const opened: Opened[] = [];
let concord: Concord | undefined;
try {
  await run();
} finally {
  for (const { peer } of opened) await peer.stop();
  await concord?.stop();
}

async function run(): Promise<void> {
  const [machine, generator] = [await describeMachine(folder), await findGenerator()];
  const missing: string[] = [];
  for (const entry of chosen) {
    progress(`${entry.id} is set up; the first time it is fetched and built, which takes minutes`);
    const peer = await openOrSay(() => entry.open(folder, generator));
    if ("missing" in peer) missing.push(`NOT MEASURED: ${entry.id}. Missing: ${peer.missing}`);
    else opened.push({ ...entry, peer });
  }
  progress();
  for (const line of missing) console.error(line);
  if (opened.length === 0) throw new Error("there is nothing to compare with");
  concord = await openConcord(folder, generator);
  await warmUp(concord);
  const comparisons: Comparison[] = [];
  for (const concurrency of values.concurrency.split(",").map(Number))
    comparisons.push(...(await measureAt(concord, concurrency)));
  progress();
  const { cores, model, memoryGib, kernel, node, sqlite, dataOn, busyBefore, commit } = machine;
  const head = [
    `${cores} x ${model}, ${memoryGib} GiB, Linux ${kernel}; Node ${node}, SQLite ${sqlite}; commit ${commit}; data on ${dataOn}`,
    `load on Concord and etcd by ${generator.name}; ${busyBefore.toFixed(2)} cores were busy before it began`,
    `${roundCount} rounds, alternating, of ${durationMs / 1000} s each after ${warmUpMs / 1000} s of warm-up; their median. Concord : peer`,
  ];
  const about = opened.flatMap(({ id, peer, does, doesNot }) => [
    `${id}: ${peer.version}`,
    `  does: ${does}`,
    `  does not: ${doesNot}`,
  ]);
  const rows = chosen.flatMap(({ id }) => comparisons.filter(({ peer }) => peer === id)).map(comparisonRow);
  console.log([...head, "", ...tableLines(comparisonHead, rows), "", ...about, ...missing, ...notCompared].join("\n"));
  save({ machine, generator: generator.name, roundCount, durationMs, about, missing, notCompared, comparisons });
}

/** A server that does not start is as little there as one that cannot be had. */
async function openOrSay(open: () => Promise<Peer | Missing>): Promise<Peer | Missing> {
  try {
    return await open();
  } catch (error) {
    return { missing: `a server that starts: ${error instanceof Error ? error.message : error}` };
  }
}

function callsOf(some: readonly Opened[]): readonly Call[] {
  return [...new Set(some.map(({ call }) => call))];
}

async function warmUp({ calls }: Concord): Promise<void> {
  for (const subject of [...callsOf(opened).map((call) => calls[call]), ...opened.map(({ peer }) => peer)])
    await subject.run(beforehand);
}

async function measureAt({ calls }: Concord, concurrency: number): Promise<readonly Comparison[]> {
  const pressure = { concurrency, warmUpMs, durationMs };
  const rounds = new Map<string, Round[]>([...callsOf(opened), ...opened.map(({ id }) => id)].map((name) => [name, []]));
  for (let round = 1; round <= roundCount; round += 1) {
    progress(`${concurrency} at once, round ${round} of ${roundCount}`);
    for (const call of callsOf(opened)) {
      rounds.get(call)?.push(await calls[call].run(pressure));
      for (const { id, peer } of opened.filter((each) => each.call === call)) rounds.get(id)?.push(await peer.run(pressure));
    }
  }
  return opened.map(({ id, call, targets }) =>
    compare(
      { call, peer: id, concurrency, target: targets[concurrency] },
      { concord: rounds.get(call) ?? [], other: rounds.get(id) ?? [] },
    ),
  );
}

function save(results: object): void {
  const file = join(cache, "peers.json");
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  console.log(`\nwritten: ${file}`);
}
