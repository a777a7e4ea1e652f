import type { Expr } from "../expr.ts";
import type { Constant, Family, Test } from "./domain.ts";
import type { Order, Ordered } from "./range.ts";
import { constantOf, type Move, type Term, termOf } from "./term.ts";

/** How an expression comes to be true or false, from what is asked of terms. */
export type Formula =
  | { readonly type: "atom"; readonly term: Term; readonly test: Test }
  | { readonly type: "not"; readonly of: Formula }
  | { readonly type: "and" | "or"; readonly left: Formula; readonly right: Formula }
  | { readonly type: "choice"; readonly condition: Formula; readonly yes: Formula; readonly no: Formula };

export function formulaOf(expr: Expr, move: Move): Formula {
  const { exprKind } = expr;
  const [name, first, second, third] =
    exprKind.case === "callExpr" ? [exprKind.value.function, ...exprKind.value.args] : ["" as const];
  if (first !== undefined && second !== undefined) {
    if (name === "_&&_") return { type: "and", left: formulaOf(first, move), right: formulaOf(second, move) };
    if (name === "_||_") return { type: "or", left: formulaOf(first, move), right: formulaOf(second, move) };
    if (name === "_?_:_" && third !== undefined) {
      return { type: "choice", condition: formulaOf(first, move), yes: formulaOf(second, move), no: formulaOf(third, move) };
    }
    // `a != b` fails where `a == b` fails.
    if (name === "_!=_") return { type: "not", of: equality(expr, first, [second], move) };
    if (name === "_==_") return equality(expr, first, [second], move);
    if (name === "@in" && second.exprKind.case === "listExpr") return equality(expr, first, second.exprKind.value.elements, move);
    const order = orders.get(name ?? "");
    if (order !== undefined) return comparison(expr, order, first, second, move);
  }
  if (name === "!_" && first !== undefined) return { type: "not", of: formulaOf(first, move) };
  return whole(expr, move);
}

/** Of what is looked at no closer, only that it is the same each time. */
const whole = (expr: Expr, move: Move): Formula => ({ type: "atom", term: termOf(expr, move), test: { type: "is" } });

/** A term equals one of some constants; on either side, if it is one. */
function equality(expr: Expr, left: Expr, others: readonly Expr[], move: Move): Formula {
  const constants = others.map((other) => constantOf(other, move)).filter((constant) => constant !== undefined);
  if (constants.length === others.length) {
    return { type: "atom", term: termOf(left, move), test: { type: "equals", constants } };
  }
  const [right] = others;
  const constant = constantOf(left, move);
  if (others.length === 1 && constant !== undefined && right !== undefined) {
    return { type: "atom", term: termOf(right, move), test: { type: "equals", constants: [constant] } };
  }
  return whole(equalityOf(expr), move);
}

/** `a != b` is the opposite of `a == b`, and is looked at as such. */
function equalityOf(expr: Expr): Expr {
  const { exprKind } = expr;
  if (exprKind.case !== "callExpr" || exprKind.value.function !== "_!=_") return expr;
  return { ...expr, exprKind: { ...exprKind, value: { ...exprKind.value, function: "_==_" } } };
}

const orders: ReadonlyMap<string, Order> = new Map([
  ["_<_", "<"],
  ["_<=_", "<="],
  ["_>_", ">"],
  ["_>=_", ">="],
]);
const turned: Readonly<Record<Order, Order>> = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

function comparison(expr: Expr, order: Order, left: Expr, right: Expr, move: Move): Formula {
  const [constant, other] = [constantOf(right, move), constantOf(left, move)];
  const atom = (term: Expr, by: Order, { type, value }: OrderedConstant): Formula => ({
    type: "atom",
    term: termOf(term, move),
    test: { type: "order", order: by, family: type, value },
  });
  if (isOrdered(constant)) return atom(left, order, constant);
  if (isOrdered(other)) return atom(right, turned[order], other);
  return whole(expr, move);
}

type OrderedConstant = { readonly type: Family; readonly value: Ordered };

const isOrdered = (constant: Constant | undefined): constant is OrderedConstant => constant !== undefined && "value" in constant;
