import { isCore, readSources, shuffled } from "./enumerate.ts";
import { floors, percent, ratesOf, rateText, survivorText } from "./report.ts";
import { runMutants } from "./run.ts";
import { readSurvivors } from "./survivors.ts";

/** What a mutant of a sample may cost, and one test. */
export const sampleBudget = { budgetMs: 4_000, slowestMsMax: 1_500 } as const;

export type SampleCheck = { readonly name: string; readonly problems: readonly string[]; readonly remark: string };

/** A hundred always the same, but for where the code has changed: enough to see a rate fall, few enough for each day. */
const sample = { count: 100, seed: 1, minutesMax: 6 } as const;

/** The rates of a sample, of the cores and of the rest. What survived is only told where the rate is too low. */
export async function trySample(root: string, say: (text: string) => void): Promise<readonly SampleCheck[]> {
  const sources = readSources(root, []);
  const all = sources.flatMap(({ mutants }) => mutants.all);
  const isListed = readSurvivors(root);
  const tried = await runMutants({
    root,
    sources,
    mutants: shuffled(all, sample.seed).slice(0, sample.count),
    tests: [],
    isSample: true,
    ...sampleBudget,
    endsAfterMs: sample.minutesMax * 60_000,
    say,
  });
  const rates = ratesOf(tried, isListed);
  const survivors = tried.filter(({ mutant, verdict }) => verdict.outcome !== "killed" && !isListed(mutant));
  // A machine with other work tries fewer; with none, nothing would be known.
  const untried = tried.length >= sample.count / 4 ? [] : [`only ${tried.length} of ${sample.count} were tried`];
  return (["cores", "shell"] as const).map((part) => {
    const isLow = percent(rates[part]) < floors[part];
    return {
      name: `mutants of ${rates[part].name}`,
      problems: [
        ...untried,
        ...(isLow
          ? [
              survivors
                .filter(({ mutant }) => isCore(mutant.file) === (part === "cores"))
                .map(survivorText)
                .join("\n"),
            ]
          : []),
      ],
      remark: `${rateText(rates[part])}; at least ${floors[part]} % must be`,
    };
  });
}
