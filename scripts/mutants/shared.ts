/** What a test process and its threads share. */
export type Shared = {
  /** One number: the mutant that is tried, or -1. */
  readonly active: Int32Array;
  /** Of each mutant, 1 if it was asked for since this was last cleared. */
  readonly asked: Uint8Array;
};

export const sharedKey = "__mutants";

/** What a run of some tests is told; `-1`: as the code stands. */
export type Order = {
  readonly mutant: number;
  /** Modules are loaded anew, for what is computed when they are. */
  readonly afresh: boolean;
  /** A test that takes longer has failed. */
  readonly testTimeoutMs: number;
};

/** What a test has reached, in its `meta`. */
export type Reached = {
  /** Since the test before: when the file was loaded, and in hooks. */
  readonly before?: readonly number[];
  readonly within?: readonly number[];
  /** What it has cost, on all threads: the same beside another load. */
  readonly cpuMs: number;
};

const folderVariable = "CONCORD_MUTANTS_FOLDER";
const countVariable = "CONCORD_MUTANTS_COUNT";
const activeVariable = "CONCORD_MUTANT";

export const environmentOf = (folder: string, count: number): Record<string, string> => ({
  [folderVariable]: folder,
  [countVariable]: String(count),
});

export const environment = () => ({
  folder: process.env[folderVariable] ?? "",
  count: Number(process.env[countVariable] ?? 0),
  active: Number(process.env[activeVariable] ?? -1),
});

/** What is spawned from now on tries this one. */
export function announce(mutant: number): void {
  process.env[activeVariable] = String(mutant);
}
