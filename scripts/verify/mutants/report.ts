// Breaks modules in all places, or in some that a seed picks, and says what notices.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { progress } from "../../progress.ts";
import type { Model } from "../manifest.ts";
import { inParallel } from "../parallel.ts";
import { prepareShortRuns, type Tlc } from "../tlc.ts";
import { comparedOf, comparedPrefix } from "./compared.ts";
import { huntMutant, huntTogether, type Verdict } from "./hunt.ts";
import { mutantsOf, type SpecMutant } from "./mutants.ts";
import { isListed, loadMutants, type ModuleMutants, modelsOf, problemsOf } from "./survivors.ts";

export type Order = {
  readonly specsDir: string;
  readonly cacheDir: string;
  readonly models: readonly Model[];
  /** Of the models that mutants.json names, only these. */
  readonly asked: readonly Model[];
  /** All, if there is none. */
  readonly module: string | undefined;
  /** Of each module. 0: all. */
  readonly count: number;
  readonly seed: number;
  readonly jobs: number;
  readonly verbose: boolean;
};

/** Fewer are asked about sooner one by one. */
const togetherMin = 20;

type Tried = { readonly mutant: SpecMutant; readonly verdict: Verdict };

export async function checkMutants(tlc: Tlc, order: Order): Promise<number> {
  const modules = [...loadMutants(order.specsDir)].filter(([name]) => order.module === undefined || name === order.module);
  if (modules.length === 0) throw new Error(`mutants.json says nothing of ${order.module}`);
  prepareShortRuns(tlc);
  let passed = 0;
  let failed = 0;
  for (const [name, known] of modules) {
    const mutants = mutantsOf(name, (module) => readFileSync(join(order.specsDir, `${module}.tla`), "utf8"));
    const picked = order.count === 0 ? mutants : pick(mutants, order.count, order.seed);
    const problems = problemsOf(known, mutants);
    for (const problem of problems) console.log(`FAILED    ${name} ${problem}`);
    const hunt = { ...order, tlc, models: modelsFor(order, name, known) };
    if (picked.length >= togetherMin) await huntTogether(hunt, name, picked, order.jobs);
    let done = 0;
    const tried = await inParallel(picked, order.jobs, async (mutant): Promise<Tried> => {
      const verdict = await huntMutant(hunt, mutant);
      done += 1;
      progress(`${name}: ${done} of ${picked.length}`);
      const remark = remarkOf(known, mutant, verdict);
      if (order.verbose || remark.isWrong) {
        progress("");
        console.log(
          `${remark.text.padEnd(8)}  ${name}:${mutant.line} ${mutant.action} ${mutant.kind}: ${mutant.text}${byOf(verdict)}`,
        );
      }
      return { mutant, verdict };
    });
    progress("");
    const wrong = tried.filter(({ mutant, verdict }) => remarkOf(known, mutant, verdict).isWrong).length;
    passed += picked.length - wrong;
    failed += wrong + problems.length;
    console.log(summaryOf(name, known, tried, mutants.length));
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** First what the code is compared with: its instances are small, and notice most. Who names models wants those. */
function modelsFor(order: Order, name: string, known: ModuleMutants): readonly Model[] {
  const compared = order.asked.length === order.models.length ? comparedOf(name) : [];
  return [...compared, ...modelsOf(order.models, known).filter((model) => order.asked.includes(model))];
}

export function remarkOf(
  known: ModuleMutants,
  mutant: SpecMutant,
  verdict: Verdict,
): { readonly text: "killed" | "LISTED" | "listed" | "SURVIVED"; readonly isWrong: boolean } {
  const isKilled = verdict.type === "killed";
  const listed = known.survivors.some((survivor) => isListed(survivor, mutant));
  if (isKilled) return listed ? { text: "LISTED", isWrong: true } : { text: "killed", isWrong: false };
  return listed ? { text: "listed", isWrong: false } : { text: "SURVIVED", isWrong: true };
}

function byOf(verdict: Verdict): string {
  if (verdict.type === "unnoticed") return "";
  return verdict.type === "killed"
    ? `  by ${verdict.by} in ${verdict.model}`
    : `  only by count: ${verdict.by} in ${verdict.model}`;
}

function summaryOf(name: string, known: ModuleMutants, tried: readonly Tried[], all: number): string {
  const count = (type: Verdict["type"]): number => tried.filter(({ verdict }) => verdict.type === type).length;
  const equivalent = tried.filter(({ mutant }) =>
    known.survivors.some((survivor) => survivor.equivalent !== undefined && isListed(survivor, mutant)),
  ).length;
  const killed = count("killed");
  const compared = tried.filter(({ verdict }) => verdict.type === "killed" && verdict.model.startsWith(comparedPrefix)).length;
  const share = ((100 * killed) / Math.max(1, tried.length - equivalent)).toFixed(1);
  return (
    `${name}: ${tried.length} of ${all} mutants: ${killed} killed (${compared} of them by the comparison with the code), ${count("counted")} only change the number of states, ` +
    `${count("unnoticed")} change nothing; ${equivalent} are listed as equivalent, ${share} % of the others are killed`
  );
}

/** The same seed picks the same ones (mulberry32). */
export function pick(mutants: readonly SpecMutant[], count: number, seed: number): readonly SpecMutant[] {
  let state = seed >>> 0;
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return mutants
    .map((mutant) => ({ mutant, key: random() }))
    .toSorted((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ mutant }) => mutant)
    .toSorted((a, b) => a.line - b.line);
}
