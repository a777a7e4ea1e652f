// Runs models on one mutant until one of them notices.
//
// A violated property, a deadlock, a step that TLC cannot make sense of, an action that is never taken: any of them kills. A count of
// states that differs only says that the mutant is another spec, and that no property speaks of the difference.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { progress } from "../../progress.ts";
import { differences } from "../judge.ts";
import type { Model } from "../manifest.ts";
import { inParallel } from "../parallel.ts";
import { runTlc, type Tlc } from "../tlc.ts";
import { askedBy, type GraphSize, mayJoin, runBatch, sizeOf } from "./batch.ts";
import { isCompared } from "./compared.ts";
import { keyOf } from "./keys.ts";
import type { SpecMutant } from "./mutants.ts";

export type Verdict =
  | { readonly type: "killed"; readonly by: string; readonly model: string }
  | { readonly type: "counted"; readonly by: string; readonly model: string }
  | { readonly type: "unnoticed" };

/** TLC's exit code for what does not parse. Such a mutant says nothing about the properties. */
const exitUnparsed = 150;

/** A mutant may have many more states than the module. */
const slowerMax = 8;
const secondsMin = 120;
const secondsGuessed = 10;

export type Hunt = {
  readonly tlc: Tlc;
  readonly specsDir: string;
  /** Verdicts are kept here, by what they depend on. */
  readonly cacheDir: string;
  readonly models: readonly Model[];
};

/** So many at once: each run takes some of the time, and each mutant some of the memory. */
const batchMax = 60;
/** Of liveness TLC tells one violation a run. */
const livenessBatchMax = 12;

/** In the order of the models. Safety models are asked about many mutants at once, the others about those that are left, one by one. */
export async function huntTogether(hunt: Hunt, module: string, mutants: readonly SpecMutant[], jobs: number): Promise<void> {
  const joins = mayJoin(readFileSync(join(hunt.specsDir, `${module}.tla`), "utf8"));
  let left = mutants.filter((mutant) => knownKiller(hunt, mutant) === undefined);
  for (const model of hunt.models) {
    const open = left.filter((mutant) => known(hunt, mutant, model) === undefined);
    const together = isCompared(model) || askedBy(model) !== undefined ? open.filter(joins) : [];
    await askTogether(hunt, model, together, jobs);
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
  const asked = isCompared(model) ? await knownSize(hunt, model) : askedBy(model);
  if (asked === undefined || mutants.length === 0) return;
  const max = asked === "liveness" ? livenessBatchMax : batchMax;
  const chunks = Array.from({ length: Math.ceil(mutants.length / max) }, (_, at) => mutants.slice(at * max, (at + 1) * max));
  await inParallel(chunks, jobs, async (chunk) => {
    const keepKilled = (mutant: SpecMutant, by: string): void =>
      keep(hunt, mutant, model, { type: "killed", by, model: model.name });
    const secondsMax = secondsMin + slowerMax * (model.seconds ?? secondsGuessed) * Math.sqrt(chunk.length);
    const { unnoticed } = await runBatch(hunt.tlc, hunt.specsDir, model, asked, chunk, secondsMax, keepKilled);
    for (const mutant of unnoticed) keep(hunt, mutant, model, { type: "unnoticed" });
  });
}

export async function huntMutant(hunt: Hunt, mutant: SpecMutant): Promise<Verdict> {
  const killed = knownKiller(hunt, mutant);
  if (killed !== undefined) return killed;
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
  join(hunt.cacheDir, `${keyOf(hunt.specsDir, model, mutant)}.json`);

/** Whichever model it was. */
function knownKiller(hunt: Hunt, mutant: SpecMutant): Verdict | undefined {
  return hunt.models.map((model) => known(hunt, mutant, model)).find((verdict) => verdict?.type === "killed");
}

export function known(hunt: Hunt, mutant: SpecMutant, model: Model): Verdict | undefined {
  const file = fileOf(hunt, mutant, model);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Verdict) : undefined;
}

function keep(hunt: Hunt, mutant: SpecMutant, model: Model, verdict: Verdict): void {
  mkdirSync(hunt.cacheDir, { recursive: true });
  writeFileSync(fileOf(hunt, mutant, model), JSON.stringify(verdict));
}

async function run(hunt: Hunt, mutant: SpecMutant, model: Model): Promise<Verdict> {
  const { tlc, specsDir } = hunt;
  if (isCompared(model)) return runCompared(hunt, mutant, model);
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

/** One that cannot be joined: its states are counted. */
async function runCompared(hunt: Hunt, mutant: SpecMutant, model: Model): Promise<Verdict> {
  const { states } = await knownSize(hunt, model);
  const dir = mkdtempSync(join(tmpdir(), "concord-mutant-"));
  try {
    for (const file of readdirSync(hunt.specsDir).filter((name) => name.endsWith(".tla"))) {
      const source = readFileSync(join(hunt.specsDir, file), "utf8");
      writeFileSync(join(dir, file), file === `${mutant.module}.tla` ? mutant.source : source);
    }
    writeFileSync(join(dir, "code.cfg"), model.cfg);
    const { exit, distinct } = await runTlc(
      hunt.tlc,
      dir,
      { ...model, cfg: "code.cfg" },
      { secondsMax: secondsMin, isShort: true },
    );
    const isSame = exit === 0 && distinct === states;
    return isSame ? { type: "unnoticed" } : { type: "killed", by: "what the code never does", model: model.name };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function knownSize(hunt: Hunt, model: Model): Promise<GraphSize> {
  const file = join(hunt.cacheDir, `${keyOf(hunt.specsDir, model)}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as GraphSize;
  const size = await sizeOf(hunt.tlc, hunt.specsDir, model);
  mkdirSync(hunt.cacheDir, { recursive: true });
  writeFileSync(file, JSON.stringify(size));
  return size;
}
