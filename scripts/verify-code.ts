// The code against the specs: explored and compared with TLC's graphs, simulated, traced, and broken on purpose.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readCommitGraph } from "../test/exploration/commit-graph.ts";
import { compare } from "../test/exploration/compare.ts";
import type { Exploration } from "../test/exploration/exploration.ts";
import { explore } from "../test/exploration/explore.ts";
import { comparedModels, exploredModels, type Model, partlyComparedModels } from "../test/exploration/models.ts";
import { hunt, type Mutant, mutants } from "../test/exploration/mutants.ts";
import type { Graph } from "../test/exploration/tlc-graph.ts";
import { explore as exploreManager } from "../test/exploration/workflow/explore.ts";
import { readWorkflowGraph } from "../test/exploration/workflow/graph.ts";
import { graphFileOf } from "../test/exploration/workflow/graph-file.ts";
import { type Model as ManagerModel, comparedModels as managerModels } from "../test/exploration/workflow/models.ts";
import { huntWorkflow, workflowMutants } from "../test/exploration/workflow/mutants.ts";
import { findPlanted, planted, plantedSeeds, plantedWorlds, recordWorlds } from "../test/simulation/planted.ts";
import { missing, runSeeds } from "../test/simulation/run.ts";
import { trySample } from "./mutants/sample.ts";
import { progress } from "./progress.ts";
import { findTlc, type Tlc, Unavailable } from "./verify/tlc.ts";
import { actionsOf } from "./verify/traces/actions.ts";
import { checkTraces, rejectionText } from "./verify/traces/check.ts";
import { type Collected, collect, recordSimulations } from "./verify/traces/collect.ts";
import { corrupt, corruptions } from "./verify/traces/corrupt.ts";
import { checkCorrupted } from "./verify/traces/corrupted.ts";
import { recordManagers } from "./verify/traces/manager/record.ts";
import { traceManager } from "./verify/traces/manager/report.ts";
import { recordServer } from "./verify/traces/server.ts";
import { traceSessions } from "./verify/traces/sessions/report.ts";
import { traceTransitions } from "./verify/traces/transition/report.ts";

const help = `Checks that src/commit follows specs/TwoPhaseCommit.tla and specs/Sessions.tla, and src/workflow specs/WorkflowManager.tla and
specs/AtomicTransition.tla.

  node scripts/verify-code.ts [options]

  --part NAME   only this: compare, explore, simulate, traces, mutants or sample; or planted, which takes long and is asked for by name only
  --seeds N     how many simulated worlds (default 2000)
  --only TEXT   of the planted faults those with this in their name
  --record      writes down in which world each planted fault was found: there it is looked for first
  --help

compare, traces and the mutants of src/workflow need what scripts/verify.ts needs to run TLC; without it, they are skipped, or fail if CI=true.
Exit code 0: all as expected. 1: something differs. 2: wrong usage.`;

const parts = ["compare", "explore", "simulate", "planted", "traces", "mutants", "sample"] as const;
const seedsDefault = 2_000;

/** Enough for every action many times, in a minute. */
const traced = { seeds: 300, managers: 25, server: { transactions: 400, kills: 7, seed: 1 }, eachCorruption: 10 } as const;

/** Actions that are not events: messages are lost by not being received, what a resource loses shows when it is asked, and who leaves does not say so. */
const untraced = ["ClientLeaves", "Lose", "LosePromise", "RestorePromise", "StrangerAnswers"];

const specFile = join(import.meta.dirname, "..", "specs", "TwoPhaseCommit.tla");
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

/** Nothing, if the machine lacks it: then that is said, and so many checks are skipped. */
async function tlcFor(what: string, checks: number): Promise<Tlc | undefined> {
  try {
    return await findTlc(cacheDir);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    const inCi = process.env["CI"] === "true";
    console.log(`${inCi ? "FAILED" : "SKIPPED"}  ${what}: ${error.message}`);
    if (inCi) failed += checks;
    else skipped += checks;
    return undefined;
  }
}

/** What TLC has found is asked for again by the mutants. */
const managerGraphs = new Map<ManagerModel, Promise<Graph>>();

function managerGraph(tlc: Tlc, model: ManagerModel): Promise<Graph> {
  const graph = managerGraphs.get(model) ?? readWorkflowGraph(tlc, model.constants);
  managerGraphs.set(model, graph);
  return graph;
}

const number = (count: number): string => count.toLocaleString("en");

async function compareAll(): Promise<void> {
  const models = [...comparedModels, ...partlyComparedModels];
  const tlc = await tlcFor("the code is NOT compared with the specs", models.length + managerModels.length);
  if (!tlc) return;
  for (const model of models) {
    // At the same time, on two cores.
    const dumped = readCommitGraph(tlc, model.constants);
    compareOne(model.name, exploreModel(model), await dumped, model.statesMax === undefined);
  }
  for (const model of managerModels) {
    const dumped = managerGraph(tlc, model);
    const onProgress = (states: number): void => progress(`${model.name}: ${number(states)} states`);
    const exploration = await exploreManager(model.constants, { onProgress });
    progress("");
    compareOne(`the manager: ${model.name}`, exploration, await dumped, true);
  }
}

function compareOne(name: string, exploration: Exploration, graph: Graph, toTheEnd: boolean): void {
  const { states, complete, specStates } = exploration;
  const { strangeStates, strangeSteps, unreached, untaken, stepsOfSpec, actions } = compare(exploration, graph);
  const problems = [
    ...violationOf(exploration),
    ...(complete === toTheEnd ? [] : [`explored ${complete ? "to the end, which was not expected" : "not to the end"}`]),
    ...strangeStates.map((state) => `not a state of the spec: ${state}`),
    ...strangeSteps.map((step) => `not a step of the spec: ${step}`),
    ...(toTheEnd ? unreached.map((state) => `not reached by the code: ${state}`) : []),
    ...(toTheEnd ? untaken.map((step) => `not taken by the code: ${step}`) : []),
  ];
  report(
    `compare ${name}`,
    problems,
    `${number(states)} states of the code${complete ? "" : ", not to the end,"} are ${number(specStates.size)} of the spec's ` +
      `${number(graph.states.size)}; ${number(stepsOfSpec - untaken.length)} of its ${number(stepsOfSpec)} steps, ${actions} actions`,
  );
}

function exploreAll(): void {
  for (const model of exploredModels) {
    const exploration = exploreModel(model);
    const { states, steps, complete } = exploration;
    const remark = `${states.toLocaleString("en")} states, ${steps.toLocaleString("en")} steps${complete ? "" : ", not to the end"}`;
    const cut = complete || model.statesMax !== undefined ? [] : ["not explored to the end"];
    report(`explore ${model.name}`, [...violationOf(exploration), ...cut], remark);
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
  const problems = run.failures.map(
    ({ seed, failure }) => `seed ${seed}: ${failure}: bin/concord simulate --seed ${seed} --verbose`,
  );
  const never = missing(run).map((what) => `never happened: ${what}`);
  const committed = run.counts.get("clients told: committed") ?? 0;
  report("simulate", [...problems, ...never], `${run.seeds} worlds, one in ten twice; ${committed} commits told to clients`);
}

async function findAllPlanted(only: string, isRecorded: boolean): Promise<void> {
  const worlds = new Map<string, number>();
  const wanted = planted.filter(({ name }) => name.includes(only));
  await onTwoCores(wanted, async (mutant) => {
    const found = await findPlanted(mutant);
    progress("");
    if (found) worlds.set(mutant.name, found.seed);
    const remark = found ? `world ${found.seed}: ${found.failure}` : `not found in ${plantedSeeds} worlds`;
    report(`planted "${mutant.name}"`, found ? [] : ["the simulation does not find it"], remark);
  });
  const others = [...worlds].filter(([name, world]) => plantedWorlds[name] !== world);
  if (isRecorded) recordWorlds(worlds);
  else if (others.length > 0) console.log(`${others.length} were found in other worlds than before; --record writes them down`);
}

async function traceAll(): Promise<void> {
  const tlc = await tlcFor("traces are NOT checked", 12);
  if (!tlc) return;
  progress("traces: the manager");
  const managers = await recordManagers(traced.managers);
  for (const { name, problems, remark } of await traceManager(tlc, managers)) report(name, problems, remark);
  progress("traces: transitions");
  for (const { name, problems, remark } of await traceTransitions(tlc, managers)) report(name, problems, remark);
  progress("traces: simulating");
  const simulated = collect(await recordSimulations(traced.seeds));
  progress("traces: the server under load");
  const { events, answered, unanswered } = await recordServer(traced.server);
  const served = collect([["the server", events]]);
  progress("traces: sessions");
  for (const { name, problems, remark } of await traceSessions(tlc, events)) report(name, problems, remark);
  const corrupted = corrupt([...simulated.traces, ...served.traces], traced.eachCorruption);
  progress("traces: TLC");
  const rejections = await checkTraces(tlc, [...simulated.traces, ...served.traces, ...corrupted]);
  progress("");

  const reportTraces = (name: string, { traces, transactions, events, leftOut }: Collected, remark: string): void => {
    const problems = rejections.filter(({ trace }) => traces.includes(trace)).map(rejectionText);
    const left = [...leftOut].map(([why, count]) => `${count} ${why}`).join(", ");
    report(
      `traces of ${name}`,
      problems,
      `${transactions.toLocaleString("en")} transactions, ${events.toLocaleString("en")} events, ${traces.length} different traces; ` +
        `left out: ${left || "none"}; ${remark}`,
    );
  };
  reportTraces("simulations", simulated, `${traced.seeds} worlds`);
  reportTraces("the server", served, `${answered} calls answered, ${unanswered} not, ${traced.server.kills} kills`);

  const { name, problems, remark } = checkCorrupted("corrupted traces", corrupted, {
    corruptions,
    rejections,
    nameOf: ({ transaction }) => transaction,
  });
  report(name, problems, remark);

  const counts = new Map<string, number>();
  for (const { steps } of [...simulated.traces, ...served.traces]) {
    for (const { action } of steps) counts.set(action, (counts.get(action) ?? 0) + 1);
  }
  const actions = actionsOf(readFileSync(specFile, "utf8"));
  const idle = actions.filter((action) => !counts.has(action) && !untraced.includes(action));
  const rarest = [...counts].sort(([, a], [, b]) => a - b).slice(0, 3);
  report(
    "traced actions",
    idle.map((action) => `${action} never happened`),
    `${actions.length - idle.length - untraced.length} of ${actions.length}, all but ${untraced.join(", ")}; ` +
      `the rarest: ${rarest.map(([action, count]) => `${action} ${count}`).join(", ")}`,
  );
}

async function huntAll(): Promise<void> {
  await onTwoCores(mutants, async (mutant) => {
    const { exploration, simulation } = await hunt(mutant);
    reportMutant(
      mutant,
      exploration !== undefined || simulation !== undefined,
      `exploration: ${exploration ?? "-"}; simulation: ${simulation ?? "-"}`,
    );
  });
  const tlc = await tlcFor("the mutants of the workflow manager are NOT hunted", workflowMutants.length);
  if (!tlc) return;
  const dir = mkdtempSync(join(tmpdir(), "concord-graphs-"));
  try {
    const files: string[] = [];
    for (const [index, model] of managerModels.entries()) {
      const file = join(dir, `${index}.json`);
      writeFileSync(file, JSON.stringify(graphFileOf(model.constants, await managerGraph(tlc, model))));
      files.push(file);
    }
    await onTwoCores(workflowMutants, async (mutant) => {
      const found = await huntWorkflow(mutant, files);
      reportMutant(mutant, found !== "", `comparison: ${found}`);
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function sampleAll(): Promise<void> {
  for (const { name, problems, remark } of await trySample(join(import.meta.dirname, ".."), progress))
    report(name, problems, remark);
}

async function onTwoCores(all: readonly Mutant[], huntOne: (mutant: Mutant) => Promise<void>): Promise<void> {
  const queue = all.values();
  const hunter = async (): Promise<void> => {
    for (const mutant of queue) {
      progress(`mutant: ${mutant.name}`);
      await huntOne(mutant);
    }
  };
  await Promise.all([hunter(), hunter()]);
}

function reportMutant({ name }: Mutant, isFound: boolean, remark: string): void {
  progress("");
  report(`mutant "${name}"`, isFound ? [] : ["it survives"], remark);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      part: { type: "string" },
      seeds: { type: "string", default: String(seedsDefault) },
      only: { type: "string", default: "" },
      record: { type: "boolean", default: false },
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
  const run: Readonly<Record<(typeof parts)[number], () => void | Promise<void>>> = {
    compare: compareAll,
    explore: exploreAll,
    simulate: () => simulateAll(seeds),
    planted: () => findAllPlanted(values.only, values.record),
    traces: traceAll,
    mutants: huntAll,
    sample: sampleAll,
  };
  for (const part of parts) {
    if (values.part === undefined ? part === "planted" : values.part !== part) continue;
    const startedMs = performance.now();
    await run[part]();
    console.log(`        ${part}: ${Math.round((performance.now() - startedMs) / 1000)} s`);
  }
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return failed === 0 ? 0 : 1;
}

// What the test of a mutant has started, and was killed before it could end, has our pipes open: nothing here waits for it.
process.exit(
  await main().catch((error: unknown) => {
    const usage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    console.error(error instanceof Error ? error.message : error);
    return usage ? 2 : 1;
  }),
);
