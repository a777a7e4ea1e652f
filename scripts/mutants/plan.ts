import type { RanTest } from "./lane.ts";

export type Covering = {
  readonly testFile: string;
  readonly id: string;
  readonly name: string;
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

/** The same where modules are loaded for each file. */
const roundsAfreshMs = [600, Infinity] as const;

/** What it takes to load the modules of a test file. */
export const loadMs = 500;

/** No more of one file are run at once: the next ones may fit into what is left of the budget where all of them would not. */
const stepMsMax = 1_000;

/** How many tests that have killed mutants of the same file are tried before all others. */
const killersMax = 8;

/** Which tests reach which mutant. */
export class Reach {
  readonly #within = new Map<number, Covering[]>();
  readonly #before = new Map<number, Covering[]>();
  readonly #ofFile = new Map<string, readonly Covering[]>();
  readonly #importersOf: (file: string) => ReadonlySet<string>;

  constructor(importersOf: (file: string) => ReadonlySet<string>) {
    this.#importersOf = importersOf;
  }

  add(testFile: string, tests: readonly RanTest[]): void {
    const covering = tests.map(({ id, name, ms, reached }) => ({ testFile, id, name, ms, cpuMs: reached?.cpuMs ?? ms }));
    this.#ofFile.set(testFile, covering);
    for (const [index, { reached }] of tests.entries()) {
      const here = covering.slice(index, index + 1);
      for (const id of reached?.within ?? []) push(this.#within, id, here);
      for (const id of reached?.before ?? []) push(this.#before, id, covering);
    }
  }

  /**
   * `probe` is asked for by every function of the mutant's file: what modules do when they are loaded shows wherever they are used, but for what
   * is only data; then all that import them may look. They are loaded once, by whichever test file comes first.
   */
  stepsOf(id: number, probe: number, file: string, kills: (test: Covering) => number): readonly Step[] {
    const loaded = this.#before.get(id);
    const within = this.#within.get(id) ?? [];
    // What does it again while it runs tells more, and is asked in less time, than what finds modules loaded otherwise.
    const again = steps(within, false, file, kills);
    if (loaded === undefined) return again;
    const using = this.#within.get(probe) ?? [];
    const importing = [...loaded, ...[...this.#importersOf(file)].flatMap((testFile) => this.#ofFile.get(testFile) ?? [])];
    const known = new Set(within.map((test) => test.id));
    const afresh = [using, importing].flatMap((tests) => {
      const others = tests.filter((test) => !known.has(test.id));
      for (const test of others) known.add(test.id);
      return steps(others, true, file, kills);
    });
    return [...again, ...afresh];
  }
}

function push(map: Map<number, Covering[]>, id: number, tests: readonly Covering[]): void {
  const known = map.get(id);
  if (known) known.push(...tests);
  else map.set(id, [...tests]);
}

function steps(tests: readonly Covering[], afresh: boolean, file: string, kills: (test: Covering) => number): readonly Step[] {
  const unique = [...new Map(tests.map((test) => [test.id, test])).values()];
  const affinity = affinityTo(file);
  // To load modules takes longer than most tests: those files first that ask most in that time.
  const costOf = ({ ids, cpuMs }: Step): number => (afresh ? -ids.length / (cpuMs + loadMs) : cpuMs);
  return (afresh ? inRounds(roundsAfreshMs, unique) : roundsOf(unique, file, kills)).flatMap((round) =>
    [...Map.groupBy(round, ({ testFile }) => testFile)]
      .flatMap(([testFile, group]) => pieces(group).map((piece) => stepOf(testFile, piece, afresh)))
      .toSorted((a, b) => affinity(b.testFile) - affinity(a.testFile) || costOf(a) - costOf(b)),
  );
}

/** For what a slow one costs many quick ones can be asked, also of those that have another name. */
const inRounds = (bounds: readonly number[], tests: readonly Covering[]): readonly (readonly Covering[])[] =>
  bounds.map((max, index) => tests.filter(({ cpuMs }) => cpuMs <= max && cpuMs > (bounds[index - 1] ?? -1)));

/** Those that have killed its like, and of the others, round by round, those about its file first. */
function roundsOf(tests: readonly Covering[], file: string, kills: (test: Covering) => number): readonly (readonly Covering[])[] {
  const killers = tests
    .filter((test) => kills(test) > 0 && test.cpuMs < 1_000)
    .toSorted((a, b) => kills(b) - kills(a))
    .slice(0, killersMax);
  const others = tests.filter((test) => !killers.includes(test));
  return [
    killers,
    ...inRounds(roundsMs, others).flatMap((round) => [
      round.filter((test) => isOwn(test, file)),
      round.filter((test) => !isOwn(test, file)),
    ]),
  ];
}

/** Of `src/commit/run.ts`, the tests of `run.test.ts` are run before others as quick, and of `functions/lists.ts` those that have lists in their name. */
function isOwn({ testFile, name }: Covering, file: string): boolean {
  const own = file.replace(/^.*\//, "").replace(/\.ts$/, "");
  return testFile.endsWith(`/${own}.test.ts`) || own.split("-").every((word) => name.toLowerCase().includes(word));
}

/** How many words the path of a test file shares with that of a source file: what is about the same is likely to notice. */
function affinityTo(file: string): (testFile: string) => number {
  const wordsOf = (path: string): readonly string[] =>
    path
      .replace(/\.(test\.)?ts$/, "")
      .split(/[/-]/)
      .slice(1)
      .filter((word) => word !== "core");
  const words = new Set(wordsOf(file));
  return (testFile) => wordsOf(testFile).filter((word) => words.has(word)).length;
}

function pieces(tests: readonly Covering[]): readonly (readonly Covering[])[] {
  const all: Covering[][] = [];
  let leftMs = 0;
  for (const test of tests.toSorted((a, b) => a.cpuMs - b.cpuMs)) {
    if (leftMs < test.cpuMs) {
      all.push([]);
      leftMs = stepMsMax;
    }
    leftMs -= test.cpuMs;
    all.at(-1)?.push(test);
  }
  return all;
}

const stepOf = (testFile: string, tests: readonly Covering[], afresh: boolean): Step => ({
  testFile,
  ids: tests.map(({ id }) => id),
  ms: tests.reduce((sum, { ms }) => sum + ms, 0),
  cpuMs: tests.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
  slowestMs: Math.max(...tests.map(({ ms }) => ms)),
  afresh,
});
