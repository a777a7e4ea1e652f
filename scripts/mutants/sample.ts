import { folderOf, isCore, readSources } from "./enumerate.ts";
import { shuffled } from "./order.ts";
import { percent, ratesOf, rateText, survivorText } from "./report.ts";
import { runMutants } from "./run.ts";
import { readSurvivors } from "./survivors.ts";

/** What a mutant of a sample may cost, and one test. */
export const sampleBudget = { budgetMs: 4_000, slowestMsMax: 1_500 } as const;

/**
 * Lower than those of a whole run, for chance: a third of a hundred are of cores. Where 90 in a hundred are killed, of 33 fewer than 27 are in 4
 * samples of a hundred; where 88 are, of 67 fewer than 53 are in 1. What the code and the seed leave as they are is drawn again.
 */
const sampleFloors = { cores: 80, shell: 78 } as const;

export type SampleCheck = { readonly name: string; readonly problems: readonly string[]; readonly remark: string };

/** A hundred always the same, but for where the code has changed, as many of each folder as the root of its number: enough to see a rate fall, few enough for each day. */
const sample = { count: 100, seed: 1, minutesMax: 6 } as const;

/** The rates of a sample, of the cores and of the rest. What survived is only told where the rate is too low. */
export async function trySample(root: string, say: (text: string) => void): Promise<readonly SampleCheck[]> {
  const sources = readSources(root, []);
  const all = sources.flatMap(({ mutants }) => mutants.all);
  const isListed = readSurvivors(root);
  const { tried, leftOut } = await runMutants({
    root,
    sources,
    mutants: shuffled(all, sample.seed, ({ file }) => folderOf(file)).slice(0, sample.count),
    tests: [],
    isSample: true,
    ...sampleBudget,
    endsAfterMs: sample.minutesMax * 60_000,
    say,
  });
  const rates = ratesOf(tried, isListed);
  const survivors = tried.filter(({ mutant, verdict }) => verdict.outcome !== "killed" && !isListed(mutant));
  // On a machine with other work nothing is known: what was not run could have killed them.
  const isJudged = leftOut === 0 && tried.length === sample.count;
  return (["cores", "shell"] as const).map((part) => {
    const isLow = isJudged && percent(rates[part]) < sampleFloors[part];
    const mine = survivors.filter(({ mutant }) => isCore(mutant.file) === (part === "cores"));
    return {
      name: `mutants of ${rates[part].name}`,
      problems: isLow ? [mine.map(survivorText).join("\n")] : [],
      remark: `${rateText(rates[part])}; ${isJudged ? `at least ${sampleFloors[part]} % must be` : "not judged, for lack of time"}`,
    };
  });
}
