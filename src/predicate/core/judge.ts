import { allowedMoves, isMove, type WorkflowState, workflowStates } from "../../kernel/lifecycle.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { firstBytes, firstCharacters } from "../../kernel/text.ts";
import { bindingsOf, ruleVariables } from "./bindings.ts";
import type { Purse } from "./budget.ts";
import { type CompileError, compile, describeCompileError } from "./compile.ts";
import { dataCost } from "./costs.ts";
import { type Bindings, type Expression, evaluateBool, evaluateString } from "./evaluate.ts";
import { checkCostMax, messageBytesMax, messageLengthMax } from "./limits.ts";
import type { Check, Rule, Verdict, Violation } from "./types.ts";

export type CompiledRule = {
  readonly rule: Rule;
  readonly expression: Result<Expression, CompileError>;
  /** Undefined: the description is shown. */
  readonly message: Expression | undefined;
};

export type RuleError = CompileError & { readonly field: "expression" | "message" };

export const compileRule = (rule: Rule): Result<CompiledRule, RuleError> => lastOf(compileSteps(rule));

/** A stored rule that this version of Concord does not understand denies all that it applies to. */
export const compileStored = (rule: Rule): CompiledRule => lastOf(compileStoredSteps(rule));

/** Each step compiles one expression: some milliseconds, if it is as long as may be. */
export function* compileSteps(rule: Rule): Generator<void, Result<CompiledRule, RuleError>> {
  const expression = compile(rule.expression, ruleVariables, "bool");
  if (!expression.ok) return err({ ...expression.error, field: "expression" });
  if (rule.message === "") return ok({ rule, expression, message: undefined });
  yield;
  const message = compile(rule.message, ruleVariables, "string");
  if (!message.ok) return err({ ...message.error, field: "message" });
  return ok({ rule, expression, message: message.value });
}

export function* compileStoredSteps(rule: Rule): Generator<void, CompiledRule> {
  const compiled = yield* compileSteps(rule);
  return compiled.ok ? compiled.value : { rule, expression: err(compiled.error), message: undefined };
}

function lastOf<Value>(steps: Generator<void, Value>): Value {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The active rules under one revision, by move, highest priority first, then by id. */
export type RuleSet = {
  readonly revision: number;
  readonly active: readonly CompiledRule[];
  readonly byMove: ReadonlyMap<string, readonly CompiledRule[]>;
};

export function createRuleSet(revision: number, active: readonly CompiledRule[]): RuleSet {
  const sorted = active.toSorted((a, b) => b.rule.priority - a.rule.priority || (a.rule.id < b.rule.id ? -1 : 1));
  const byMove = new Map<string, readonly CompiledRule[]>();
  for (const from of workflowStates) {
    for (const to of allowedMoves(from)) {
      const applying = sorted.filter(({ rule }) => applies(rule, from, to));
      byMove.set(moveKey(from, to), applying);
    }
  }
  return { revision, active, byMove };
}

function moveKey(from: WorkflowState, to: WorkflowState): string {
  return `${from}>${to}`;
}

function applies({ moves }: Rule, from: WorkflowState, to: WorkflowState): boolean {
  return moves.length === 0 || moves.some((move) => (move.from ?? from) === from && (move.to ?? to) === to);
}

export function rulesFor({ byMove }: RuleSet, check: Check): readonly CompiledRule[] {
  return byMove.get(moveKey(check.workflow.state, check.targetState)) ?? [];
}

/** A check may cost what is in the purse. Below 0: it has cost too much. */
export type JudgePurse = Purse & {
  /** Told which of `rulesFor` is asked next. */
  readonly onRule?: (index: number) => void;
};

/**
 * The lifecycle first; what it does not have, no rule can allow. Every rule that applies is asked, so that all reasons are known, until
 * the purse is empty: the rule whose turn it is then denies, and those after it are not asked.
 */
export function judge(ruleSet: RuleSet, check: Check, purse: JudgePurse = { left: checkCostMax }): Verdict {
  const { revision } = ruleSet;
  const { state } = check.workflow;
  if (!isMove(state, check.targetState)) {
    return { type: "invalid-transition", ruleSetRevision: revision, allowedStates: allowedMoves(state) };
  }
  const rules = rulesFor(ruleSet, check);
  if (rules.length > 0) purse.left -= dataCost(check);
  const bindings = bindingsOf(check);
  const violations: Violation[] = [];
  let dearest = { id: "", cost: 0 };
  for (const [index, compiled] of rules.entries()) {
    purse.onRule?.(index);
    const before = purse.left;
    const violation = violationOf(compiled, bindings, purse);
    if (purse.left < 0 || purse.stopped?.()) {
      const most = dearest.cost === 0 ? "" : `, most of it rule "${dearest.id}"`;
      const why = `the rules for this move cost more than ${checkCostMax} units together${most}`;
      violations.push(failureOf(compiled.rule, why));
      break;
    }
    const cost = before - purse.left;
    if (cost > dearest.cost) dearest = { id: compiled.rule.id, cost };
    if (violation !== undefined) violations.push(violation);
  }
  if (violations.length === 0) return { type: "allowed", ruleSetRevision: revision };
  return { type: "rule-denied", ruleSetRevision: revision, violations };
}

/** Fails closed: only `true` allows. */
function violationOf(compiled: CompiledRule, bindings: Bindings, purse: Purse): Violation | undefined {
  const result = compiled.expression.ok
    ? evaluateBool(compiled.expression.value, bindings, purse)
    : err(describeCompileError(compiled.expression.error));
  if (!result.ok) return failureOf(compiled.rule, result.error);
  if (result.value) return undefined;
  const { id, version } = compiled.rule;
  const message = shortText(denialMessage(compiled, bindings, purse));
  return { ruleId: id, ruleVersion: version, message, evaluationFailed: false };
}

/** What could not be evaluated denies. */
export function failureOf({ id, version }: Rule, why: string): Violation {
  const message = shortText(`rule "${id}" could not be evaluated: ${why}`);
  return { ruleId: id, ruleVersion: version, message, evaluationFailed: true };
}

const shortText = (text: string): string => firstBytes(firstCharacters(text, messageLengthMax), messageBytesMax);

function denialMessage({ rule, message }: CompiledRule, bindings: Bindings, purse: Purse): string {
  if (message === undefined) return rule.description === "" ? "not allowed" : rule.description;
  const text = evaluateString(message, bindings, purse);
  return text.ok ? text.value : `denied by rule "${rule.id}"; its message could not be evaluated: ${text.error}`;
}
