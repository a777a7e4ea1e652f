import { mustHappen } from "./must-happen.ts";
import { createTally } from "./tally.ts";
import { simulate } from "./world.ts";

export type RunOptions = {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly participantsMin: number;
  readonly participantsMax: number;
  /** Called before each seed; false ends the run. */
  readonly onSeed?: (done: number) => boolean;
};

export type Run = {
  readonly seeds: number;
  readonly failures: readonly { readonly seed: number; readonly failure: string; readonly transcript: readonly string[] }[];
  readonly counts: ReadonlyMap<string, number>;
};

/** Of a run this long, all of `mustHappen` is asked. */
export const longRunSeeds = 100;

/** Each seed twice: a run that differs from itself could not be replayed. */
export async function runSeeds(options: RunOptions): Promise<Run> {
  const { firstSeed, seeds, participantsMin, participantsMax, onSeed } = options;
  const tally = createTally();
  const failures: Run["failures"][number][] = [];
  let done = 0;
  for (; done < seeds; done += 1) {
    if (onSeed?.(done) === false) break;
    const seed = firstSeed + done;
    const first = await simulate({ seed, participantsMin, participantsMax });
    const transcript: string[] = [];
    const again = await simulate({
      seed,
      participantsMin,
      participantsMax,
      ...(first.failure !== undefined && { onLine: (line: string) => void transcript.push(line) }),
    });
    tally.add(first.counts);
    const failure =
      first.failure ?? (first.traceHash === again.traceHash ? undefined : "it is not deterministic: the second run differs");
    if (failure !== undefined) failures.push({ seed, failure, transcript });
  }
  return { seeds: done, failures, counts: tally.counts };
}

/** What never happened in a run that is long enough for it. */
export const missing = (run: Run): readonly string[] =>
  run.seeds < longRunSeeds ? [] : mustHappen.filter((what) => (run.counts.get(what) ?? 0) === 0);
