import type { RuleId } from "../../kernel/ids.ts";
import { variablesWith } from "./bindings.ts";
import { describeCompileError, type Variables } from "./compile.ts";
import { type CompiledRule, type RuleContext, scopesOf } from "./compile-rule.ts";
import type { Bindings } from "./evaluate.ts";
import { type Explanation, explain, explainable } from "./explain.ts";
import { factTypes } from "./facts.ts";
import type { JudgePurse } from "./judge.ts";
import { checkCostMax, explanationCostFactor, explanationsBytesMax } from "./limits.ts";
import { factBindingsOf, ruleBindings } from "./rule-bindings.ts";
import { applyingTo, type RuleSet } from "./rule-set.ts";
import type { Check, Verdict } from "./types.ts";

/** What an expression has come to, and why. */
export type ExplainedExpression = Explanation & { readonly source: string };

/** What is undefined is not there, or was not asked. */
export type ExplainedRule = {
  readonly ruleId: RuleId;
  readonly ruleVersion: number;
  readonly condition: ExplainedExpression | undefined;
  readonly expression: ExplainedExpression | undefined;
  readonly message: ExplainedExpression | undefined;
  readonly isInShadow?: true;
};

export type ExplainedFact = { readonly name: string; readonly version: number; readonly expression: ExplainedExpression };

export type CheckExplanation = {
  readonly rules: readonly ExplainedRule[];
  readonly facts: readonly ExplainedFact[];
  /** Rules and facts that found no room, no units, or no time. */
  readonly omittedCount: number;
};

/** No explanation: none was asked for, or the check was ended. */
export type ExplainedVerdict = { readonly verdict: Verdict; readonly explanation?: CheckExplanation | undefined };

/** As much as all rules of a check may cost, explained. */
export const explainedCostMax = checkCostMax * explanationCostFactor;

/**
 * Of the rules that apply, in the order in which they are asked, and then of those in shadow, what their parts have come to; then the same of the
 * facts that they have read.
 * `ruleIds` empty: of all of them.
 */
export function explainCheck(
  ruleSet: RuleSet,
  check: Check,
  ruleIds: readonly RuleId[],
  purse: JudgePurse = { left: explainedCostMax },
): CheckExplanation {
  const rules: ExplainedRule[] = [];
  const facts = new Map<string, ExplainedFact | undefined>();
  const room = { left: explanationsBytesMax };
  const fits = (explained: ExplainedRule | ExplainedFact): boolean => {
    room.left -= JSON.stringify(explained).length;
    return room.left >= 0;
  };
  let omittedCount = 0;
  const bindings = ruleBindings(ruleSet, check);
  const unread: string[] = [];
  function explainOne(compiled: CompiledRule, inShadow: Pick<ExplainedRule, "isInShadow">): void {
    const { rule } = compiled;
    if (ruleIds.length > 0 && !ruleIds.includes(rule.id)) return;
    const explained = isOver(purse) || room.left < 0 ? undefined : explainRule(compiled, ruleSet, bindings(rule), purse);
    if (explained === undefined || isStopped(purse) || !fits(explained)) {
      omittedCount += 1;
      return;
    }
    rules.push({ ...explained, ...inShadow });
    for (const each of [explained.condition, explained.expression, explained.message]) unread.push(...factsIn(each));
  }
  const applying = applyingTo(ruleSet, check);
  for (const [index, compiled] of applying.rules.entries()) {
    purse.onRule?.(index);
    explainOne(compiled, {});
  }
  for (const { compiled } of applying.shadows) if (compiled !== undefined) explainOne(compiled, { isInShadow: true });
  const factBindings = factBindingsOf(ruleSet, check);
  const factVariables = variablesWith({ facts: factTypes(ruleSet.facts) ?? {} });
  for (let name = unread.shift(); name !== undefined; name = unread.shift()) {
    const fact = ruleSet.facts.get(name)?.fact;
    if (facts.has(name) || fact === undefined) continue;
    const { version } = fact;
    const expression =
      isOver(purse) || room.left < 0 ? undefined : explainSource(fact.expression, factVariables, factBindings, purse);
    const explained = expression && { name, version, expression };
    const isShown = explained !== undefined && !isStopped(purse) && fits(explained);
    facts.set(name, isShown ? explained : undefined);
    if (isShown) unread.push(...factsIn(expression));
    else omittedCount += 1;
  }
  const shown = [...facts.values()].filter((fact) => fact !== undefined);
  return { rules, facts: shown.sort((a, b) => (a.name < b.name ? -1 : 1)), omittedCount };
}

/** What is under way then is cut short, and says nothing. */
const isStopped = ({ stopped }: JudgePurse): boolean => stopped?.() === true;

const isOver = (purse: JudgePurse): boolean => purse.left <= 0 || isStopped(purse);

/** Asked as `judge` asks it. */
function explainRule({ rule }: CompiledRule, context: RuleContext, bindings: Bindings, purse: JudgePurse): ExplainedRule {
  // Of several kinds of metadata any: they differ in what is refused, not in what is judged.
  const [variables] = scopesOf(rule, context);
  const explained = (source: string) => explainSource(source, variables, bindings, purse);
  const { id: ruleId, version: ruleVersion } = rule;
  const condition = rule.condition === "" ? undefined : explained(rule.condition);
  const applies = condition === undefined || isValue(condition, "true");
  const expression = applies ? explained(rule.expression) : undefined;
  const message = rule.message !== "" && isValue(expression, "false") ? explained(rule.message) : undefined;
  return { ruleId, ruleVersion, condition, expression, message };
}

/** Nothing but a bool is shown so. */
function isValue(expression: ExplainedExpression | undefined, wanted: "true" | "false"): boolean {
  const { outcome } = expression ?? {};
  return outcome?.type === "value" && outcome.value === wanted;
}

function explainSource(source: string, variables: Variables, bindings: Bindings, purse: JudgePurse): ExplainedExpression {
  const made = explainable(source, variables);
  if (made.ok) return { source, ...explain(made.value, bindings, purse) };
  const outcome = { type: "error", message: describeCompileError(made.error) } as const;
  return { source, outcome, parts: [], inputs: [], omittedCount: 0, cost: 0 };
}

/** The facts that it has read. */
function factsIn(expression: ExplainedExpression | undefined): readonly string[] {
  return (expression?.inputs ?? []).flatMap(({ path }) => /^facts\.(\w+)/.exec(path)?.[1] ?? []);
}
