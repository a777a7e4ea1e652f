import { scopesOf } from "../compile-rule.ts";
import { type Bindings, evaluateBool } from "../evaluate.ts";
import { explainable } from "../explain.ts";
import { type Coverage, type CoverageRecorder, createCoverage } from "../explain-coverage.ts";
import { checkCostMax, evaluationCostMax } from "../limits.ts";
import { ruleBindings } from "../rule-bindings.ts";
import { applyingTo, type RuleSet } from "../rule-set.ts";
import type { Check, RuleVersion, Verdict, Violation } from "../types.ts";

/** What a rule that is in the scope of a check has said to it. NOT_ASKED: those before it cost too much. */
export type RuleSays = "HOLDS" | "DOES_NOT_HOLD" | "CANNOT_BE_EVALUATED" | "DOES_NOT_APPLY" | "NOT_ASKED";

export type RuleSaid = { readonly rule: RuleVersion; readonly says: RuleSays; readonly message: string };

/** How often a rule has said what, and what the parts of its texts have come to. Undefined: it has no condition, or was never asked. */
export type RuleCoverage = {
  readonly rule: RuleVersion;
  readonly counts: Readonly<Record<RuleSays, number>>;
  readonly condition: Coverage | undefined;
  readonly expression: Coverage | undefined;
};

export type RuleCoverageRecorder = {
  /** What each active rule in scope has said, in the order in which they are asked. */
  readonly judged: (check: Check, verdict: Verdict) => readonly RuleSaid[];
  /** Of each active rule. */
  readonly report: () => readonly RuleCoverage[];
};

/** Evaluates rules again, beside what is judged: of whole expressions only what tells whether they apply, unless `branches` are asked for. */
export function createRuleCoverage(ruleSet: RuleSet, { branches }: { readonly branches: boolean }): RuleCoverageRecorder {
  const recorders = new Map<string, CoverageRecorder | undefined>();
  const counts = new Map(ruleSet.contents.active.map((rule) => [rule, nothingSaid()]));

  const keyOf = ({ id }: RuleVersion, field: Field): string => `${field} ${id}`;

  function recorderOf(rule: RuleVersion, field: Field): CoverageRecorder | undefined {
    const key = keyOf(rule, field);
    if (!recorders.has(key)) {
      const ready = explainable(rule[field], scopesOf(rule, ruleSet)[0], "bool");
      recorders.set(key, ready.ok ? createCoverage(ready.value) : undefined);
    }
    return recorders.get(key);
  }

  /** What came out is in the verdict already, but whether it applies. */
  function evaluated(rule: RuleVersion, bindings: Bindings): boolean {
    const evaluate = (field: Field) => recorderOf(rule, field)?.evaluate(bindings, { left: evaluationCostMax });
    const plan = ruleSet.compiled.get(rule)?.condition;
    const condition = branches && plan !== undefined ? evaluate("condition") : plan && evaluateBool(plan, bindings);
    if (condition?.ok === false || condition?.value === false) return false;
    if (branches) evaluate("expression");
    return true;
  }

  return {
    judged(check, verdict) {
      if (verdict.type !== "allowed" && verdict.type !== "rule-denied") return [];
      const bindings = ruleBindings(ruleSet, check);
      const violations = new Map(violationsIn(verdict).map((each) => [each.ruleId, each]));
      return applyingTo(ruleSet, check).rules.map(({ rule }) => {
        const violation = violations.get(rule.id);
        const isAsked = violation !== undefined || verdict.cost < checkCostMax;
        const says = isAsked ? wordOf(violation, evaluated(rule, bindings(rule))) : "NOT_ASKED";
        const counted = counts.get(rule);
        if (counted !== undefined) counted[says] += 1;
        return { rule, says, message: violation?.message ?? "" };
      });
    },
    report: () =>
      [...counts].map(([rule, counted]) => ({
        rule,
        counts: { ...counted },
        condition: recorders.get(keyOf(rule, "condition"))?.report(),
        expression: recorders.get(keyOf(rule, "expression"))?.report(),
      })),
  };
}

type Field = "condition" | "expression";

const nothingSaid = (): Record<RuleSays, number> => ({
  HOLDS: 0,
  DOES_NOT_HOLD: 0,
  CANNOT_BE_EVALUATED: 0,
  DOES_NOT_APPLY: 0,
  NOT_ASKED: 0,
});

function wordOf(violation: Violation | undefined, applies: boolean): RuleSays {
  if (violation === undefined) return applies ? "HOLDS" : "DOES_NOT_APPLY";
  return violation.evaluationFailed ? "CANNOT_BE_EVALUATED" : "DOES_NOT_HOLD";
}

function violationsIn(verdict: Extract<Verdict, { readonly type: "allowed" | "rule-denied" }>): readonly Violation[] {
  return [...(verdict.type === "rule-denied" ? verdict.violations : []), ...verdict.warnings, ...verdict.audits];
}
