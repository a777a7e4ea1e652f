import { nearest } from "../../kernel/nearest.ts";
import { type Expr, qualifiedName } from "./expr.ts";

/** Each spelling of each name of an enum, and the text that is its value in expressions. */
export type EnumNames = ReadonlyMap<string, string>;

/** `ACTIVE`, and `WORKFLOW_STATE_ACTIVE` as the contract has it. `orNone`: there may be no value yet, which is `""`. */
export function enumNames(prefix: string, names: readonly string[], orNone = false): EnumNames {
  const spelled = new Map(names.flatMap((name) => [name, `${prefix}${name}`].map((spelling) => [spelling, name])));
  return orNone ? spelled.set("", "").set(`${prefix}UNSPECIFIED`, "") : spelled;
}

/** What is wrong with an expression, and with which part. `hint`: what to write instead, made when it is shown. */
export type Problem = { readonly expr: Expr; readonly message: string; readonly hint?: (() => string) | undefined };

/** What is known of a part of an expression: the names of its enum, and the literals whose value it can have. */
type Known = {
  readonly namesOf: (expr: Expr) => EnumNames | undefined;
  readonly literalsOf: (expr: Expr) => readonly Expr[];
};

/**
 * Where an enum is compared with literals: gives them the spelling that values have, or says which one is no name of the enum. It would
 * never be equal, and nobody would be told. `left` is compared with each of the others.
 */
export function spellNames(left: Expr, others: readonly Expr[], { namesOf, literalsOf }: Known): Problem | undefined {
  // Beside a value of no enum, the literal must stay as it is written: that value may well be the long name.
  const respell = others.every((other) => namesOf(other) !== undefined);
  // One of each enum: many of many would take long.
  const ofEach = new Map(others.map((other) => [namesOf(other), other]));
  const problems = [
    ...others.flatMap(literalsOf).map((literal) => spellName(left, literal, namesOf(left), true)),
    ...literalsOf(left).flatMap((literal) => [...ofEach].map(([names, other]) => spellName(other, literal, names, respell))),
  ];
  return problems.find((problem) => problem !== undefined);
}

function spellName(field: Expr, literal: Expr, names: EnumNames | undefined, respell: boolean): Problem | undefined {
  if (names === undefined || literal.exprKind.case !== "constExpr") return undefined;
  const { constantKind } = literal.exprKind.value;
  const name = constantKind.case === "stringValue" ? names.get(constantKind.value) : undefined;
  if (constantKind.case === "stringValue" && name !== undefined && (respell || name === constantKind.value)) {
    constantKind.value = name;
    return undefined;
  }
  const given = constantKind.case === "nullValue" ? "null" : textOf(constantKind.value);
  const known = [...new Set(names.values())];
  const shown = known.map((each) => (each === "" ? '""' : each));
  const hint = () => meantName(String(constantKind.value), known, shown);
  return { expr: literal, message: `${qualifiedName(field) ?? "this"} is never ${given}`, hint };
}

/** The name that was meant, or all that there are, as they are `shown`. */
export function meantName(given: string, names: readonly string[], shown: readonly string[]): string {
  const meant = nearest(given, names);
  return meant === undefined ? `; it is one of ${shown.join(", ")}` : `; did you mean ${JSON.stringify(meant)}?`;
}

const textOf = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value));
