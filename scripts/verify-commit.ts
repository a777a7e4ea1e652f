// Two-phase commit against its spec: the code explored and compared with TLC's graph, simulated, and broken on purpose.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { missing, runSeeds } from "../src/cli/simulate/run.ts";
import { compare } from "../test/exploration/compare.ts";
import { type Exploration, explore } from "../test/exploration/explore.ts";
import { comparedModels, largeModels, type Model } from "../test/exploration/models.ts";
import { hunt, mutants } from "../test/exploration/mutants.ts";
import { readGraph } from "../test/exploration/tlc-graph.ts";
import { findTlc, type Tlc, Unavailable } from "./verify/tlc.ts";

const help = `Checks that src/commit follows specs/TwoPhaseCommit.tla.

  node scripts/verify-commit.ts [options]

  --part NAME   only this: compare, explore, simulate or mutants
  --seeds N     how many simulated worlds (default 2000)
  --help

compare needs what scripts/verify.ts needs to run TLC; without it, it is skipped, or fails if CI=true.
Exit code 0: all as expected. 1: something differs. 2: wrong usage.`;

const parts = ["compare", "explore", "simulate", "mutants"] as const;
const seedsDefault = 2_000;
const cacheDir = join(import.meta.dirname, "..", ".cache", "tlc");

let passed = 0;
let failed = 0;
let skipped = 0;

function report(name: string, problems: readonly string[], remark: string): void {
  if (problems.length === 0) passed += 1;
  else failed += 1;
  console.log(`${problems.length === 0 ? "ok    " : "FAILED"}  ${name}: ${remark}`);
  for (const problem of problems.slice(0, 5)) console.log(`        ${problem}`);
}

/** A line that is replaced by the next, for a person who waits. */
function progress(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${text}`);
}

function exploreModel({ name, constants, statesMax }: Model): Exploration {
  const found = explore(constants, {
    statesMax,
    onProgress: (states) => progress(`${name}: ${states.toLocaleString("en")} states`),
  });
  progress("");
  return found;
}

const violationOf = ({ violation }: Exploration): readonly string[] =>
  violation ? [`${violation.what}, after:`, ...violation.path.map((step) => `  ${step}`)] : [];

async function compareAll(): Promise<void> {
  let tlc: Tlc;
  try {
    tlc = await findTlc(cacheDir);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    const inCi = process.env["CI"] === "true";
    console.log(`${inCi ? "FAILED" : "SKIPPED"}  the code is NOT compared with the spec: ${error.message}`);
    if (inCi) failed += comparedModels.length;
    else skipped += comparedModels.length;
    return;
  }
  for (const model of comparedModels) {
    const graph = await readGraph(tlc, model.constants);
    const exploration = exploreModel(model);
    const { strangeStates, strangeSteps, unreached, taken, beyond } = compare(exploration, graph);
    const edges = [...graph.edges.values()].reduce((sum, to) => sum + to.size, 0);
    const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);
    const problems = [
      ...violationOf(exploration),
      ...(exploration.complete ? [] : ["not explored to the end"]),
      ...strangeStates.map((state) => `not a state of the spec: ${state}`),
      ...strangeSteps.map((step) => `not a step of the spec: ${step}`),
      ...(model.same ? unreached.map((state) => `not reached by the code: ${state}`) : []),
    ];
    report(
      `compare ${model.name}`,
      problems,
      `${exploration.states.toLocaleString("en")} states of the code are ${exploration.specStates.size} of the spec's ${graph.states.size}; ` +
        `${sum(taken)} of its ${edges} steps, by ${taken.size} actions; ${sum(beyond)} steps are two of the spec's`,
    );
  }
}

function exploreAll(): void {
  for (const model of largeModels) {
    const exploration = exploreModel(model);
    const { states, steps, complete } = exploration;
    const remark = `${states.toLocaleString("en")} states, ${steps.toLocaleString("en")} steps${complete ? "" : ", not to the end"}`;
    report(`explore ${model.name}`, violationOf(exploration), remark);
  }
}

async function simulateAll(seeds: number): Promise<void> {
  const run = await runSeeds({
    firstSeed: 1,
    seeds,
    participantsMin: 2,
    participantsMax: 5,
    onSeed(done) {
      if (done % 20 === 0) progress(`simulate: ${done} of ${seeds}`);
      return true;
    },
  });
  progress("");
  const problems = run.failures.map(({ seed, failure }) => `seed ${seed}: ${failure}: concord simulate --seed ${seed} --verbose`);
  const never = missing(run).map((what) => `never happened: ${what}`);
  const committed = run.counts.get("clients told: committed") ?? 0;
  report("simulate", [...problems, ...never], `${run.seeds} worlds, each twice; ${committed} commits told to clients`);
}

function huntAll(): void {
  for (const mutant of mutants) {
    progress(`mutant: ${mutant.name}`);
    const { exploration, simulation } = hunt(mutant);
    progress("");
    const problems = exploration === undefined && simulation === undefined ? ["it survives"] : [];
    report(`mutant "${mutant.name}"`, problems, `exploration: ${exploration ?? "-"}; simulation: ${simulation ?? "-"}`);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      part: { type: "string" },
      seeds: { type: "string", default: String(seedsDefault) },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const seeds = Number(values.seeds);
  const isPart = values.part === undefined || parts.some((part) => part === values.part);
  if (!isPart || !Number.isInteger(seeds) || seeds < 1) {
    console.error(help);
    return 2;
  }
  const wanted = (part: (typeof parts)[number]): boolean => values.part === undefined || values.part === part;
  if (wanted("compare")) await compareAll();
  if (wanted("explore")) exploreAll();
  if (wanted("simulate")) await simulateAll(seeds);
  if (wanted("mutants")) huntAll();
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  const usage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
  console.error(error instanceof Error ? error.message : error);
  return usage ? 2 : 1;
});
