// make bench: rates, latencies and costs of a server of its own, beside empty calls on the same server in the same run. Only the ratios mean
// anything on another machine.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { measureInProcess } from "./checks-in-process.ts";
import { type FanOut, measureFanOut, watchedInTurn } from "./fan-out.ts";
import { measureGrowth } from "./grow.ts";
import { findGenerator } from "./load.ts";
import { describeMachine } from "./machine.ts";
import type { Place } from "./measure.ts";
import { atHalf, echo, operations, transition } from "./operations.ts";
import { inProcess, readOptions, watchers } from "./options.ts";
import { prepare } from "./prepare.ts";
import { headLines, report } from "./report.ts";
import { measureAt, measureAtHalf, operationNamed, progress, warmUp } from "./rounds.ts";
import type { Row } from "./row.ts";
import { type BenchServer, startServer } from "./server-process.ts";
import { measureSizes } from "./size.ts";
import { type Participants, startParticipants } from "./transactions.ts";

/** On a disk, which a folder for what is temporary need not be. */
const cache = join(import.meta.dirname, "../../.cache/bench");

const options = readOptions();
if (options.sizes !== undefined) {
  await measureSizes(options.sizes);
  process.exit();
}
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, "data-"));
let server: BenchServer | undefined;
let participants: Participants | undefined;
// Its servers end with it.
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
try {
  await run();
} finally {
  participants?.stop();
  await server?.stop();
}
process.exit();

async function run(): Promise<void> {
  const [machine, generator] = [await describeMachine(folder), await findGenerator()];
  console.log(headLines({ machine, generator: generator.name }, options).join("\n"));
  const chosen = operations.filter(({ name }) => name === echo || options.wants(name));
  server = await startServer(folder, "info");
  await prepare(server.port);
  if (chosen.some(({ participantCount }) => participantCount > 0)) participants = await startParticipants(server, folder);
  const place: Place = { generator, server, participants };
  if (options.grow) {
    const move = operationNamed(transition);
    const lines = await measureGrowth(place, move, options);
    console.log(`\n${lines.join("\n")}`);
    return;
  }
  await warmUp(chosen, place, options);
  const rows: Row[] = [];
  for (const concurrency of options.concurrencies) rows.push(...(await measureAt(concurrency, chosen, place, options)));
  if (options.wants(atHalf)) rows.push(...(await measureAtHalf(rows, place, options)));
  const fanOuts = options.wants(watchers) ? await measureWatchers(place) : [];
  const checks = options.wants(inProcess) ? await measureInProcess({ ...options, ruleCounts: [10] }) : [];
  report({ machine, generator: generator.name, rows, fanOuts, checks }, options);
}

async function measureWatchers(place: Place): Promise<readonly FanOut[]> {
  const move = operationNamed(transition);
  const results: FanOut[] = [];
  for (const watched of watchedInTurn) {
    progress(`${watched.watchers} watchers of ${watched.of}`);
    results.push(await measureFanOut(place, move, watched, options.rounds));
  }
  progress();
  return results;
}
