import type { Lane, Ran } from "./lane.ts";
import { loadMs, type Step } from "./plan.ts";

export type Verdict = {
  /** `unreached`: no test runs it. */
  readonly outcome: "killed" | "survived" | "unreached";
  /** The test that failed, or what else happened. */
  readonly by?: string;
  readonly killer?: { readonly testFile: string; readonly id: string };
  readonly tests: number;
  /** Not all tests that reach it were run. */
  readonly cut: boolean;
};

/** So much longer than without the mutant may a test take, for another load and a cold start. */
const patience = { factor: 5, testMs: 1_500, runMs: 8_000 } as const;

/**
 * Runs what reaches the mutant, until something fails. What fails is run once more without the mutant, in the same process: what fails then too was
 * spoiled by another mutant before, and is tried again in a new process.
 */
export async function judge(lane: Lane, mutant: number, steps: readonly Step[], budgetMs: number): Promise<Verdict> {
  if (steps.length === 0) return { outcome: "unreached", tests: 0, cut: false };
  let spentMs = 0;
  let tests = 0;
  let cut = false;
  for (const step of steps) {
    if (spentMs > 0 && spentMs + step.cpuMs > budgetMs) {
      cut = true;
      continue;
    }
    spentMs += step.cpuMs + (step.afresh ? loadMs : 20);
    tests += step.ids.length;
    const ran = await kill(lane, mutant, step);
    if (ran === undefined) continue;
    const { testFile } = step;
    const test = ran.tests.find(({ failed }) => failed);
    if (test) return { outcome: "killed", by: test.name, killer: { testFile, id: test.id }, tests, cut: false };
    const by = ran.outcome === "late" ? "it never ends" : (ran.error ?? "it cannot be loaded");
    return { outcome: "killed", by: `${testFile}: ${by}`, tests, cut: false };
  }
  return { outcome: "survived", tests, cut };
}

async function kill(lane: Lane, mutant: number, step: Step): Promise<Ran | undefined> {
  for (const attempt of [1, 2]) {
    const ran = await runStep(lane, mutant, step);
    if (ran.outcome === "passed") return undefined;
    if (ran.outcome === "late") return ran;
    const failed = ran.tests.find((test) => test.failed);
    // What a mutant leaves behind in the modules may fail the same test without it.
    if (attempt === 2) lane.renew();
    const again = await runStep(lane, -1, failed === undefined ? step : { ...step, ids: [failed.id] });
    if (again.outcome === "passed") return ran;
    lane.renew();
    if (attempt === 2) return undefined;
  }
  return undefined;
}

function runStep(lane: Lane, mutant: number, { testFile, ids, ms, slowestMs, afresh }: Step): Promise<Ran> {
  const testTimeoutMs = Math.ceil(patience.testMs + patience.factor * slowestMs);
  const limitMs = patience.runMs + patience.factor * ms;
  return lane.run({ file: testFile, ids }, { mutant, afresh, testTimeoutMs }, limitMs);
}
