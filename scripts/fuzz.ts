// Calls every RPC with whatever its descriptors allow, and with what they do not.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { print, tableLines } from "../src/cli/output.ts";
import { fuzz } from "../test/support/fuzz/fuzz.ts";
import { startProbedServer } from "../test/support/hostile/probed-server.ts";
import { progress } from "./progress.ts";

const help = `Calls every RPC of a server of its own, 32 at a time, with messages made from the descriptors: most of them right or nearly right, some
spoilt, some made of noise; some callers are impatient, some leave.

  node scripts/fuzz.ts [options]

  --calls N   how many (default 100000)
  --seed N    makes the same calls again (default: chosen)
  --help

Exit code 0: each answer is one that its contract has, with a reason, and never INTERNAL or UNKNOWN; the server stays below 1 GiB, and ends with
code 0. 1: otherwise, with what was found.`;

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "100000" },
    seed: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

/** Some 250 MiB are the program, its threads and young garbage; what is kept of so many calls is small. */
const peakMiBMax = 1024;
/** Calls between two progress lines. */
const progressStep = 500;

const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const calls = Number(values.calls);
const folder = mkdtempSync(join(tmpdir(), "concord-fuzz-"));
const server = await startProbedServer(folder);
print(`${calls} calls, seed ${seed}`);
const { answers, findings } = await fuzz({
  address: server.address,
  seed,
  calls,
  onProgress: (done) => done % progressStep === 0 && progress(`${done} calls`),
});
progress("");
const { peakMiB } = await server.look();
const exitCode = await server.stop();
rmSync(folder, { recursive: true });

print(tableLines(["answer", "times"], byAnswer(answers)));
for (const { call, rpc, request, what } of findings) print([`call ${call}: ${rpc} ${what}`, `  ${request}`]);
print(`${findings.length} findings; at most ${peakMiB.toFixed(0)} MiB; the server ended with code ${exitCode}`);
process.exitCode = findings.length === 0 && peakMiB < peakMiBMax && exitCode === 0 ? 0 : 1;

/** The RPCs together: which of them may answer what is checked call by call. */
function byAnswer(answers: ReadonlyMap<string, number>): string[][] {
  const times = new Map<string, number>();
  for (const [answer, count] of answers) {
    const [, code = ""] = answer.split(" ");
    times.set(code, (times.get(code) ?? 0) + count);
  }
  return [...times].sort(([, a], [, b]) => b - a).map(([code, count]) => [code, String(count)]);
}
