import { type CelMap, type CelValue, celError, celMap } from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";
import { charge, isWithin } from "./budget.ts";
import type { Bindings, Expression } from "./evaluate.ts";
import { evaluateWithin } from "./evaluate.ts";
import { type Comprehension, children, type Expr, literalText } from "./expr.ts";
import { parse } from "./parse.ts";
import type { Fact } from "./types.ts";
import { type Fields, types } from "./typing/type.ts";

/** A fact whose expression does not compile, stored by another version of Concord, is an error wherever it is read. */
export type CompiledFact = { readonly fact: Fact; readonly expression: Expression | undefined };

/** Undefined: there are none, and nobody may name them. */
export function factTypes(facts: CompiledFacts): Fields | undefined {
  if (facts.size === 0) return undefined;
  return Object.fromEntries([...facts].map(([name, { expression }]) => [name, expression?.type ?? types.dyn]));
}

export type CompiledFacts = ReadonlyMap<string, CompiledFact>;

const LibraryMap = celMap(new Map()).constructor as new (entries: ReadonlyMap<string, unknown>) => CelMap;

/** `facts` of one check. Each is evaluated when it is first read, at the cost of whoever reads it. */
class FactMap extends LibraryMap {
  readonly #facts: CompiledFacts;
  readonly #bindings: Bindings;
  readonly #known = new Map<string, CelValue>();

  constructor(facts: CompiledFacts, bindings: Bindings) {
    super(new Map());
    this.#facts = facts;
    this.#bindings = bindings;
  }

  override get(name: unknown): CelValue | undefined {
    const compiled = this.#facts.get(name as string);
    assert(compiled !== undefined, "a fact that is read is known when its name is checked");
    const known = this.#known.get(compiled.fact.name);
    if (known !== undefined) return known;
    const value = evaluateFact(compiled, this.#bindings) as CelValue;
    // What one rule could not pay for, another one may.
    if (isWithin()) this.#known.set(compiled.fact.name, value);
    return value;
  }
}

export function factMap(facts: CompiledFacts, bindings: Bindings): CelMap {
  return new FactMap(facts, bindings);
}

/** The library takes an error for a value where it reads a field, and passes it on as the error of that place. */
function evaluateFact({ fact, expression }: CompiledFact, bindings: Bindings): unknown {
  if (expression === undefined) return celError(`fact "${fact.name}" does not compile`);
  try {
    charge(expression.baseCost);
  } catch (error) {
    return celError(error);
  }
  const value = evaluateWithin(expression, bindings);
  return value.ok ? value.value : celError(`fact "${fact.name}", ${value.error}`);
}

/** The facts that an expression reads by itself, whatever its variables are called. What does not parse reads none. */
export function factsReadBy(source: string): ReadonlySet<string> {
  const parsed = parse(source);
  const names = new Set<string>();
  if (parsed.ok) collect(parsed.value.expr, names);
  return names;
}

function collect(expr: Expr, names: Set<string>): void {
  const name = factName(expr);
  if (name !== undefined) names.add(name);
  for (const child of children(expr)) collect(child, names);
}

/**
 * Where `facts` stands otherwise than before the name of one of them. It is no map: which ones an expression reads must be known, so that they
 * do not go in a circle, and only what is read is evaluated.
 */
export function bareFacts(expr: Expr): Expr | undefined {
  if (isFacts(expr)) return expr;
  // Beside `facts` stands nothing but the name.
  if (factName(expr) !== undefined) return undefined;
  const { exprKind } = expr;
  // In a loop over a variable of that name, it is that variable.
  if (exprKind.case === "comprehensionExpr" && variablesOf(exprKind.value).includes("facts")) return undefined;
  for (const child of children(expr)) {
    const bare = bareFacts(child);
    if (bare !== undefined) return bare;
  }
  return undefined;
}

const variablesOf = ({ iterVar, iterVar2, accuVar }: Comprehension): readonly string[] => [iterVar, iterVar2, accuVar];

function factName({ exprKind }: Expr): string | undefined {
  if (exprKind.case === "selectExpr") return isFacts(exprKind.value.operand) ? exprKind.value.field : undefined;
  if (exprKind.case !== "callExpr" || !["_[_]", "_?._", "_[?_]"].includes(exprKind.value.function)) return undefined;
  const [operand, index] = exprKind.value.args;
  return isFacts(operand) ? index && literalText(index) : undefined;
}

const isFacts = (expr: Expr | undefined): boolean => expr?.exprKind.case === "identExpr" && expr.exprKind.value.name === "facts";
