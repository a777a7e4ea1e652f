import { assert } from "../../kernel/assert.ts";
import { allowedMoves, isMove, isTerminal } from "../../kernel/lifecycle.ts";
import { firstBytes, firstCharacters } from "../../kernel/text.ts";
import type { Purse } from "./budget.ts";
import { describeCompileError } from "./compile.ts";
import type { CompiledRule } from "./compile-rule.ts";
import { dataCost } from "./costs.ts";
import { type Bindings, evaluateBool, evaluateString } from "./evaluate.ts";
import { checkCostMax, messageBytesMax, messageLengthMax, shadowCostMax } from "./limits.ts";
import { type RuleBindings, ruleBindings } from "./rule-bindings.ts";
import { type Applying, applyingTo, type RuleSet } from "./rule-set.ts";
import type { Check, Findings, RuleAction, RuleVersion, ShadowDifference, Verdict, Violation } from "./types.ts";
import { metadataViolations } from "./workflow-types.ts";

/** A check may cost what is in the purse. Below 0: it has cost too much. */
export type JudgePurse = Purse & {
  /** Told which of the rules that apply is asked next. */
  readonly onRule?: (index: number) => void;
  /** What all rules in shadow may cost. */
  readonly shadowsMax?: number;
};

/** The lifecycle has the move; or it is an update of what can still change. */
export function isPossible({ workflow: { state }, targetState, proposed }: Check): boolean {
  if (proposed === undefined) return isMove(state, targetState);
  assert(state === targetState, "an update moves nothing");
  return !isTerminal(state);
}

/**
 * The lifecycle first; what it does not have, no rule can allow. Of an update then the schema, under the same revision. Every rule that applies is asked, so that all reasons are known, until
 * the purse is empty: the rule whose turn it is then does not hold, and those after it are not asked. Rules that deny come first, so none
 * of them is passed over for one that does not. Rules in shadow have a purse of their own.
 */
export function judge(ruleSet: RuleSet, check: Check, purse: JudgePurse = { left: checkCostMax }): Verdict {
  const ruleSetRevision = ruleSet.revision;
  const { state, type } = check.workflow;
  if (!isPossible(check)) return { type: "invalid-transition", ruleSetRevision, allowedStates: allowedMoves(state) };
  const problems = check.proposed === undefined ? [] : metadataViolations(ruleSet.workflowTypes, type, check.proposed);
  if (problems.length > 0) return { type: "metadata-invalid", ruleSetRevision, problems };
  const granted = purse.left;
  const applying = applyingTo(ruleSet, check);
  if (applying.rules.length > 0) purse.left -= dataCost(check);
  const bindings = ruleBindings(ruleSet, check);
  const found = violationsOf(applying.rules, bindings, purse);
  const cost = Math.min(granted, Math.round(granted - purse.left));
  const isAsked = purse.left >= 0 && applying.shadows.length > 0;
  const { shadows, shadowsNotJudged } = isAsked ? differencesOf(applying, found, bindings, purse) : nothingOf(applying);
  const findings = { warnings: found.WARN, audits: found.AUDIT, shadows, shadowsNotJudged, cost };
  if (found.DENY.length === 0) return { type: "allowed", ruleSetRevision, ...findings };
  return { type: "rule-denied", ruleSetRevision, violations: found.DENY, ...findings };
}

type Found = Readonly<Record<RuleAction, readonly Violation[]>>;

function violationsOf(rules: readonly CompiledRule[], bindings: RuleBindings, purse: JudgePurse): Found {
  const found: Record<RuleAction, Violation[]> = { DENY: [], WARN: [], AUDIT: [] };
  let dearest = { id: "", cost: 0 };
  for (const [index, compiled] of rules.entries()) {
    purse.onRule?.(index);
    const before = purse.left;
    const violation = violationOf(compiled, bindings(compiled.rule), purse);
    const { rule } = compiled;
    if (purse.left < 0 || purse.stopped?.()) {
      const most = dearest.cost === 0 ? "" : `, most of it rule "${dearest.id}"`;
      const why = `the rules for this move cost more than ${checkCostMax} units together${most}`;
      found[rule.action].push(failureOf(rule, why));
      break;
    }
    const cost = before - purse.left;
    if (cost > dearest.cost) dearest = { id: rule.id, cost };
    if (violation !== undefined) found[rule.action].push(violation);
  }
  return found;
}

/** Only `true` holds. Nothing: it holds, or its condition says that it does not apply. */
function violationOf(compiled: CompiledRule, bindings: Bindings, purse: Purse): Violation | undefined {
  const { rule, condition, expression } = compiled;
  if (!expression.ok) return failureOf(rule, describeCompileError(expression.error));
  if (condition !== undefined) {
    const applies = evaluateBool(condition, bindings, purse);
    if (!applies.ok) return failureOf(rule, `its condition: ${applies.error}`);
    if (!applies.value) return undefined;
  }
  const result = evaluateBool(expression.value, bindings, purse);
  if (!result.ok) return failureOf(rule, result.error);
  if (result.value) return undefined;
  const message = shortText(violationMessage(compiled, bindings, purse));
  return { ruleId: rule.id, ruleVersion: rule.version, message, evaluationFailed: false };
}

/** What could not be evaluated does not hold: the engine fails closed. */
export function failureOf({ id, version }: RuleVersion, why: string): Violation {
  const message = shortText(`rule "${id}" could not be evaluated: ${why}`);
  return { ruleId: id, ruleVersion: version, message, evaluationFailed: true };
}

const shortText = (text: string): string => firstBytes(firstCharacters(text, messageLengthMax), messageBytesMax);

function violationMessage({ rule, message }: CompiledRule, bindings: Bindings, purse: Purse): string {
  if (message === undefined) return rule.description === "" ? "not allowed" : rule.description;
  const text = evaluateString(message, bindings, purse);
  return text.ok ? text.value : `rule "${rule.id}" does not hold; its message could not be evaluated: ${text.error}`;
}

type ShadowFindings = Pick<Findings, "shadows" | "shadowsNotJudged">;

/** Of a check that has cost too much: its answer has taken long enough. */
const nothingOf = ({ shadows }: Applying): ShadowFindings => ({ shadows: [], shadowsNotJudged: shadows.length });

/**
 * What rules in shadow say otherwise than the active ones: whether they hold, and what happens if not. One that turns out too dear takes nothing
 * from the others, but each after it may cost half as much as that one has: what is spent for nothing has an end.
 */
function differencesOf(
  { shadows }: Applying,
  found: Found,
  bindings: RuleBindings,
  { shadowsMax = shadowCostMax, stopped }: JudgePurse,
): ShadowFindings {
  const violated = new Set(Object.values(found).flatMap((each) => each.map(({ ruleId }) => ruleId)));
  const differences: ShadowDifference[] = [];
  let shadowsNotJudged = 0;
  let left = shadowsMax;
  let each = shadowsMax;
  for (const { shadow, compiled, active } of shadows) {
    const granted = Math.min(left, each);
    const purse = { left: granted, ...(stopped && { stopped }) };
    const violation = compiled && violationOf(compiled, bindings(shadow), purse);
    if (purse.left < 0) {
      shadowsNotJudged += 1;
      each = granted / 2;
      continue;
    }
    left -= granted - purse.left;
    const isViolated = violated.has(shadow.id);
    const same = (violation !== undefined) === isViolated && (!isViolated || shadow.action === active?.action);
    if (same) continue;
    differences.push({ ruleId: shadow.id, shadowVersion: shadow.version, activeVersion: active?.version, violation });
  }
  return { shadows: differences, shadowsNotJudged };
}
