import { fieldsOf, namesOf, type Scope, typeNames } from "./check.ts";
import { meteredEnv } from "./environment.ts";
import type { Expr } from "./expr.ts";

/** What an expression is for: a condition, or a text to show. */
export type ResultType = "bool" | "string";

const constantTypes: Readonly<Record<string, ResultType>> = { boolValue: "bool", stringValue: "string" };

/** False if it is known without data that the result never has this type. */
export function mayBe(wanted: ResultType, expr: Expr, scope: Scope): boolean {
  const { exprKind } = expr;
  if (namesOf(expr, scope) !== undefined) return wanted === "string";
  switch (exprKind.case) {
    case "constExpr":
      return constantTypes[exprKind.value.constantKind.case ?? ""] === wanted;
    case "identExpr":
      return fieldsOf(expr, scope) === undefined && !typeNames.has(exprKind.value.name);
    case "selectExpr":
      return !exprKind.value.testOnly || wanted === "bool";
    case "listExpr":
      return false;
    case "structExpr":
      // A message may be the wrapper of a bool or a text.
      return exprKind.value.messageName !== "";
    case "callExpr":
      return callMayBe(wanted, exprKind.value.function, exprKind.value.args, scope);
    default:
      return true;
  }
}

function callMayBe(wanted: ResultType, name: string, args: readonly Expr[], scope: Scope): boolean {
  switch (name) {
    case "_&&_":
    case "_||_":
      return wanted === "bool";
    case "_?_:_":
      return args.slice(1).some((branch) => mayBe(wanted, branch, scope));
    case "_[_]":
      return true;
    default:
      return [...(meteredEnv.funcs.find(name) ?? [])].some(({ result }) => [wanted, "dyn"].includes(result.name));
  }
}
