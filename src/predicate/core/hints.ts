import { children, type Expr, qualifiedName } from "./expr.ts";

/** What to write instead, as far as it is known: `; write …`, or nothing. `id`: where the evaluation failed. */
export function hintFor(expr: Expr, id: bigint, message: string): string {
  if (message.startsWith("field not found")) return fieldHint(expr, id);
  const [, name, left = "", right = ""] = /for '(_[-+*/%<>]=?_)' applied to '\((\w+), (\w+)\)'/.exec(message) ?? [];
  const operation = find(expr, id, ({ exprKind }) => exprKind.case === "callExpr" && exprKind.value.function === name);
  const operands = operation?.exprKind.case === "callExpr" ? operation.exprKind.value.args : [];
  const side = sides[`${left},${right}`];
  const wrong = side === undefined ? undefined : operands[side === "left" ? 0 : 1];
  const text = wrong && qualifiedName(wrong);
  if (name === undefined || text === undefined) return "";
  const [wrongType, type] = side === "left" ? [left, right] : [right, left];
  if (wrongType === "null_type") return `; ${text} is null: ask ${text} != null first`;
  const written = operands.map((each) => (each === wrong ? `${type}(${text})` : textOf(each))).join(` ${name.slice(1, -1)} `);
  return `; ${wrongType === "double" ? "each number from JSON is a double: " : ""}write ${written}`;
}

/** Which side to convert, by the types of both. */
const sides: Readonly<Record<string, "left" | "right">> = {
  "double,int": "left",
  "string,int": "left",
  "string,double": "left",
  "null_type,int": "left",
  "null_type,double": "left",
  "null_type,string": "left",
  "int,double": "right",
  "int,string": "right",
  "double,string": "right",
};

function fieldHint(expr: Expr, id: bigint): string {
  const selection = find(expr, id, ({ exprKind }) => exprKind.case === "selectExpr");
  const name = selection && qualifiedName(selection);
  return name === undefined ? "" : `; has(${name}) asks whether there is one`;
}

function find(expr: Expr, id: bigint, isIt: (expr: Expr) => boolean): Expr | undefined {
  if (expr.id === id && isIt(expr)) return expr;
  for (const child of children(expr)) {
    const found = find(child, id, isIt);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** As it was written, of what is short. */
function textOf(expr: Expr): string {
  const value = expr.exprKind.case === "constExpr" ? expr.exprKind.value.constantKind.value : undefined;
  return value === undefined ? (qualifiedName(expr) ?? "…") : String(value);
}
