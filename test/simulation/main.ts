import { SingleBar } from "cli-progress";
import { Command, InvalidArgumentError, Option } from "commander";
import { integerArgument, seedArgument } from "../../src/cli/arguments.ts";
import { tableLines } from "../../src/cli/output.ts";
import { runProgram } from "../../src/cli/run-program.ts";
import { missing, runSeeds } from "./run.ts";
import { commandOf, shrink } from "./shrink.ts";
import { type Focus, focuses } from "./workflow/load.ts";
import { simulate, switches, type WorldOptions } from "./world.ts";

type Options = {
  readonly seeds?: number;
  readonly seed?: number;
  readonly participants: { readonly min: number; readonly max: number };
  readonly verbose?: true;
  readonly without?: readonly string[];
  readonly load?: number;
  readonly for?: number;
  readonly onlyCommit?: true;
  readonly focus?: Focus;
  readonly shrink?: true;
};

const seedsDefault = 200;

/** Some minutes. */
const shrinkWorldsMax = 1_500;
const participantCountMax = 10;

/** A failure is shown with the end of its transcript; the whole is one command away. */
const transcriptLineCount = 40;

/** Failures after these are like them. */
const shownFailureCount = 5;

const program = new Command("concord simulate")
  .description("run Concord in a made world where everything fails, and check that it keeps its promises")
  .option(
    "--seeds <n>",
    `how many worlds (default: ${seedsDefault}, or 1 with --seed)`,
    integerArgument(1, Number.MAX_SAFE_INTEGER),
  )
  .option("--seed <n>", "the first; each seed is one world, always the same", seedArgument)
  .option("--participants <a..b>", `how many participants, from 1 to ${participantCountMax}`, range, { min: 2, max: 5 })
  .option("--without <names>", "switch these faults, blows and actors off, separated by commas", names)
  .option("--load <part>", "so much of the transactions, above 0 and up to 1", part)
  .option("--for <ms>", "let things go wrong no longer than this", integerArgument(0, 86_400_000))
  .option("--only-commit", "without the workflow manager and the predicate engine")
  .addOption(new Option("--focus <what>", "more of this").choices(focuses))
  .option("--verbose", "print what happens, line by line")
  .option("--shrink", "of the world of --seed, which fails: look for the simplest that still fails in the same way")
  .action(run);

function range(text: string): { min: number; max: number } {
  const [, min = "", max = min] = /^(\d+)(?:\.\.(\d+))?$/.exec(text) ?? [];
  const found = { min: Number(min), max: Number(max) };
  if (min === "" || found.min < 1 || found.max < found.min || found.max > participantCountMax) {
    throw new InvalidArgumentError(`It must be a number or a range a..b within 1..${participantCountMax}.`);
  }
  return found;
}

function names(text: string): readonly string[] {
  return text.split(",").map((name) => name.trim());
}

function part(text: string): number {
  const number = Number(text);
  if (!(number > 0 && number <= 1)) throw new InvalidArgumentError("It must be a number above 0 and up to 1.");
  return number;
}

function worldOf({ participants, without, load, for: chaosMs, onlyCommit, focus }: Options): WorldOptions {
  return {
    participantsMin: participants.min,
    participantsMax: participants.max,
    ...(without !== undefined && { without }),
    ...(load !== undefined && { load }),
    ...(chaosMs !== undefined && { chaosMs }),
    ...(onlyCommit !== undefined && { onlyCommit }),
    ...(focus !== undefined && { focus }),
  };
}

async function shrinkOne(seed: number, world: WorldOptions): Promise<void> {
  const onTry = (worlds: number): void => void (process.stderr.isTTY && process.stderr.write(`\r${worlds} worlds`));
  const shrunk = await shrink({ ...world, seed }, { worldsMax: shrinkWorldsMax, onTry });
  if (process.stderr.isTTY) process.stderr.write("\r");
  if (!shrunk) {
    console.log(`seed ${seed} does not fail`);
    return;
  }
  console.log(`${shrunk.failure}\n  after ${shrunk.lines} lines; the simplest of ${shrunk.worldsTried} worlds`);
  console.log(`  all of it: ${commandOf(shrunk.options)}`);
  process.exitCode = 1;
}

async function run(options: Options): Promise<void> {
  const firstSeed = options.seed ?? 1;
  const seeds = options.seeds ?? (options.seed === undefined ? seedsDefault : 1);
  const world = worldOf(options);
  const known = switches({ ...world, seed: firstSeed });
  const unknown = options.without?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0)
    program.error(`--without: no ${unknown.map((name) => `"${name}"`).join(", ")} among ${known.join(", ")}`);
  if (options.shrink) return shrinkOne(firstSeed, world);
  if (options.verbose) {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      console.log(`seed ${seed}`);
      await simulate({ ...world, seed, onLine: console.log });
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
    ...world,
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
    console.log(`  all of it: ${commandOf({ ...world, seed })}`);
    console.log(`  the simplest like it: bin/concord simulate --seed ${seed} --shrink`);
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
