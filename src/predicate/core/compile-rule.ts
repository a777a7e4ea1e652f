import { err, ok, type Result } from "../../kernel/result.ts";
import { variablesWith } from "./bindings.ts";
import { type CompileError, compile, type ResultType, type Variables } from "./compile.ts";
import { estimate } from "./estimate.ts";
import type { Expression } from "./evaluate.ts";
import { type CompiledFacts, factTypes } from "./facts.ts";
import { evaluationCostMax } from "./limits.ts";
import type { RuleVersion } from "./types.ts";
import type { Type } from "./typing/type.ts";
import type { CompiledTypes } from "./workflow-types.ts";

export type CompiledRule = {
  readonly rule: RuleVersion;
  /** Undefined: it applies always. */
  readonly condition: Expression | undefined;
  /** A rule that this version of Concord does not understand does not hold. */
  readonly expression: Result<Expression, CompileError>;
  /** Undefined: the description is shown. */
  readonly message: Expression | undefined;
};

export type RuleField = "expression" | "message" | "condition";

export type RuleError = CompileError & { readonly field: RuleField };

/** What rules may name besides the check. */
export type RuleContext = { readonly facts: CompiledFacts; readonly workflowTypes: CompiledTypes };

const noContext: RuleContext = { facts: new Map(), workflowTypes: new Map() };

/**
 * A rule for certain types is compiled for the metadata of each of them, as far as it has a schema. Each step compiles one expression: some
 * milliseconds, if it is as long as may be.
 */
export function* compileRuleSteps(
  rule: RuleVersion,
  context: RuleContext,
): Generator<void, { readonly compiled: CompiledRule; readonly errors: readonly RuleError[] }> {
  const scopes = scopesOf(rule, context);
  const errors: RuleError[] = [];
  function* compileField(field: RuleField, wanted: ResultType): Generator<void, Result<Expression, CompileError>> {
    let compiled = compileAffordable(rule[field], scopes[0], wanted);
    for (const scope of scopes.slice(1)) {
      if (!compiled.ok) break;
      yield;
      const again = compileAffordable(rule[field], scope, wanted);
      if (!again.ok) compiled = again;
    }
    yield;
    if (!compiled.ok) errors.push({ ...compiled.error, field });
    return compiled;
  }
  function* compileOptional(field: RuleField, wanted: ResultType): Generator<void, Expression | undefined> {
    if (rule[field] === "") return undefined;
    const compiled = yield* compileField(field, wanted);
    return compiled.ok ? compiled.value : undefined;
  }
  const expression = yield* compileField("expression", "bool");
  const condition = yield* compileOptional("condition", "bool");
  const message = yield* compileOptional("message", "string");
  const [error] = errors;
  const usable = expression.ok && error !== undefined ? err(error) : expression;
  return { compiled: { rule, condition, expression: usable, message }, errors };
}

/** Refuses what could not finish within the budget even if there were as little data as may be. */
export function compileAffordable(source: string, variables: Variables, wanted?: ResultType): Result<Expression, CompileError> {
  const compiled = compile(source, variables, wanted);
  const costMin = compiled.ok ? estimate(compiled.value).min : 0;
  if (costMin <= evaluationCostMax) return compiled;
  const message = `costs ${Math.ceil(costMin)} units at least, however little data there is: an evaluation may cost ${evaluationCostMax}`;
  return err({ line: 1, column: 1, message, snippet: "", others: [] });
}

/** The variables of a rule, once for each kind of metadata that it may see. */
export function scopesOf({ workflowTypes }: RuleVersion, context: RuleContext): readonly [Variables, ...Variables[]] {
  const facts = factTypes(context.facts);
  const metadata = new Set(workflowTypes.map((name) => context.workflowTypes.get(name)?.metadata));
  const scope = (type: Type | undefined): Variables =>
    variablesWith({ ...(type && { metadata: type }), ...(facts && { facts }) });
  const [first, ...others] = metadata.size === 0 ? [undefined] : metadata;
  return [scope(first), ...others.map(scope)];
}

export function compileRule(rule: RuleVersion, context = noContext): Result<CompiledRule, RuleError> {
  const { compiled, errors } = lastOf(compileRuleSteps(rule, context));
  return errors[0] === undefined ? ok(compiled) : err(errors[0]);
}

export function lastOf<Value>(steps: Generator<void, Value>): Value {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
