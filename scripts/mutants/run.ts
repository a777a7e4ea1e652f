import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { SourceFile } from "./enumerate.ts";
import { createImporters } from "./importers.ts";
import { instrument } from "./instrument.ts";
import { judge } from "./judge.ts";
import { createLane, type Lane } from "./lane.ts";
import type { Mutant } from "./mutant.ts";
import { Reach } from "./plan.ts";
import type { Tried } from "./report.ts";
import { isSlow, testFolders, unfitTestFiles } from "./tests.ts";

export type RunOptions = {
  readonly root: string;
  readonly sources: readonly SourceFile[];
  /** In the order in which they are tried. */
  readonly mutants: readonly Mutant[];
  /** Only test files under one of these; with none, all that are quick. */
  readonly tests: readonly string[];
  /** Without the tests that take long. */
  readonly isSample: boolean;
  /** A mutant is given up when the tests that reach it would take longer. */
  readonly budgetMs: number;
  /** Tests that take longer are left out. */
  readonly slowestMsMax: number;
  /** No mutant is begun after so long. */
  readonly endsAfterMs: number;
  /** So many processes run tests at a time. */
  readonly lanes?: number;
  readonly say: (text: string) => void;
  readonly onTried?: (one: Tried, tried: readonly Tried[]) => void;
};

export type Outcome = {
  readonly tried: readonly Tried[];
  /** So many test files found no time. Without them, more survive. */
  readonly leftOut: number;
};

/** As many as there are cores. */
export const lanesCount = 2;

export async function runMutants(options: RunOptions): Promise<Outcome> {
  const { root, mutants } = options;
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "concord-mutants-"));
  const lanes: Lane[] = [];
  try {
    const probes = writeSources(options, folder);
    const count = mutants.length + probes.size;
    const include = testFolders.map((name) => `test/${name}/**/*.test.ts`);
    const wantedLanes = options.lanes ?? lanesCount;
    for (let nth = 0; nth < wantedLanes; nth += 1) lanes.push(await createLane({ root, folder, count, include }));
    const { reach, leftOut } = await dryRun(options, lanes, include, startedAt + options.endsAfterMs / 2);

    const tried: Tried[] = [];
    const killers = createKillers();
    const queue = mutants.entries();
    await Promise.all(
      lanes.map(async (lane) => {
        let done = 0;
        for (const [id, mutant] of queue) {
          if (performance.now() - startedAt > options.endsAfterMs) return;
          const steps = reach.stepsOf(id, probes.get(mutant.file) ?? -1, mutant.file, (test) => killers.count(mutant, test.id));
          const verdict = await judge(lane, id, steps, options.budgetMs);
          if (verdict.killer !== undefined) killers.add(mutant, verdict.killer.id);
          tried.push({ mutant, verdict });
          options.onTried?.({ mutant, verdict }, tried);
          options.say(`${tried.length} of ${mutants.length} mutants`);
          done += 1;
          // What mutants have left behind does not pile up.
          if (done % 100 === 0) lane.renew();
        }
      }),
    );
    return { tried, leftOut };
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What has killed a mutant of a file is likely to kill the next. */
function createKillers() {
  const counts = new Map<string, number>();
  const count = ({ file }: Mutant, testId: string): number => counts.get(`${file} ${testId}`) ?? 0;
  return {
    count,
    add: (mutant: Mutant, testId: string) => counts.set(`${mutant.file} ${testId}`, count(mutant, testId) + 1),
  };
}

/** The probe of each file. */
function writeSources({ sources, mutants }: RunOptions, folder: string): ReadonlyMap<string, number> {
  const ids = new Map(mutants.map((mutant, id) => [mutant, id]));
  const wanted = new Set(mutants.map(({ file }) => file));
  const probes = new Map<string, number>();
  for (const source of sources.filter(({ file }) => wanted.has(file))) {
    const probe = mutants.length + probes.size;
    probes.set(source.file, probe);
    const path = join(folder, source.file.replace(/^src\//, ""));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(
      path,
      instrument(source.text, source.mutants, (mutant) => ids.get(mutant), probe),
    );
  }
  return probes;
}

/** Each test file as the code stands: what it reaches, and how long it takes. */
async function dryRun(
  { root, tests, isSample, slowestMsMax, say }: RunOptions,
  lanes: readonly Lane[],
  include: readonly string[],
  endsAtMs: number,
): Promise<{ readonly reach: Reach; readonly leftOut: number }> {
  const files = include.flatMap((pattern) => globSync(pattern, { cwd: root }).sort());
  const isAsked = (file: string): boolean => tests.length === 0 || tests.some((prefix) => file.startsWith(prefix));
  const isFit = (file: string): boolean => !unfitTestFiles.has(file) && !(isSample && isSlow(file));
  const testFiles = files.filter((file) => isAsked(file) && isFit(file));
  const reach = new Reach(createImporters(root, testFiles));
  let done = 0;
  const queue = testFiles.values();
  await Promise.all(
    lanes.map(async (lane) => {
      for (const testFile of queue) {
        if (performance.now() > endsAtMs) break;
        const ran = await lane.run({ file: testFile }, { mutant: -1, afresh: false, testTimeoutMs: 120_000 }, 600_000);
        done += 1;
        say(`${done} of ${testFiles.length} test files, without mutants`);
        if (process.env["CONCORD_MUTANTS_COSTS"]) {
          const cpu = ran.tests.reduce((sum, { reached }) => sum + (reached?.cpuMs ?? 0), 0);
          console.log(`${testFile}: ${Math.round(ran.ms)} ms, ${Math.round(cpu)} ms of the cores in ${ran.tests.length} tests`);
        }
        for (const test of ran.tests.filter(({ failed }) => failed)) console.log(`left out: ${testFile}: ${test.name}`);
        if (ran.outcome === "late" || ran.outcome === "broken")
          console.log(`left out: ${testFile}: ${ran.error ?? "it never ends"}`);
        else {
          reach.add(
            testFile,
            ran.tests.filter(({ failed, ms, reached }) => !failed && (reached?.cpuMs ?? ms) <= slowestMsMax),
          );
        }
      }
    }),
  );
  const leftOut = testFiles.length - done;
  if (leftOut > 0) console.log(`left out, for lack of time: ${leftOut} of ${testFiles.length} test files`);
  return { reach, leftOut };
}
