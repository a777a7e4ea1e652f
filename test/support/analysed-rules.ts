import { type AnalysedRule, analyseSteps, type Finding } from "../../src/predicate/core/analysis/analyse.ts";
import { ruleVariables } from "../../src/predicate/core/bindings.ts";
import { compile } from "../../src/predicate/core/compile.ts";
import type { Expression } from "../../src/predicate/core/evaluate.ts";
import type { RuleMove } from "../../src/predicate/core/types.ts";

export type WrittenRule = {
  readonly id?: string;
  readonly operations?: AnalysedRule["operations"];
  readonly moves?: readonly RuleMove[];
  readonly types?: readonly string[];
  readonly condition?: string | undefined;
  readonly expression: string;
  readonly action?: AnalysedRule["action"];
};

function compiled(source: string): Expression {
  const expression = compile(source, ruleVariables, "bool");
  if (!expression.ok) throw new Error(`${source}: ${expression.error.message}`);
  return expression.value;
}

export function analysedRule({ condition, expression, ...rule }: WrittenRule, at = 0): AnalysedRule {
  return {
    id: `rule-${at}`,
    operations: ["TRANSITION"],
    moves: [],
    types: [],
    action: "DENY",
    ...rule,
    condition: condition === undefined ? undefined : compiled(condition),
    expression: compiled(expression),
  };
}

export function analyse(rules: readonly WrittenRule[]): readonly Finding[] {
  const steps = analyseSteps(rules.map(analysedRule));
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
