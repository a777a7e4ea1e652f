import type { WorkflowState } from "../../kernel/lifecycle.ts";
import { variablesWith } from "./bindings.ts";
import type { CompileError } from "./compile.ts";
import { type CompiledRule, compileAffordable, compileRuleSteps, type RuleField } from "./compile-rule.ts";
import { type CompiledFact, type CompiledFacts, factsReadBy, factTypes } from "./facts.ts";
import { saysSame } from "./rule-set/same.ts";
import type { Check, Fact, RuleSetContents, RuleVersion } from "./types.ts";
import { type CompiledType, type CompiledTypes, compileTypes } from "./workflow-types.ts";

/** All that judges under one revision, compiled. */
export type RuleSet = {
  readonly revision: number;
  readonly contents: RuleSetContents;
  readonly facts: CompiledFacts;
  readonly workflowTypes: CompiledTypes;
  readonly compiled: ReadonlyMap<RuleVersion, CompiledRule>;
  readonly index: RuleIndex;
};

/** What applies to a move of a workflow of a type; `""`: of none. From a state to itself: to an update in it. */
export type RuleIndex = (from: WorkflowState, to: WorkflowState, workflowType: string) => Applying;

export type Applying = {
  /** Those that deny first, then those that warn, then those that audit; of each highest priority first, then by id. */
  readonly rules: readonly CompiledRule[];
  readonly shadows: readonly CompiledShadow[];
};

/** A rule in shadow; undefined: it does not apply to what the active version applies to. */
export type CompiledShadow = {
  readonly shadow: RuleVersion;
  readonly compiled: CompiledRule | undefined;
  readonly active: RuleVersion | undefined;
};

/** What is wrong with a part of a rule set. */
export type RuleSetProblem = {
  readonly kind: "RULE" | "FACT" | "WORKFLOW_TYPE";
  readonly name: string;
  readonly version: number;
  readonly field: RuleField | "metadata_schema";
  readonly error: CompileError;
};

/**
 * Compiles what is not compiled in `before`: what says the same means the same as long as the facts do. Versions alone do not tell, since one that
 * was only tried has the number of a later one. Each step compiles one expression. A stored rule that has problems does not hold for anything that it applies to.
 */
export function* compileContents(
  contents: RuleSetContents,
  before?: RuleSet,
): Generator<void, { readonly ruleSet: RuleSet; readonly problems: readonly RuleSetProblem[] }> {
  const workflowTypes = yield* compileTypes(contents.workflowTypes, before?.workflowTypes);
  const problems = [...workflowTypes.values()].flatMap(schemaProblems);
  const sameFacts = before !== undefined && areSame(before.contents.facts, contents.facts);
  const facts = sameFacts ? before.facts : yield* compileFacts(contents.facts, problems);
  const known =
    sameFacts && isSameTypes(before.workflowTypes, workflowTypes) ? byVersion(before) : new Map<string, CompiledRule>();
  const compiled = new Map<RuleVersion, CompiledRule>();
  for (const rule of [...contents.active, ...contents.shadow]) {
    const usable = known.get(keyOf(rule));
    if (usable?.expression.ok && saysSame(rule, usable.rule)) {
      compiled.set(rule, usable);
      continue;
    }
    const { compiled: fresh, errors } = yield* compileRuleSteps(rule, { facts, workflowTypes });
    for (const { field, ...error } of errors) problems.push({ kind: "RULE", name: rule.id, version: rule.version, field, error });
    compiled.set(rule, fresh);
  }
  const { revision } = contents;
  return { ruleSet: { revision, contents, facts, workflowTypes, compiled, index: indexOf(contents, compiled) }, problems };
}

function schemaProblems({ workflowType, schema }: CompiledType): RuleSetProblem[] {
  const { name, version } = workflowType;
  const errors = schema.ok ? [] : schema.error;
  return errors.map(({ path, message }) => ({
    kind: "WORKFLOW_TYPE",
    name,
    version,
    field: "metadata_schema",
    error: errorAtStart(`${path}: ${message}`),
  }));
}

const errorAtStart = (message: string): CompileError => ({ line: 1, column: 1, message, snippet: "", others: [] });

/** Each was taken over. */
function isSameTypes(before: CompiledTypes, after: CompiledTypes): boolean {
  return before.size === after.size && [...after].every(([name, type]) => before.get(name) === type);
}

function areSame(before: readonly Fact[], after: readonly Fact[]): boolean {
  return before.length === after.length && after.every((fact, index) => saysSame(fact, before[index] ?? {}));
}

const keyOf = ({ id, version }: RuleVersion): string => `${id} ${version}`;

const byVersion = ({ compiled }: RuleSet) => new Map([...compiled].map(([rule, each]) => [keyOf(rule), each]));

/** Each after those that it reads, and with these as its variables. */
function* compileFacts(facts: readonly Fact[], problems: RuleSetProblem[]): Generator<void, CompiledFacts> {
  const compiled = new Map<string, CompiledFact>();
  const reads = new Map(facts.map((fact) => [fact.name, factsReadBy(fact.expression)]));
  const missing = ({ name }: Fact) => [...(reads.get(name) ?? [])].filter((read) => reads.has(read) && !compiled.has(read));
  for (let left = facts; left.length > 0; ) {
    const ready = left.filter((fact) => missing(fact).length === 0);
    for (const fact of ready.length > 0 ? ready : left) {
      const circle = missing(fact);
      const result = compileAffordable(fact.expression, variablesWith({ facts: factTypes(compiled) ?? {} }));
      if (!result.ok) {
        const error = circle.length === 0 ? result.error : errorAtStart(circleMessage(fact.name, circle, reads));
        problems.push({ kind: "FACT", name: fact.name, version: fact.version, field: "expression", error });
      }
      compiled.set(fact.name, { fact, expression: result.ok ? result.value : undefined });
      yield;
    }
    left = left.filter(({ name }) => !compiled.has(name));
  }
  return compiled;
}

function circleMessage(name: string, [first = ""]: readonly string[], reads: ReadonlyMap<string, ReadonlySet<string>>): string {
  const way = [name];
  for (let next = first; !way.includes(next); ) {
    way.push(next);
    next = [...(reads.get(next) ?? [])].find((read) => reads.has(read)) ?? name;
  }
  return `facts must not read each other in a circle: ${[...way, name].join(" → ")}`;
}

/** Rules by move; of a type, when it is first asked for. */
function indexOf(contents: RuleSetContents, compiled: ReadonlyMap<RuleVersion, CompiledRule>): RuleIndex {
  const { active, shadow } = contents;
  const named = new Set([...active, ...shadow].flatMap(({ workflowTypes }) => workflowTypes));
  const sorted = active.toSorted(inOrder);
  const known = new Map<string, Applying>();
  return (from, to, workflowType) => {
    // What no rule names is as no type, so that callers cannot make this grow.
    const type = named.has(workflowType) ? workflowType : "";
    const key = `${from}>${to} ${type}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const inScope = (rule: RuleVersion): boolean => applies(rule, from, to, type);
    const applying: Applying = {
      rules: sorted.filter(inScope).map((rule) => compiled.get(rule) as CompiledRule),
      shadows: shadow.flatMap((each) => shadowOf(each, active, compiled, inScope)),
    };
    known.set(key, applying);
    return applying;
  };
}

function shadowOf(
  shadow: RuleVersion,
  all: readonly RuleVersion[],
  compiled: ReadonlyMap<RuleVersion, CompiledRule>,
  applying: (rule: RuleVersion) => boolean,
): CompiledShadow[] {
  const active = all.find(({ id }) => id === shadow.id);
  const inScope = applying(shadow);
  if (!inScope && (active === undefined || !applying(active))) return [];
  return [{ shadow, compiled: inScope ? compiled.get(shadow) : undefined, active }];
}

const rank = { DENY: 0, WARN: 1, AUDIT: 2 } as const;

function inOrder(a: RuleVersion, b: RuleVersion): number {
  return rank[a.action] - rank[b.action] || b.priority - a.priority || (a.id < b.id ? -1 : 1);
}

/** Of a workflow without a type, only what applies to all. */
function applies(rule: RuleVersion, from: WorkflowState, to: WorkflowState, type: string): boolean {
  const { operations, moves, workflowTypes } = rule;
  if (workflowTypes.length > 0 && !workflowTypes.includes(type)) return false;
  // No move leads from a state to itself.
  if (from === to) return operations.includes("UPDATE");
  if (!operations.includes("TRANSITION")) return false;
  return moves.length === 0 || moves.some((move) => (move.from ?? from) === from && (move.to ?? to) === to);
}

export function applyingTo({ index }: RuleSet, { workflow, targetState }: Check): Applying {
  return index(workflow.state, targetState, workflow.type);
}
