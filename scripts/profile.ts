// Where the time of a call goes, and what it allocates: by function and by package, of each thread.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { print, tableLines } from "../src/cli/output.ts";
import { findGenerator } from "../test/bench/load.ts";
import { operations, transition } from "../test/bench/operations.ts";
import { prepare } from "../test/bench/prepare.ts";
import { processUse } from "../test/bench/proc.ts";
import { type BenchServer, startServer } from "../test/bench/server-process.ts";
import { total } from "../test/bench/statistics.ts";
import { startParticipants } from "../test/bench/transactions.ts";
import { openInspector, type Thread, watchAllocations, watchCpu, watchOldGarbage } from "./profile/inspector.ts";
import { largest, type Summary, summarizeAllocations, summarizeCpu } from "./profile/summary.ts";

const calls = operations.filter(({ isBare }) => !isBare);

const help = `Presses the server of the benchmark, watches its threads, and prints where their time went and who allocated how much. docs/performance.md
says what that has taught.

  node scripts/profile.ts [options]

  --call NAME           an operation of "node test/bench/main.ts --list" (default ${transition})
  --concurrency N[,N…]  calls at once (default 1,64,256)
  --seconds N           of each profile (default 5)
  --top N               functions and packages that are printed (default 25)
  --out FOLDER          where the profiles are written, to be opened in Chrome's developer tools (default .cache/profile)
  --help`;

const { values } = parseArgs({
  options: {
    call: { type: "string", default: transition },
    concurrency: { type: "string", default: "1,64,256" },
    seconds: { type: "string", default: "5" },
    top: { type: "string", default: "25" },
    out: { type: "string", default: ".cache/profile" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

/** V8 looks this often; more often would be seen in the rate. */
const sampleMicros = 250;
/** A thread that does less is not printed. */
const busyShareMin = 0.02;
const allocatedBytesMin = 200;
/** Before the first profile: code is compiled, and compiled again, as long as it is new. */
const warmUpMs = 3_000;

const durationMs = Number(values.seconds) * 1000;

const call = calls.find(({ name }) => name === values.call);
if (call === undefined) {
  print(`--call: there is no ${values.call}; there are ${calls.map(({ name }) => name).join("; ")}`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "concord-profile-"));
// For the server alone.
process.env["NODE_OPTIONS"] = "--inspect=127.0.0.1:0";
const server = await startServer(folder, "info");
delete process.env["NODE_OPTIONS"];
const participants = call.participantCount > 0 ? await startParticipants(server, folder) : undefined;
try {
  const generator = await findGenerator();
  await prepare(server.port);
  mkdirSync(values.out, { recursive: true });
  const { threads, close } = await openInspector(inspectorUrl());
  const press = async (concurrency: number, ms: number): Promise<number> => {
    const span = { type: "time", warmUpMs: 0, durationMs: ms } as const;
    const { perSecond } = await generator.run({ port: server.port, ...call, concurrency, span });
    return (perSecond * ms) / 1000;
  };
  for (const concurrency of values.concurrency.split(",").map(Number)) {
    await press(concurrency, warmUpMs);
    await profile(server, concurrency, threads, () => press(concurrency, durationMs));
  }
  close();
} finally {
  participants?.stop();
  await server.stop();
  rmSync(folder, { recursive: true });
}

async function profile(
  { pid }: BenchServer,
  concurrency: number,
  threads: readonly Thread[],
  press: () => Promise<number>,
): Promise<void> {
  const what = `${values.call}, ${concurrency} at once`;
  let count = 0;
  let cpuMicros = 0;
  const run = async (): Promise<void> => {
    const before = total(processUse(pid).cpuMicros);
    count = await press();
    cpuMicros = total(processUse(pid).cpuMicros) - before;
  };
  for (const { thread, profile: cpu } of await watchCpu(threads, sampleMicros, run)) {
    write(`${concurrency}-${thread}.cpuprofile`, cpu);
    const summary = summarizeCpu(cpu);
    if (summary.total < busyShareMin * (cpu.endTime - cpu.startTime)) continue;
    const of = `of ${(cpuMicros / count).toFixed(1)} us a call in all threads, ${((count / durationMs) * 1000).toFixed(0)} a second`;
    print(["", `${what}, thread ${thread}: ${(summary.total / count).toFixed(1)} us a call ${of}`]);
    print(table("us a call", summary, count));
  }
  for (const { thread, profile: allocations } of await watchAllocations(threads, run)) {
    write(`${concurrency}-${thread}.heapprofile`, allocations);
    const summary = summarizeAllocations(allocations);
    if (summary.total / count < allocatedBytesMin) continue;
    print(["", `${what}, thread ${thread}: ${(summary.total / count).toFixed(0)} bytes a call allocated`]);
    print(table("bytes a call", summary, count));
  }
  const [main] = threads;
  const garbage = main === undefined ? 0 : await watchOldGarbage(main, run);
  print(["", `${what}: ${(garbage / count).toFixed(0)} bytes a call outlive the young generation as garbage`]);
}

function table(unit: string, { total: sum, places, functions }: Summary, count: number): readonly string[] {
  const [left, right] = [places, functions].map((spent) => largest(spent, Number(values.top)));
  const cells = (each: readonly [name: string, amount: number] | undefined): string[] =>
    each === undefined ? ["", "", ""] : [`${((each[1] / sum) * 100).toFixed(1)} %`, (each[1] / count).toFixed(2), each[0]];
  return tableLines(
    ["share", unit, "package or folder", "share", unit, "function"],
    Array.from({ length: Number(values.top) }, (_, index) => [...cells(left?.[index]), ...cells(right?.[index])]),
  );
}

function write(name: string, watched: object): void {
  writeFileSync(join(values.out, `${values.call}-${name}`), JSON.stringify(watched));
}

/** Node says it on standard error, which is the log. */
function inspectorUrl(): string {
  const [url] = /ws:\S+/.exec(readFileSync(join(folder, "log"), "utf8")) ?? [];
  if (url === undefined) throw new Error("the server has no inspector");
  return url;
}
