// Changes the code in one place at a time, and says which changes no test notices.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readSources } from "./mutants/enumerate.ts";
import { keep, lastTried } from "./mutants/kept.ts";
import { kinds, nameOf } from "./mutants/mutant.ts";
import { orderText, shuffled } from "./mutants/order.ts";
import { floors, percent, ratesOf, rateText, survivorText, type Tried, wasKilled } from "./mutants/report.ts";
import { lanesCount, runMutants } from "./mutants/run.ts";
import { sampleBudget } from "./mutants/sample.ts";
import { readSurvivors } from "./mutants/survivors.ts";
import { progress } from "./progress.ts";

const help = `Tries mutants of src/{commit,workflow,storage,predicate,events}: one change of the code at a time, with the tests that reach it.
${orderText}.

  node scripts/mutants.ts [options]

  --sample N     so many, by chance (default: as many as --minutes allow)
  --seed N       another choice (default 1)
  --file PREFIX  only of these files, src/commit/run.ts or src/workflow/; may be given again
  --tests PREFIX only with these test files; may be given again
  --kind KIND    only of this kind: ${kinds.join(", ")}
  --budget S     seconds of tests that one mutant may cost (default 20, in a sample 4)
  --minutes N    begins no mutant after so long (default 50, so that all ends within an hour)
  --again        those of the last run that were not killed, and what comes of the whole: with --budget, what its tests had no time for
  --all          tries every mutant, however long it takes
  --lanes N      so many processes run tests at a time (default ${lanesCount})
  --list         only says which there are
  --help

What survived, and what killed the others, is in .cache/mutants.json. Exit code 0: at least ${floors.cores} % of the mutants of cores and ${floors.shell} % of the
others are killed. 1: fewer. 2: wrong usage.`;

/** What is known so far is written after so many mutants. */
const keepEvery = 50;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      file: { type: "string", multiple: true, default: [] },
      tests: { type: "string", multiple: true, default: [] },
      kind: { type: "string" },
      budget: { type: "string" },
      minutes: { type: "string" },
      again: { type: "boolean", default: false },
      all: { type: "boolean", default: false },
      lanes: { type: "string", default: String(lanesCount) },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { seed, budget = "20", minutes = values.all ? "Infinity" : "50", lanes, sample = "Infinity" } = values;
  if (values.help || [seed, budget, minutes, lanes, sample].some((value) => Number.isNaN(Number(value)))) {
    console[values.help ? "log" : "error"](help);
    return values.help ? 0 : 2;
  }
  const root = join(import.meta.dirname, "..");
  const sources = readSources(root, values.file);
  const all = sources
    .flatMap(({ mutants }) => mutants.all)
    .filter(({ kind }) => values.kind === undefined || kind === values.kind);
  const before = values.again ? lastTried(root, all) : [];
  const mutants = values.again
    ? before.filter((one) => !wasKilled(one)).map(({ mutant }) => mutant)
    : shuffled(all, Number(seed)).slice(0, Number(sample));
  const killedBefore = before.filter(wasKilled);
  if (values.list) {
    for (const mutant of mutants) console.log(`${mutant.line} ${nameOf(mutant)}`);
    return 0;
  }
  const isListed = readSurvivors(root);
  const { tried: triedNow } = await runMutants({
    root,
    sources,
    mutants,
    tests: values.tests,
    isSample: values.sample !== undefined,
    ...(values.budget === undefined && values.sample !== undefined
      ? sampleBudget
      : { budgetMs: Number(budget) * 1_000, slowestMsMax: Number(budget) * 1_000 }),
    endsAfterMs: Number(minutes) * 60_000,
    lanes: Number(lanes),
    say: progress,
    onTried(one, tried) {
      // A run that is ended early has said something, too.
      if (tried.length % keepEvery === 0) keep(root, [...killedBefore, ...tried]);
      if (wasKilled(one) || isListed(one.mutant)) return;
      progress("");
      console.log(survivorText(one));
    },
  });
  progress("");
  const tried: readonly Tried[] = [...killedBefore, ...triedNow];
  keep(root, tried);
  const rates = ratesOf(tried, isListed);
  for (const rate of [...rates.folders, rates.cores, rates.shell]) console.log(rateText(rate));
  console.log(`${tried.length} of ${all.length} mutants were tried (seed ${seed})`);
  return percent(rates.cores) >= floors.cores && percent(rates.shell) >= floors.shell ? 0 : 1;
}

process.exit(
  await main().catch((error: unknown) => {
    console.error(error);
    return 2;
  }),
);
