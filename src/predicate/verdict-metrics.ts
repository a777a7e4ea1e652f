import { evaluationCostMax } from "./core/limits.ts";
import type { Verdict, Violation } from "./core/types.ts";
import { judgementOf, wasAsked } from "./verdict-record.ts";

/** What is counted of verdicts. */
export type VerdictMetrics = {
  verdict(judgement: string): void;
  violation(ruleId: string, action: string): void;
  shadowDifference(ruleId: string): void;
  shadowsNotJudged(count: number): void;
  cost(units: number): void;
  exhausted(): void;
};

export function countVerdicts(metrics: VerdictMetrics, verdicts: readonly Verdict[]): void {
  for (const verdict of verdicts) {
    if (verdict.type === "deferred") continue;
    metrics.verdict(judgementOf(verdict));
    if (!wasAsked(verdict)) continue;
    const { warnings, audits, shadows, shadowsNotJudged, cost } = verdict;
    const violations = verdict.type === "rule-denied" ? verdict.violations : [];
    metrics.cost(cost);
    const count = (action: string, found: readonly Violation[]): void => {
      for (const { ruleId } of found) metrics.violation(ruleId, action);
    };
    count("DENY", violations);
    count("WARN", warnings);
    count("AUDIT", audits);
    for (const { ruleId } of shadows) metrics.shadowDifference(ruleId);
    if (shadowsNotJudged > 0) metrics.shadowsNotJudged(shadowsNotJudged);
    if (cost >= evaluationCostMax && [...violations, ...warnings, ...audits].some(couldNotBeEvaluated)) metrics.exhausted();
  }
}

/** With a cost as large as that of one evaluation may be: one that would have cost more. */
const couldNotBeEvaluated = ({ evaluationFailed }: Violation): boolean => evaluationFailed;
