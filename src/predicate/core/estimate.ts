import { assert } from "../../kernel/assert.ts";
import { structBytesMax, structValueCountMax } from "../../kernel/limits.ts";
import { charactersPerUnit } from "./costs.ts";
import type { Expression } from "./evaluate.ts";
import { type Comprehension, type Expr, isBind, literalText, qualifiedName } from "./expr.ts";
import { literalRegex, matchCost } from "./regex.ts";
import { costAtLeast, costAtMost, leastOf, mostOf, nothing, product, type Sizes, scalar, unbounded, union } from "./sizes.ts";

/** Of an evaluation that ends with a value, whatever the data. `max` undefined: it has no bound, or none that is known. */
export type CostEstimate = { readonly min: number; readonly max: number | undefined };

/**
 * From the lowered expression, as it is evaluated. `min` is never more than what an evaluation costs that ends with a value: what is more
 * than `evaluationCostMax` can never finish. `max` takes each part of the data to be as large as all of it may be.
 */
export function estimate({ expr, baseCost }: Pick<Expression, "expr" | "baseCost">): CostEstimate {
  const { min, max } = partOf(expr, new Map());
  return { min: baseCost + min, max: Number.isFinite(max) ? baseCost + max : undefined };
}

/** What a part of an expression costs besides being counted, and how large its value is. */
type Part = {
  /** If it ends with a value. With an error, which `&&`, `||` and loops may swallow, it may end at once. */
  readonly min: number;
  readonly max: number;
  readonly least: Sizes;
  readonly most: Sizes;
};

/** The values of variables that the expression itself introduces. */
type Locals = ReadonlyMap<string, Pick<Part, "least" | "most">>;

const part = (least: Sizes, most: Sizes): Part => ({ min: 0, max: 0, least, most });

/** What is beside the metadata in a workflow, or beside the context in a request. */
const otherFieldsWeight = 1_000;

/** Any part of the metadata, or of the context. */
const data: Sizes = {
  text: structBytesMax,
  items: structValueCountMax,
  weight: structValueCountMax + structBytesMax / charactersPerUnit + otherFieldsWeight,
};

const person: Sizes = { text: 512, items: 0, weight: 512 / charactersPerUnit };

/** A character may be a pair in UTF-16. The contract bounds `reason` to 1,000, and whoever asks to 256. */
const texts: Readonly<Record<string, Sizes>> = {
  "request.reason": { text: 2_000, items: 0, weight: 2_000 / charactersPerUnit },
  "request.requested_by": person,
  "request.authenticated_as": person,
  "workflow.state": scalar,
  "workflow.previous_state": scalar,
  "workflow.version": nothing,
  "workflow.retry_count": nothing,
  "workflow.created_at": nothing,
  "workflow.updated_at": nothing,
  "workflow.state_entered_at": nothing,
  "workflow.recoverable_at": nothing,
  "workflow.created_by": person,
  "workflow.updated_by": person,
  workflow: data,
  proposed: data,
  operation: scalar,
  request: data,
  last_event: data,
  from: scalar,
  to: scalar,
  now: nothing,
};

function partOf(expr: Expr, locals: Locals): Part {
  const { exprKind } = expr;
  assert(exprKind.case !== undefined, "a parsed node is of some kind");
  switch (exprKind.case) {
    case "constExpr": {
      const { value } = exprKind.value.constantKind;
      const text = typeof value === "string" || value instanceof Uint8Array ? value.length : 0;
      const sizes = { text, items: 0, weight: text / charactersPerUnit };
      return part(sizes, sizes);
    }
    case "identExpr":
      return variable(exprKind.value.name, locals);
    case "selectExpr":
      return exprKind.value.operand === undefined ? part(nothing, unbounded) : selection(expr, exprKind.value.operand, locals);
    case "comprehensionExpr":
      return isBind(exprKind.value) ? bound(exprKind.value, locals) : loop(exprKind.value, locals);
    case "callExpr":
      return call(exprKind.value, locals);
    case "listExpr":
      return listOf(exprKind.value.elements, locals);
    case "structExpr":
      return listOf(
        exprKind.value.entries.map(({ value }) => value).filter((value) => value !== undefined),
        locals,
      );
  }
}

function variable(name: string, locals: Locals): Part {
  const local = locals.get(name);
  // Whoever reads a fact pays for it.
  if (local === undefined && name === "facts") return { ...part(nothing, unbounded), max: Infinity };
  return local === undefined ? part(nothing, texts[name] ?? unbounded) : part(local.least, local.most);
}

function selection(expr: Expr, operand: Expr, locals: Locals): Part {
  const from = partOf(operand, locals);
  const [root = ""] = qualifiedName(expr)?.split(".") ?? [];
  const known = locals.has(root) ? undefined : texts[qualifiedName(expr) ?? ""];
  return { ...from, least: nothing, most: known ?? from.most };
}

function listOf(elements: readonly Expr[], locals: Locals): Part {
  const parts = elements.map((element) => partOf(element, locals));
  const sizesOf = (side: "least" | "most"): Sizes => ({
    text: side === "least" ? 0 : Math.max(0, ...parts.map(({ most }) => most.text)),
    items: Math.max(parts.length, ...(side === "least" ? [] : parts.map(({ most }) => most.items))),
    weight: parts.reduce((sum, each) => sum + 1 + each[side].weight, 0),
  });
  return { ...all(parts), least: sizesOf("least"), most: sizesOf("most") };
}

/** All are evaluated, one after the other, up to the first error. */
function all(parts: readonly Part[]): Pick<Part, "min" | "max"> {
  return { min: sum(parts, "min"), max: sum(parts, "max") };
}

const sum = (parts: readonly Part[], field: "min" | "max"): number => parts.reduce((total, each) => total + each[field], 0);

type Call = Extract<Expr["exprKind"], { case: "callExpr" }>["value"];

function call({ function: name, target, args }: Call, locals: Locals): Part {
  const operands = target === undefined ? args : [target, ...args];
  const parts = operands.map((operand) => partOf(operand, locals));
  const [first, second, third] = parts;
  if ((name === "_&&_" || name === "_||_") && first && second) {
    // The second is not evaluated if the first decides. An error of the first does not.
    return { ...all(parts), min: Math.min(first.min, second.min), least: nothing, most: nothing };
  }
  if (name === "_?_:_" && first && second && third) {
    const chosen = { min: first.min + Math.min(second.min, third.min), max: first.max + Math.max(second.max, third.max) };
    return { ...chosen, least: nothing, most: union(second.most, third.most) };
  }
  const facts = { number: integerOf(operands.at(-1)), instructions: instructionsOf(name, args.at(-1)) };
  const [least, most] = [parts.map((each) => each.least), parts.map((each) => each.most)];
  const { min, max } = all(parts);
  return {
    min: min + costAtLeast(name, least, facts),
    max: max + costAtMost(name, most, facts),
    least: leastOf(name, least, facts),
    most: mostOf(name, most, facts),
  };
}

function integerOf(expr: Expr | undefined): number | undefined {
  const constant = expr?.exprKind.case === "constExpr" ? expr.exprKind.value.constantKind : undefined;
  return constant?.case === "int64Value" ? Number(constant.value) : undefined;
}

/** What a literal pattern costs for each character. */
function instructionsOf(name: string, pattern: Expr | undefined): number | undefined {
  const text = pattern && literalText(pattern);
  return name === "@matches" && text !== undefined ? matchCost(literalRegex(text), "") : undefined;
}

/** A name for a value, which is evaluated first. */
function bound({ accuInit, accuVar, result }: Comprehension, locals: Locals): Part {
  assert(accuInit && result, "a binding is complete");
  const value = partOf(accuInit, locals);
  const inner = partOf(result, new Map([...locals, [accuVar, value]]));
  return { ...inner, ...all([value, inner]) };
}

function loop({ iterRange, iterVar, accuInit, accuVar, loopCondition, loopStep, result }: Comprehension, locals: Locals): Part {
  assert(iterRange && accuInit && loopCondition && loopStep && result, "a parsed loop is complete");
  const range = partOf(iterRange, locals);
  // What is collected is not looked at before the end; the other loops count, or remember a bool.
  const inner = new Map([
    ...locals,
    [accuVar, { least: nothing, most: nothing }] as const,
    [iterVar, { least: nothing, most: range.most }] as const,
  ]);
  const [condition, step, end] = [loopCondition, loopStep, result].map((each) => partOf(each, inner)) as [Part, Part, Part];
  const count = range.most.items;
  const visitsAll = isVisitingAll(loopCondition);
  return {
    min: range.min + (visitsAll ? range.least.items * step.min : 0),
    max: range.max + product(count, condition.max + step.max) + end.max,
    least: isMap(loopStep) ? { text: 0, items: range.least.items, weight: range.least.items } : nothing,
    most: isCollecting(accuInit)
      ? { text: step.most.text, items: Math.max(count, step.most.items), weight: product(count, step.most.weight) }
      : nothing,
  };
}

/** Every element is visited, unless there is an error, which stays: the condition is `true`, and asks nothing of what was collected. */
const isVisitingAll = (condition: Expr): boolean => argumentsOf(condition)[1]?.exprKind.case === "constExpr";

const isCollecting = (accuInit: Expr): boolean => nameOf(accuInit) === "@collect" || nameOf(accuInit) === "@collectMap";

/** The list has as many elements as it visits. */
const isMap = (step: Expr): boolean => nameOf(step) === "@append";

const nameOf = ({ exprKind }: Expr): string => (exprKind.case === "callExpr" ? exprKind.value.function : "");

const argumentsOf = ({ exprKind }: Expr): readonly Expr[] => (exprKind.case === "callExpr" ? exprKind.value.args : []);
