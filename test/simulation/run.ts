import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { mustHappen } from "./must-happen.ts";
import { createTally } from "./tally.ts";
import { simulate, type WorldOptions } from "./world.ts";

export type RunOptions = WorldOptions & {
  readonly firstSeed: number;
  readonly seeds: number;
  /** Called when some are done; false ends the run. */
  readonly onSeed?: (done: number) => boolean;
  /** Ends at the first failure. */
  readonly bail?: boolean;
  /** 1: in this process. */
  readonly processes?: number;
};

export type Run = {
  readonly seeds: number;
  readonly failures: readonly Failure[];
  readonly counts: ReadonlyMap<string, number>;
};

type Failure = { readonly seed: number; readonly failure: string; readonly transcript: readonly string[] };

/** What a child is asked, and what it answers. */
export type Range = {
  readonly options: WorldOptions;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly bail: boolean;
};
export type RangeRun = Omit<Run, "counts"> & { readonly counts: readonly (readonly [string, number])[] };

/** Of a run this long, all of `mustHappen` is asked. */
export const longRunSeeds = 250;

/** Of so many seeds, one is run twice: a world that differs from itself could not be replayed. */
const twiceEvery = 10;

/** So many are asked of a child at once. */
const rangeSeeds = 20;

/** In this process, one after the other. */
export async function runRange({ options, firstSeed, seeds, bail }: Range): Promise<RangeRun> {
  const tally = createTally();
  const failures: Failure[] = [];
  let done = 0;
  while (done < seeds && !(bail && failures.length > 0)) {
    const seed = firstSeed + done;
    done += 1;
    const first = await simulate({ ...options, seed });
    tally.add(first.counts);
    if (first.failure === undefined && seed % twiceEvery > 0) continue;
    const transcript: string[] = [];
    const onLine = (line: string): void => void transcript.push(line);
    const again = await simulate({ ...options, seed, ...(first.failure !== undefined && { onLine }) });
    const failure =
      first.failure ?? (first.traceHash === again.traceHash ? undefined : "it is not deterministic: the second run differs");
    if (failure !== undefined) failures.push({ seed, failure, transcript });
  }
  return { seeds: done, failures, counts: [...tally.counts] };
}

/** On all cores, in ranges of seeds. */
export async function runSeeds(all: RunOptions): Promise<Run> {
  const { firstSeed, seeds, onSeed, bail = false, processes = availableParallelism(), ...options } = all;
  const ranges: Range[] = [];
  for (let from = 0; from < seeds; from += rangeSeeds) {
    ranges.push({ options, firstSeed: firstSeed + from, seeds: Math.min(rangeSeeds, seeds - from), bail });
  }
  const tally = createTally();
  const failures: Failure[] = [];
  const queue = ranges.values();
  let done = 0;
  let isOver = onSeed?.(0) === false;

  async function work(run: (range: Range) => Promise<RangeRun>): Promise<void> {
    for (const range of queue) {
      if (isOver) return;
      const found = await run(range);
      done += found.seeds;
      failures.push(...found.failures);
      tally.add(new Map(found.counts));
      isOver ||= (bail && failures.length > 0) || onSeed?.(done) === false;
    }
  }

  const count = Math.min(processes, ranges.length);
  if (count <= 1) await work(runRange);
  else await Promise.all(Array.from({ length: count }, () => inChild(work)));
  failures.sort((a, b) => a.seed - b.seed);
  return { seeds: done, failures, counts: tally.counts };
}

/** A process of its own, as long as there is work. It ends when its parent does. */
async function inChild(work: (run: (range: Range) => Promise<RangeRun>) => Promise<void>): Promise<void> {
  const child = fork(fileURLToPath(new URL("./run-child.ts", import.meta.url)), { execArgv: [] });
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {});
  child.once("exit", (code) => ended.reject(new Error(`a process of the simulation has ended with ${code}`)));
  const run = (range: Range): Promise<RangeRun> => {
    const answered = new Promise<RangeRun>((resolve) => {
      child.once("message", (answer) => resolve(answer as RangeRun));
    });
    child.send(range);
    return Promise.race([answered, ended.promise]);
  };
  try {
    await work(run);
  } finally {
    child.kill();
  }
}

/** What never happened in a run that is long enough for it. */
export const missing = (run: Run): readonly string[] =>
  run.seeds < longRunSeeds ? [] : mustHappen.filter((what) => (run.counts.get(what) ?? 0) === 0);
