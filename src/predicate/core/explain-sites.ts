import { isCelError } from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";
import type { Expression } from "./evaluate.ts";
import { shownValue } from "./explain-value.ts";
import { isTypeName, type Outcome } from "./explain-walk.ts";
import { type Comprehension, children, type Expr, isBind } from "./expr.ts";
import type { Span } from "./parse.ts";
import type { Position } from "./position.ts";

/** A part of an expression, as somebody has written it, whose value tells something. */
export type Site = {
  readonly expr: Expr;
  readonly span: Span;
  /** The innermost loop that evaluates it for each element; undefined: it is in none. */
  readonly loop: Expr | undefined;
  /** The loops that it is, or that its macro stands for. */
  readonly loops: Expr[];
  /** It decides: the whole, an operand of `&&`, `||`, `!`, or of a condition. */
  readonly isBranch: boolean;
};

export type Sites = {
  /** As they stand in the source, outer ones first. */
  readonly sites: readonly Site[];
  /** Fields and elements of variables of the check, in the order of evaluation. */
  readonly reads: readonly Expr[];
};

/** Of a lowered expression. */
export function sitesOf(expr: Expr, spans: ReadonlyMap<Expr, Span>, variables: Readonly<Record<string, unknown>>): Sites {
  const found: Found = { sites: [], reads: [], spans, variables };
  visit(expr, { loop: undefined, owner: undefined, locals: new Set(), isBranch: true, isBase: false }, found);
  return { ...found, sites: found.sites.sort((a, b) => a.span.offset - b.span.offset || b.span.length - a.span.length) };
}

type Found = {
  readonly sites: Site[];
  readonly reads: Expr[];
  readonly spans: ReadonlyMap<Expr, Span>;
  readonly variables: Readonly<Record<string, unknown>>;
};

type Place = {
  readonly loop: Expr | undefined;
  readonly owner: Site | undefined;
  readonly locals: ReadonlySet<string>;
  readonly isBranch: boolean;
  /** A field or an element of it is selected: that tells enough. */
  readonly isBase: boolean;
};

function visit(expr: Expr, place: Place, found: Found): void {
  const owner = siteAt(expr, place, found) ?? place.owner;
  const within = { ...place, owner, isBranch: false, isBase: false };
  if (expr.exprKind.case === "comprehensionExpr") {
    visitLoop(expr, expr.exprKind.value, within, found);
    return;
  }
  const base = baseOf(expr);
  if (!place.isBase && isRead(expr, place, found)) found.reads.push(expr);
  const isDeciding = decides(expr);
  for (const child of children(expr)) {
    visit(
      child,
      { ...within, isBranch: isDeciding, isBase: child === base && (isName(child) || baseOf(child) !== undefined) },
      found,
    );
  }
}

function siteAt(expr: Expr, { loop, locals, isBranch, isBase }: Place, { spans, variables, sites }: Found): Site | undefined {
  const span = spans.get(expr);
  if (span === undefined || isBase || isLiteral(expr) || isTypeName(expr)) return undefined;
  // `int` is the name of a type, too.
  if (isName(expr) && !locals.has(nameOf(expr)) && !Object.hasOwn(variables, nameOf(expr))) return undefined;
  const site: Site = { expr, span, loop, loops: [], isBranch };
  sites.push(site);
  return site;
}

function visitLoop(expr: Expr, value: Comprehension, place: Place, found: Found): void {
  const { accuInit, accuVar, iterRange, iterVar, loopCondition, loopStep, result } = value;
  assert(accuInit && iterRange && loopCondition && loopStep && result, "a parsed loop is complete");
  const names = isBind(value) ? [accuVar] : [accuVar, iterVar];
  const inner = { ...place, locals: new Set([...place.locals, ...names]) };
  const each = { ...inner, loop: expr };
  if (!isBind(value)) place.owner?.loops.push(expr);
  visit(accuInit, place, found);
  visit(iterRange, place, found);
  visit(loopCondition, each, found);
  visit(loopStep, each, found);
  visit(result, inner, found);
}

const isName = ({ exprKind }: Expr): boolean => exprKind.case === "identExpr";

const nameOf = ({ exprKind }: Expr): string => (exprKind.case === "identExpr" ? exprKind.value.name.replace(/^\./, "") : "");

const selections = new Set(["_[_]", "@select", "@optional", "@has"]);

/** What a field or an element is selected from. */
function baseOf({ exprKind }: Expr): Expr | undefined {
  if (exprKind.case === "selectExpr") return exprKind.value.operand;
  return exprKind.case === "callExpr" && selections.has(exprKind.value.function) ? exprKind.value.args[0] : undefined;
}

/** Whether a chain of fields and elements starts at a variable of the check. */
function isRead(expr: Expr, { locals }: Place, { variables }: Found): boolean {
  let start = expr;
  for (let base = baseOf(start); base !== undefined; base = baseOf(start)) start = base;
  return isName(start) && !locals.has(nameOf(start)) && Object.hasOwn(variables, nameOf(start));
}

/** Of a site, where its errors are said to be. */
export function placeOf({ id }: Expr, { positionOf }: Expression): Position {
  const position = positionOf(id);
  assert(position !== undefined, "what somebody has written stands somewhere");
  return position;
}

/** `has(a.b)`. */
export const asksForPresence = ({ exprKind }: Expr): boolean =>
  exprKind.case === "callExpr" && exprKind.value.function === "@has";

/** How one writes it, with the keys that were asked for. */
export function pathOf(expr: Expr, outcomes: ReadonlyMap<Expr, Outcome>): string {
  const base = baseOf(expr);
  if (base === undefined) return nameOf(expr);
  const { exprKind } = expr;
  const path = pathOf(base, outcomes);
  if (exprKind.case === "selectExpr") return path + keyText(exprKind.value.field);
  const key = exprKind.case === "callExpr" ? exprKind.value.args[1] : undefined;
  return path + keyText(key && outcomes.get(key));
}

function keyText(key: Outcome | undefined): string {
  if (typeof key === "string" && /^[a-zA-Z_]\w*$/.test(key)) return `.${key}`;
  return `[${key === undefined || isCelError(key) ? "…" : shownValue(key)}]`;
}

const deciding = new Set(["_&&_", "_||_", "!_", "_?_:_"]);

const decides = ({ exprKind }: Expr): boolean => exprKind.case === "callExpr" && deciding.has(exprKind.value.function);

/** A literal, or a list or map of nothing else. */
function isLiteral(expr: Expr): boolean {
  const { exprKind } = expr;
  if (exprKind.case === "constExpr") return true;
  const isCollection =
    exprKind.case === "listExpr" ||
    exprKind.case === "structExpr" ||
    (exprKind.case === "callExpr" && exprKind.value.function === "@map");
  return isCollection && children(expr).every(isLiteral);
}
