import { type Expr, unusedVariable } from "./expr.ts";

type Kind<Case extends Expr["exprKind"]["case"]> = Extract<Expr["exprKind"], { case: Case }>;

type Constant = Kind<"constExpr">["value"]["constantKind"];

export type Entry = Kind<"structExpr">["value"]["entries"][number];

/** The nodes of an expression, as the specification has them. `id` says where in the source each stands. */
const node = (id: bigint, exprKind: Expr["exprKind"]): Expr => ({ $typeName: "cel.expr.Expr", id, exprKind });

export function constant(id: bigint, constantKind: Constant): Expr {
  return node(id, { case: "constExpr", value: { $typeName: "cel.expr.Constant", constantKind } });
}

export const int = (id: bigint, value: bigint): Expr => constant(id, { case: "int64Value", value });

export const bool = (id: bigint, value: boolean): Expr => constant(id, { case: "boolValue", value });

export const text = (id: bigint, value: string): Expr => constant(id, { case: "stringValue", value });

export function ident(id: bigint, name: string): Expr {
  return node(id, { case: "identExpr", value: { $typeName: "cel.expr.Expr.Ident", name } });
}

export function select(id: bigint, operand: Expr, field: string, testOnly = false): Expr {
  return node(id, { case: "selectExpr", value: { $typeName: "cel.expr.Expr.Select", operand, field, testOnly } });
}

export function call(id: bigint, name: string, ...args: Expr[]): Expr {
  return node(id, { case: "callExpr", value: { $typeName: "cel.expr.Expr.Call", function: name, args } });
}

export function method(id: bigint, target: Expr, name: string, ...args: Expr[]): Expr {
  return node(id, { case: "callExpr", value: { $typeName: "cel.expr.Expr.Call", target, function: name, args } });
}

export function list(id: bigint, elements: Expr[], optionalIndices: number[] = []): Expr {
  return node(id, { case: "listExpr", value: { $typeName: "cel.expr.Expr.CreateList", elements, optionalIndices } });
}

export function struct(id: bigint, messageName: string, entries: Entry[]): Expr {
  return node(id, { case: "structExpr", value: { $typeName: "cel.expr.Expr.CreateStruct", messageName, entries } });
}

export function entry(id: bigint, keyKind: Entry["keyKind"], value: Expr, optionalEntry: boolean): Entry {
  return { $typeName: "cel.expr.Expr.CreateStruct.Entry", id, keyKind, value, optionalEntry };
}

export function loop(id: bigint, parts: Omit<Kind<"comprehensionExpr">["value"], "$typeName">): Expr {
  return node(id, { case: "comprehensionExpr", value: { $typeName: "cel.expr.Expr.Comprehension", ...parts } });
}

/** A name for a value, as a loop over nothing whose result sees it. */
export function bind(id: bigint, name: string, value: Expr, result: Expr): Expr {
  return loop(id, {
    iterRange: list(id, []),
    iterVar: unusedVariable,
    iterVar2: "",
    accuVar: name,
    accuInit: value,
    loopCondition: bool(id, false),
    loopStep: ident(id, name),
    result,
  });
}
