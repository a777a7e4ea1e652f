import { SingleBar } from "cli-progress";
import { Command, InvalidArgumentError } from "commander";
import { integerArgument, seedArgument } from "../../src/cli/client.ts";
import { tableLines } from "../../src/cli/output.ts";
import { runProgram } from "../../src/cli/run-program.ts";
import { missing, runSeeds } from "./run.ts";
import { simulate } from "./world.ts";

type Options = {
  readonly seeds?: number;
  readonly seed?: number;
  readonly participants: { readonly min: number; readonly max: number };
  readonly verbose?: true;
};

const seedsDefault = 200;
const participantCountMax = 10;

/** A failure is shown with the end of its transcript; the whole is one command away. */
const transcriptLineCount = 40;

/** Failures after these are like them. */
const shownFailureCount = 5;

const program = new Command("concord simulate")
  .description("run two-phase commit in a made world where everything fails, and check that it keeps its promises")
  .option(
    "--seeds <n>",
    `how many worlds (default: ${seedsDefault}, or 1 with --seed)`,
    integerArgument(1, Number.MAX_SAFE_INTEGER),
  )
  .option("--seed <n>", "the first; each seed is one world, always the same", seedArgument)
  .option("--participants <a..b>", `how many participants, from 1 to ${participantCountMax}`, range, { min: 2, max: 5 })
  .option("--verbose", "print what happens, line by line")
  .action(run);

function range(text: string): { min: number; max: number } {
  const [, min = "", max = min] = /^(\d+)(?:\.\.(\d+))?$/.exec(text) ?? [];
  const found = { min: Number(min), max: Number(max) };
  if (min === "" || found.min < 1 || found.max < found.min || found.max > participantCountMax) {
    throw new InvalidArgumentError(`It must be a number or a range a..b within 1..${participantCountMax}.`);
  }
  return found;
}

async function run(options: Options): Promise<void> {
  const firstSeed = options.seed ?? 1;
  const seeds = options.seeds ?? (options.seed === undefined ? seedsDefault : 1);
  const { min: participantsMin, max: participantsMax } = options.participants;
  if (options.verbose) {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      console.log(`seed ${seed}`);
      await simulate({ seed, participantsMin, participantsMax, onLine: console.log });
    }
  }

  const bar = process.stdout.isTTY
    ? new SingleBar({ format: "  [{bar}] {percentage} %  {value} of {total} seeds", clearOnComplete: true, hideCursor: true })
    : undefined;
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
  };
  process.once("SIGINT", interrupt);
  bar?.start(seeds, 0);
  const found = await runSeeds({
    firstSeed,
    seeds,
    participantsMin,
    participantsMax,
    onSeed(done) {
      bar?.update(done);
      return !interrupted;
    },
  });
  bar?.stop();
  process.off("SIGINT", interrupt);

  for (const { seed, failure, transcript } of found.failures.slice(0, shownFailureCount)) {
    const left = Math.max(0, transcript.length - transcriptLineCount);
    console.log(`\nseed ${seed}: ${failure}`);
    if (left > 0) console.log(`  … ${left} lines before`);
    for (const line of transcript.slice(left)) console.log(`  ${line}`);
    console.log(
      `  all of it: bin/concord simulate --seed ${seed} --participants ${participantsMin}..${participantsMax} --verbose`,
    );
  }
  const counts = [...found.counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, times]) => [what, String(times)]);
  console.log(tableLines(["what happened", "times"], counts).join("\n"));
  const never = missing(found);
  for (const what of never) console.log(`NEVER HAPPENED: ${what}`);
  const failed = found.failures.length + (never.length > 0 ? 1 : 0);
  console.log(`${found.seeds - found.failures.length} passed, ${failed} failed`);
  if (failed > 0 || interrupted) process.exitCode = 1;
}

await runProgram(program);
