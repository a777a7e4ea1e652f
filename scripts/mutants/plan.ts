import type { RanTest } from "./lane.ts";

export type Covering = {
  readonly testFile: string;
  readonly id: string;
  readonly ms: number;
  /** What it costs. */
  readonly cpuMs: number;
};

/** Some tests of one file, which reach a mutant. */
export type Step = {
  readonly testFile: string;
  readonly ids: readonly string[];
  readonly ms: number;
  readonly cpuMs: number;
  readonly slowestMs: number;
  /** The mutant is reached when modules are loaded. */
  readonly afresh: boolean;
};

/** Tests are run in rounds, the quickest of all files first. */
const roundsMs = [30, 150, 600, 2_500, Infinity] as const;

/** How many tests that have killed mutants of the same file are tried before all others. */
const killersMax = 8;

/** Which tests reach which mutant. */
export class Reach {
  readonly #within = new Map<number, Covering[]>();
  readonly #before = new Map<number, Covering[]>();

  add(testFile: string, tests: readonly RanTest[]): void {
    const covering = tests.map(({ id, ms, reached }) => ({ testFile, id, ms, cpuMs: reached?.cpuMs ?? ms }));
    for (const [index, { reached }] of tests.entries()) {
      const here = covering.slice(index, index + 1);
      for (const id of reached?.within ?? []) push(this.#within, id, here);
      for (const id of reached?.before ?? []) push(this.#before, id, covering);
    }
  }

  /** `probe` is asked for by every function of the mutant's file: what modules do when they are loaded shows wherever they are used. */
  stepsOf(id: number, probe: number, file: string, kills: (test: Covering) => number): readonly Step[] {
    const loaded = this.#before.get(id);
    const within = this.#within.get(id) ?? [];
    if (loaded === undefined) return steps(within, false, file, kills);
    return steps([...loaded, ...within, ...(this.#within.get(probe) ?? [])], true, file, kills);
  }
}

function push(map: Map<number, Covering[]>, id: number, tests: readonly Covering[]): void {
  const known = map.get(id);
  if (known) known.push(...tests);
  else map.set(id, [...tests]);
}

function steps(tests: readonly Covering[], afresh: boolean, file: string, kills: (test: Covering) => number): readonly Step[] {
  const unique = [...new Map(tests.map((test) => [test.id, test])).values()];
  const killers = unique
    .filter((test) => kills(test) > 0 && test.cpuMs < 1_000)
    .toSorted((a, b) => kills(b) - kills(a))
    .slice(0, killersMax);
  const own = unique.filter((test) => test.testFile.endsWith(`/${ownName(file)}`) && test.cpuMs < 1_000);
  const others = unique.filter((test) => !killers.includes(test) && !own.includes(test));
  const rounds = roundsMs.map((max, index) => others.filter(({ cpuMs }) => cpuMs <= max && cpuMs > (roundsMs[index - 1] ?? -1)));
  return [killers, own.filter((test) => !killers.includes(test)), ...rounds].flatMap((round) =>
    [...Map.groupBy(round, ({ testFile }) => testFile)]
      .map(([testFile, group]) => stepOf(testFile, group, afresh))
      .toSorted((a, b) => a.cpuMs - b.cpuMs),
  );
}

/** Of `src/commit/run.ts`, the tests of `run.test.ts` are run early. */
const ownName = (file: string): string => file.replace(/^.*\//, "").replace(/\.ts$/, ".test.ts");

const stepOf = (testFile: string, tests: readonly Covering[], afresh: boolean): Step => ({
  testFile,
  ids: tests.map(({ id }) => id),
  ms: tests.reduce((sum, { ms }) => sum + ms, 0),
  cpuMs: tests.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
  slowestMs: Math.max(...tests.map(({ ms }) => ms)),
  afresh,
});
