import { testsCostMax } from "../limits.ts";
import type { RuleTestSource, Verdict } from "../types.ts";
import { mismatchOf } from "./expectation.ts";

/** How a test has ended: what came out, if it was judged, and why that is not what was expected; nothing: it has passed. */
export type TestOutcome<Test extends RuleTestSource> = {
  readonly test: Test;
  readonly verdict: Verdict | undefined;
  readonly why: string | undefined;
};

/**
 * Asks for the verdict of one test after the other; undefined: there is none, for the engine has too much to do. So the same tests end in the same way
 * wherever they are judged.
 */
export function* testSteps<Test extends RuleTestSource>(
  tests: readonly Test[],
): Generator<Test, readonly TestOutcome<Test>[], Verdict | undefined> {
  const outcomes: TestOutcome<Test>[] = [];
  let left = testsCostMax;
  for (const test of tests) {
    if (left < 0) {
      outcomes.push({ test, verdict: undefined, why: "it was not run: those before it cost too much together" });
      continue;
    }
    const verdict = yield test;
    left -= verdict !== undefined && "cost" in verdict ? verdict.cost : 0;
    outcomes.push({ test, verdict, why: left < 0 ? tooDear : whyNot(test, verdict) });
  }
  return outcomes;
}

const tooDear = `the tests up to this one cost more than ${testsCostMax} units together`;

const whyNot = ({ expect }: RuleTestSource, verdict: Verdict | undefined): string | undefined =>
  verdict === undefined ? "the engine has too much to do to judge it now" : mismatchOf(expect, verdict);
