import type { RanTest } from "./lane.ts";

/** Some tests of one file, which reach a mutant. */
export type Step = {
  readonly testFile: string;
  /** Without it, all of the file. */
  readonly ids?: readonly string[];
  readonly ms: number;
  readonly slowestMs: number;
  /** The mutant is reached when modules are loaded. */
  readonly afresh: boolean;
};

export type DryRun = { readonly testFile: string; readonly tests: readonly RanTest[] };

/** Which tests reach which mutant. */
export class Reach {
  readonly #steps = new Map<number, Step[]>();
  readonly #loaded = new Set<number>();
  readonly #probes = new Map<number, Step[]>();
  readonly #isProbe: (id: number) => boolean;

  /** A probe tells that a function of a file has run. */
  constructor(isProbe: (id: number) => boolean) {
    this.#isProbe = isProbe;
  }

  add({ testFile, tests }: DryRun, slowestMsMax: number): void {
    const quick = tests.filter(({ ms }) => ms <= slowestMsMax);
    const within = new Map<number, RanTest[]>();
    const before = new Set<number>();
    for (const test of quick) {
      for (const id of test.reached?.within ?? []) within.set(id, [...(within.get(id) ?? []), test]);
      for (const id of test.reached?.before ?? []) before.add(id);
    }
    for (const [id, reaching] of within) {
      if (!before.has(id)) this.#push(id, stepOf(testFile, reaching, false));
    }
    for (const id of before) {
      this.#loaded.add(id);
      this.#push(id, stepOf(testFile, quick, false));
    }
  }

  /** Quickest first. */
  stepsOf(id: number, probe: number): readonly Step[] {
    const steps = this.#steps.get(id) ?? [];
    const afresh = this.#loaded.has(id)
      ? [...steps, ...(this.#probes.get(probe) ?? [])].map((step) => ({ ...step, afresh: true }))
      : [];
    return [...(this.#loaded.has(id) ? [] : steps), ...afresh].toSorted((a, b) => a.ms - b.ms);
  }

  #push(id: number, step: Step): void {
    const steps = this.#isProbe(id) ? this.#probes : this.#steps;
    steps.set(id, [...(steps.get(id) ?? []), step]);
  }
}

const stepOf = (testFile: string, tests: readonly RanTest[], afresh: boolean): Step => ({
  testFile,
  ids: tests.map(({ id }) => id),
  ms: tests.reduce((sum, { ms }) => sum + ms, 0),
  slowestMs: Math.max(0, ...tests.map(({ ms }) => ms)),
  afresh,
});
