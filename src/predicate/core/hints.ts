import { children, type Expr, literalText, qualifiedName } from "./expr.ts";
import { aType, type Type, typeText } from "./typing/type.ts";

/** The types that were known of named parts before they had values, by the ids of the parts. */
export type SaidTypes = ReadonlyMap<bigint, Type>;

/** What to write instead, as far as it is known: `; write …`, or nothing. `id`: where the evaluation failed. */
export function hintFor(expr: Expr, id: bigint, message: string, said: SaidTypes): string {
  if (message.startsWith("field not found")) return fieldHint(expr, id);
  const [, name, left = "", right = ""] = /for '(_[-+*/%<>]=?_)' applied to '\((\w+), (\w+)\)'/.exec(message) ?? [];
  const operation = find(expr, id, ({ exprKind }) => exprKind.case === "callExpr" && exprKind.value.function === name);
  const operands = operation?.exprKind.case === "callExpr" ? operation.exprKind.value.args : [];
  if (name === undefined) return "";
  const given = [left, right].map((type) => type.replace("null_type", "null"));
  return brokenSchemaHint(operands, given, said) ?? operandHint(name, operands, given);
}

/** A value that is not what its schema says: no rule can be written otherwise for that. */
function brokenSchemaHint(operands: readonly Expr[], given: readonly string[], said: SaidTypes): string | undefined {
  for (const [place, operand] of operands.entries()) {
    const type = said.get(operand.id);
    if (type !== undefined && typeText(type) !== given[place])
      return `; by its schema ${qualifiedName(operand)} is ${aType(type)}, and this value breaks it`;
  }
  return undefined;
}

/** The same of operands that have the wrong types, which are known before they are evaluated. */
export function conversionHint(name: string, operands: readonly Expr[], given: readonly Type[]): string {
  if (given.some(({ kind }) => kind === "optional")) return "; an optional value has .orValue(…)";
  const isOperator = name.startsWith("_");
  // Of names that are no numbers, none is one however it is written.
  return isOperator && !given.some(isOfWords) ? operandHint(name, operands, given.map(typeText)) : "";
}

const isOfWords = (type: Type): boolean => type.kind === "enum" && ![...type.names.values()].some((each) => numeral.test(each));

function operandHint(name: string, operands: readonly Expr[], given: readonly string[]): string {
  const [left = "", right = ""] = given;
  const side = sideToConvert(name, operands, left, right);
  if (side === undefined) return "";
  // Of two numbers, either can be.
  const places = numbers.has(left) && numbers.has(right) ? [side, 1 - side] : [side];
  for (const place of places) {
    const [wrong, type = "", wanted = ""] = [operands[place], given[place], given[1 - place]];
    const written = wrong && converted(wrong, type, wanted);
    if (wrong === undefined || written === undefined) continue;
    const text = qualifiedName(wrong);
    if (written === "null") return `; ${text} is null: ask ${text} != null first`;
    const isFromJson = text !== undefined && type === "double";
    const whole = operands.map((each) => (each === wrong ? written : textOf(each))).join(` ${name.slice(1, -1)} `);
    return `; ${isFromJson ? "each number from JSON is a double: " : ""}write ${whole}`;
  }
  return "";
}

const numbers = new Set(["int", "uint", "double"]);

/** A place among two operands. */
type Side = 0 | 1;

/** A text is added to texts; else a literal stays as it is, and what is not of its type is converted. */
function sideToConvert(name: string, operands: readonly Expr[], left: string, right: string): Side | undefined {
  const [isLeftText, isRightText] = operands.map((each) => literalText(each) !== undefined);
  if (name === "_+_" && isLeftText && right !== "null") return 1;
  if (name === "_+_" && isRightText && left !== "null") return 0;
  return sides[`${left},${right}`];
}

/** Of one type, as the other. */
function converted(expr: Expr, type: string, wanted: string): string | undefined {
  const name = qualifiedName(expr);
  if (type === "null") return name === undefined ? undefined : "null";
  const isTime = wanted === "timestamp" || wanted === "duration";
  const literal = literalText(expr);
  if (literal !== undefined) return isTime ? `${wanted}(${JSON.stringify(literal)})` : numeral.exec(literal)?.[0];
  if (isTime && type === "int" && name === undefined) return `duration("${textOf(expr)}s")`;
  return name === undefined ? undefined : `${wanted}(${name})`;
}

const numeral = /^-?\d+(?:\.\d+)?$/;

/** Which side to convert, by the types of both. */
const sides: Readonly<Record<string, Side>> = {
  "double,int": 0,
  "string,int": 0,
  "string,double": 0,
  "string,timestamp": 0,
  "string,duration": 0,
  "int,timestamp": 0,
  "int,duration": 0,
  "null,int": 0,
  "null,double": 0,
  "null,string": 0,
  "int,double": 1,
  "int,string": 1,
  "double,string": 1,
  "timestamp,string": 1,
  "duration,string": 1,
  "timestamp,int": 1,
  "duration,int": 1,
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
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isInteger(value)) return value.toFixed(1);
  return value === undefined ? (qualifiedName(expr) ?? "…") : String(value);
}
