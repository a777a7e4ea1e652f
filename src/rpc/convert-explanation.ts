import type {
  DeepPartial,
  ExplainedOutcome,
  ExpressionExplanation,
  FactExplanation,
  RuleExplanation,
  ExplainedPart as WireExplainedPart,
} from "../gen/concord/predicate/v1/explanation.ts";
import { unreachable } from "../kernel/assert.ts";
import type { ExplainedPart, ShownOutcome } from "../predicate/core/explain.ts";
import type { ExplainedExpression, ExplainedFact, ExplainedRule } from "../predicate/core/explain-check.ts";

export function explainedRuleToWire(rule: ExplainedRule): DeepPartial<RuleExplanation> {
  const { ruleId, ruleVersion, condition, expression, message, isInShadow = false } = rule;
  return {
    ruleId,
    ruleVersion,
    condition: condition && expressionToWire(condition),
    expression: expression && expressionToWire(expression),
    message: message && expressionToWire(message),
    inShadow: isInShadow,
  };
}

export function explainedFactToWire({ name, version, expression }: ExplainedFact): DeepPartial<FactExplanation> {
  return { name, factVersion: version, expression: expressionToWire(expression) };
}

function expressionToWire(explained: ExplainedExpression): DeepPartial<ExpressionExplanation> {
  const { source, outcome, parts, inputs, omittedCount, cost } = explained;
  return {
    source,
    outcome: outcomeToWire(outcome),
    parts: parts.map(partToWire),
    inputs: inputs.map(({ path, value, isAbsent }) => ({ path, value: value ?? "", absent: isAbsent })),
    omitted: omittedCount,
    cost: BigInt(Math.round(cost)),
  };
}

function partToWire({ position, outcome, rounds, ...part }: ExplainedPart): DeepPartial<WireExplainedPart> {
  return {
    ...part,
    line: position.line,
    column: position.column,
    outcome: outcomeToWire(outcome),
    rounds: rounds.map((round) => ({ ...round, parts: round.parts.map(partToWire) })),
  };
}

function outcomeToWire(outcome: ShownOutcome): ExplainedOutcome {
  switch (outcome.type) {
    case "value":
      return { outcome: { $case: "value", value: { type: outcome.valueType, text: outcome.value } } };
    case "error":
      return { outcome: { $case: "error", value: outcome.message } };
    case "not-evaluated":
      return { outcome: { $case: "notEvaluated", value: true } };
    default:
      return unreachable(outcome);
  }
}
