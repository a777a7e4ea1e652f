import { assert } from "../../kernel/assert.ts";
import { allowedMoves, isMove, type WorkflowState, workflowStates } from "../../kernel/lifecycle.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { firstCharacters } from "../../kernel/text.ts";
import { bindingsOf, ruleVariables } from "./bindings.ts";
import { type CompileError, compile, describeCompileError } from "./compile.ts";
import { type Bindings, type Expression, evaluateBool, evaluateString } from "./evaluate.ts";
import { messageLengthMax } from "./limits.ts";
import type { Check, Rule, Verdict, Violation } from "./types.ts";

export type CompiledRule = {
  readonly rule: Rule;
  readonly expression: Result<Expression, CompileError>;
  /** Undefined: the description is shown. */
  readonly message: Expression | undefined;
};

export type RuleError = CompileError & { readonly field: "expression" | "message" };

export function compileRule(rule: Rule): Result<CompiledRule, RuleError> {
  const expression = compile(rule.expression, ruleVariables);
  if (!expression.ok) return err({ ...expression.error, field: "expression" });
  if (rule.message === "") return ok({ rule, expression, message: undefined });
  const message = compile(rule.message, ruleVariables);
  if (!message.ok) return err({ ...message.error, field: "message" });
  return ok({ rule, expression, message: message.value });
}

/** A stored rule that this version of Concord does not understand. It denies all that it applies to. */
export function brokenRule(rule: Rule, error: CompileError): CompiledRule {
  return { rule, expression: err(error), message: undefined };
}

/** The active rules under one revision, by move, highest priority first, then by id. */
export type RuleSet = {
  readonly revision: number;
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
  return { revision, byMove };
}

function moveKey(from: WorkflowState, to: WorkflowState): string {
  return `${from}>${to}`;
}

function applies({ moves }: Rule, from: WorkflowState, to: WorkflowState): boolean {
  return moves.length === 0 || moves.some((move) => (move.from ?? from) === from && (move.to ?? to) === to);
}

/** The lifecycle first; what it does not have, no rule can allow. Every rule that applies is asked, so that all reasons are known. */
export function judge({ revision, byMove }: RuleSet, check: Check): Verdict {
  const { state } = check.workflow;
  if (!isMove(state, check.targetState)) {
    return { type: "invalid-transition", ruleSetRevision: revision, allowedStates: allowedMoves(state) };
  }
  const rules = byMove.get(moveKey(state, check.targetState));
  assert(rules !== undefined, "a rule set knows every move");
  const bindings = bindingsOf(check);
  const violations = rules.map((rule) => violationOf(rule, bindings)).filter((violation) => violation !== undefined);
  if (violations.length === 0) return { type: "allowed", ruleSetRevision: revision };
  return { type: "rule-denied", ruleSetRevision: revision, violations };
}

/** Fails closed: only `true` allows. */
function violationOf(compiled: CompiledRule, bindings: Bindings): Violation | undefined {
  const { id, version } = compiled.rule;
  const result = compiled.expression.ok
    ? evaluateBool(compiled.expression.value, bindings)
    : err(describeCompileError(compiled.expression.error));
  if (result.ok && result.value) return undefined;
  const message = result.ok ? denialMessage(compiled, bindings) : `rule "${id}" could not be evaluated: ${result.error}`;
  return { ruleId: id, ruleVersion: version, message: firstCharacters(message, messageLengthMax), evaluationFailed: !result.ok };
}

function denialMessage({ rule, message }: CompiledRule, bindings: Bindings): string {
  if (message === undefined) return rule.description === "" ? "not allowed" : rule.description;
  const text = evaluateString(message, bindings);
  return text.ok ? text.value : `denied by rule "${rule.id}"; its message could not be evaluated: ${text.error}`;
}
