import { type CheckExplanation, explainCheck } from "../../predicate/core/explain-check.ts";
import { judge } from "../../predicate/core/judge.ts";
import { createRuleCoverage, type RuleCoverage, type RuleSaid } from "../../predicate/core/rule-set/coverage.ts";
import { testSteps } from "../../predicate/core/rule-set/run-tests.ts";
import type { RuleSet } from "../../predicate/core/rule-set.ts";
import type { RuleTest, Verdict } from "../../predicate/core/types.ts";
import type { Place } from "./problem.ts";

export type TestResult = {
  readonly name: string;
  readonly place: Place | { readonly file: string };
  /** What came out, for people. */
  readonly verdict: string;
  /** Nothing: it has passed. */
  readonly why: string | undefined;
  readonly said: readonly RuleSaid[];
  /** Of the rules that do not hold, if it was asked for, and the test has failed. */
  readonly explanation: CheckExplanation | undefined;
};

export type TestReport = { readonly results: readonly TestResult[]; readonly coverage: readonly RuleCoverage[] };

/** `branches`: what has been seen of these, which takes as long again. `explained`: why rules do not hold in tests that fail. */
type RunOptions = { readonly branches?: boolean; readonly explained?: boolean };

/** Runs the tests as the server does before it changes its rules. */
export function runTests(
  ruleSet: RuleSet,
  placeOf: (index: number) => TestResult["place"],
  { branches = false, explained = false }: RunOptions = {},
): TestReport {
  const recorder = createRuleCoverage(ruleSet, { branches });
  const steps = testSteps<RuleTest>(ruleSet.contents.tests);
  let step = steps.next();
  while (!step.done) step = steps.next(judge(ruleSet, step.value.check));
  const results = step.value.map(({ test, verdict, why }, index): TestResult => {
    const said = verdict === undefined ? [] : recorder.judged(test.check, verdict);
    const failing = said.filter(({ says }) => says === "DOES_NOT_HOLD" || says === "CANNOT_BE_EVALUATED");
    const isExplained = explained && why !== undefined && failing.length > 0;
    return {
      name: test.name,
      place: placeOf(index),
      verdict: verdict === undefined ? "not run" : verdictText(verdict),
      why,
      said,
      explanation: isExplained
        ? explainCheck(
            ruleSet,
            test.check,
            failing.map(({ rule }) => rule.id),
          )
        : undefined,
    };
  });
  return { results, coverage: recorder.report() };
}

function verdictText(verdict: Verdict): string {
  if (verdict.type === "metadata-invalid") return "metadata_invalid";
  if (verdict.type !== "allowed" && verdict.type !== "rule-denied") return "invalid";
  const by = (word: string, violations: readonly { readonly ruleId: string }[]) =>
    violations.length === 0 ? [] : [`${word} by ${violations.map(({ ruleId }) => ruleId).join(", ")}`];
  const decided = verdict.type === "allowed" ? ["allowed"] : by("denied", verdict.violations);
  return [...decided, ...by("warned", verdict.warnings), ...by("audited", verdict.audits)].join("; ");
}
