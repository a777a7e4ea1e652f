// Runs models on one mutant until one of them notices.
//
// A violated property, a deadlock, a step that TLC cannot make sense of, an action that is never taken: any of them kills. A count of
// states that differs only says that the mutant is another spec, and that no property speaks of the difference.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { progress } from "../../progress.ts";
import { differences } from "../judge.ts";
import type { Model } from "../manifest.ts";
import { inParallel } from "../parallel.ts";
import { runTlc, type Tlc } from "../tlc.ts";
import { isBatchable, mayJoin, runBatch } from "./batch.ts";
import type { SpecMutant } from "./mutants.ts";

export type Verdict =
  | { readonly type: "killed"; readonly by: string; readonly model: string }
  | { readonly type: "counted"; readonly by: string; readonly model: string }
  | { readonly type: "unnoticed" };

/** TLC's exit code for what does not parse. Such a mutant says nothing about the properties. */
const exitUnparsed = 150;

/** A mutant may have many more states than the module. */
const slowerMax = 8;
const secondsMin = 30;

export type Hunt = {
  readonly tlc: Tlc;
  readonly specsDir: string;
  /** Verdicts of models on modules with the same texts are kept here. */
  readonly cacheDir: string;
  readonly models: readonly Model[];
};

/** So many at once: each run takes some of the time, and each mutant some of the memory. */
const batchMax = 150;

/** In the order of the models. Safety models are asked about many mutants at once, the others about those that are left, one by one. */
export async function huntTogether(hunt: Hunt, module: string, mutants: readonly SpecMutant[], jobs: number): Promise<void> {
  const joins = mayJoin(readFileSync(join(hunt.specsDir, `${module}.tla`), "utf8"));
  let left = mutants;
  for (const model of hunt.models) {
    const open = left.filter((mutant) => known(hunt, mutant, model) === undefined);
    if (isBatchable(model)) await askTogether(hunt, model, open.filter(joins), jobs);
    let done = 0;
    await inParallel(open, jobs, async (mutant) => {
      const verdict = known(hunt, mutant, model) ?? (await run(hunt, mutant, model));
      keep(hunt, mutant, model, verdict);
      done += 1;
      progress(`${module}: ${left.length} of ${mutants.length} left; ${model.name}: ${done} of ${open.length}`);
    });
    left = left.filter((mutant) => known(hunt, mutant, model)?.type !== "killed");
  }
}

async function askTogether(hunt: Hunt, model: Model, mutants: readonly SpecMutant[], jobs: number): Promise<void> {
  const chunks = Array.from({ length: Math.ceil(mutants.length / batchMax) }, (_, at) =>
    mutants.slice(at * batchMax, (at + 1) * batchMax),
  );
  await inParallel(chunks, jobs, async (chunk) => {
    const keepKilled = (mutant: SpecMutant, by: string): void =>
      keep(hunt, mutant, model, { type: "killed", by, model: model.name });
    const secondsMax = secondsMin + slowerMax * (model.seconds ?? 0) * Math.sqrt(chunk.length);
    const { unnoticed } = await runBatch(hunt.tlc, hunt.specsDir, model, chunk, secondsMax, keepKilled);
    for (const mutant of unnoticed) keep(hunt, mutant, model, { type: "unnoticed" });
  });
}

export async function huntMutant(hunt: Hunt, mutant: SpecMutant): Promise<Verdict> {
  let counted: Verdict | undefined;
  for (const model of hunt.models) {
    const verdict = known(hunt, mutant, model) ?? (await run(hunt, mutant, model));
    keep(hunt, mutant, model, verdict);
    if (verdict.type === "killed") return verdict;
    if (verdict.type === "counted") counted ??= verdict;
  }
  return counted ?? { type: "unnoticed" };
}

const fileOf = (hunt: Hunt, mutant: SpecMutant, model: Model): string =>
  join(hunt.cacheDir, `${keyOf(hunt.specsDir, mutant, model)}.json`);

function known(hunt: Hunt, mutant: SpecMutant, model: Model): Verdict | undefined {
  const file = fileOf(hunt, mutant, model);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Verdict) : undefined;
}

function keep(hunt: Hunt, mutant: SpecMutant, model: Model, verdict: Verdict): void {
  mkdirSync(hunt.cacheDir, { recursive: true });
  writeFileSync(fileOf(hunt, mutant, model), JSON.stringify(verdict));
}

async function run({ tlc, specsDir }: Hunt, mutant: SpecMutant, model: Model): Promise<Verdict> {
  const secondsMax = Math.max(secondsMin, slowerMax * (model.seconds ?? 0));
  const modules = new Map([[mutant.module, mutant.source]]);
  const result = await runTlc(tlc, specsDir, model, { modules, secondsMax, isShort: true });
  if (result.exit === exitUnparsed)
    throw new Error(`a mutant of ${mutant.action} does not parse: ${mutant.text}\n${result.output}`);
  if (result.exit === -1) return { type: "counted", by: "does not end", model: model.name };
  if (result.exit !== model.exit) {
    const by = result.violated ?? (result.exit === 0 ? `not ${model.violates}` : "an error of evaluation");
    return { type: "killed", by, model: model.name };
  }
  const found = differences(model, result);
  const untaken = found.find((difference) => difference.endsWith("never taken"));
  if (untaken !== undefined) return { type: "killed", by: untaken, model: model.name };
  // Another property than the expected one, in a model that must violate one.
  if (model.violates !== result.violated) return { type: "killed", by: result.violated ?? "", model: model.name };
  return found.length > 0 ? { type: "counted", by: found.join("; "), model: model.name } : { type: "unnoticed" };
}

function keyOf(specsDir: string, mutant: SpecMutant, model: Model): string {
  const hash = createHash("sha256");
  const add = (...texts: readonly string[]): void => {
    for (const text of texts) hash.update(text).update("\0");
  };
  const { seconds: _, note: __, ...judged } = model;
  add(JSON.stringify(judged), readFileSync(join(specsDir, model.cfg), "utf8"));
  for (const name of readdirSync(specsDir).filter((file) => file.endsWith(".tla") && !file.startsWith("Trace"))) {
    // Only what the model's module can see.
    const text = name === `${mutant.module}.tla` ? mutant.source : readFileSync(join(specsDir, name), "utf8");
    if (sees(specsDir, model.module, name)) add(name, text);
  }
  return hash.digest("hex").slice(0, 32);
}

/** A module sees itself and what it makes instances of. */
function sees(specsDir: string, module: string, file: string): boolean {
  if (file === `${module}.tla`) return true;
  const source = readFileSync(join(specsDir, `${module}.tla`), "utf8");
  return [...source.matchAll(/INSTANCE (\w+)/g)].some(([, of = ""]) => sees(specsDir, of, file));
}
