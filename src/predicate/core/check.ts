import { isCelError, plan } from "@bufbuild/cel";
import { withinBudget } from "./budget.ts";
import { list } from "./build.ts";
import { type EnumNames, type Problem, spellNames } from "./enum-names.ts";
import { meteredEnv } from "./environment.ts";
import {
  type Comprehension,
  children,
  type Expr,
  isBind,
  literalPattern,
  literalText,
  loopParts,
  qualifiedName,
  uses,
} from "./expr.ts";
import { evaluationCostMax } from "./limits.ts";
import { macroForms } from "./macros.ts";
import { compileCost, compileRegex } from "./regex.ts";

/** The variables an expression may use, each with its fields where these are known. */
export type Variables = Readonly<Record<string, ValueType | Fields>>;

type Fields = Readonly<Record<string, ValueType>>;

/** Of an enum, its names are known. */
type ValueType = "value" | EnumNames;

/** `locals` are the variables of the comprehensions around. */
export type Scope = { readonly variables: Variables; readonly locals: ReadonlyMap<string, Local> };

/** The elements that it goes through, as far as they stand in the expression and this is all that is done with them. */
type Local = { readonly names: EnumNames | undefined; readonly literals: readonly Expr[] };

const unknownLocal: Local = { names: undefined, literals: [] };

/** The first name that does not exist, or is not used as it can be. */
export function problemOf(expr: Expr, scope: Scope): Problem | undefined {
  indexToField(expr, scope);
  qualify(expr, scope);
  const { exprKind } = expr;
  if (exprKind.case === "comprehensionExpr") {
    const loop = exprKind.value;
    return firstProblem([loop.iterRange, loop.accuInit], scope) ?? firstProblem(loopParts(loop), within(loop, scope));
  }
  if (exprKind.case === "selectExpr" && meteredEnv.registry.getMessage(qualifiedName(expr) ?? "") !== undefined) return undefined;
  const message = ownProblem(expr, scope) ?? regexProblem(literalPattern(expr)) ?? unreadableProblem(expr);
  const own = message === undefined ? undefined : { expr, message };
  if (exprKind.case === "callExpr" && Object.hasOwn(macroForms, exprKind.value.function)) return own;
  // The innermost first: it is what the others follow from, and it stands further left.
  return firstProblem(children(expr), scope) ?? own ?? spellNames(expr, knownIn(scope));
}

/** `workflow["state"]` is `workflow.state`, and all that is known of the one holds for the other. In place; it stands where the name does. */
function indexToField(expr: Expr, scope: Scope): void {
  if (expr.exprKind.case !== "callExpr" || expr.exprKind.value.function !== "_[_]") return;
  const [operand, index] = expr.exprKind.value.args;
  const field = index && literalText(index);
  if (operand === undefined || index === undefined || field === undefined || fieldsOf(operand, scope) === undefined) return;
  const value = { $typeName: "cel.expr.Expr.Select" as const, operand, field, testOnly: false };
  expr.id = index.id;
  expr.exprKind = { case: "selectExpr", value };
}

/** `math.abs(x)` is a call of `math.abs`, not of a method of a variable `math`. In place. */
function qualify({ exprKind }: Expr, { variables, locals }: Scope): void {
  if (exprKind.case !== "callExpr" || exprKind.value.target === undefined) return;
  const space = qualifiedName(exprKind.value.target) ?? "";
  if (!namespaces.has(space) || locals.has(space) || Object.hasOwn(variables, space)) return;
  const { function: name, args } = exprKind.value;
  const { id } = exprKind.value.target;
  // These take any number of arguments.
  const listed = space === "math" && (name === "greatest" || name === "least") && args.length > 1;
  exprKind.value = { $typeName: exprKind.value.$typeName, function: `${space}.${name}`, args: listed ? [list(id, args)] : args };
}

const namespaces = new Set(["base64", "cel", "lists", "math", "optional", "sets", "strings"]);

function within(loop: Comprehension, scope: Scope): Scope {
  return isBind(loop) ? withinBind(loop, scope) : withinLoop(loop, scope);
}

/** A name for a value is as much as the value. */
function withinBind(loop: Comprehension, scope: Scope): Scope {
  const { accuInit, accuVar } = loop;
  const isUsedOnce = loop.result !== undefined && uses(loop.result, accuVar) === 1;
  const local: Local = {
    names: accuInit && namesOf(accuInit, scope),
    literals: accuInit?.exprKind.case === "constExpr" && isUsedOnce ? [accuInit] : [],
  };
  return { ...scope, locals: new Map([...scope.locals, [accuVar, local]]) };
}

function withinLoop(loop: Comprehension, scope: Scope): Scope {
  const range = loop.iterRange?.exprKind;
  const elements = range?.case === "listExpr" ? range.value.elements : [];
  const names = elements.map((element) => namesOf(element, scope));
  // Used twice, an element may be compared with an enum and with something else.
  // Of two variables, the first one of a list is the index.
  const element = loop.iterVar2 === "" ? loop.iterVar : loop.iterVar2;
  const usedOnce = loopParts(loop).reduce((sum, part) => sum + (part === undefined ? 0 : uses(part, element)), 0) === 1;
  const local: Local = {
    names:
      names.length > 0 && names.every((each) => each !== undefined) ? new Map(names.flatMap((each) => [...each])) : undefined,
    literals: usedOnce ? elements.filter(({ exprKind }) => exprKind.case === "constExpr") : [],
  };
  return {
    ...scope,
    locals: new Map([...scope.locals, [loop.accuVar, unknownLocal], [loop.iterVar, unknownLocal], [element, local]]),
  };
}

const knownIn = (scope: Scope) => ({
  namesOf: (expr: Expr) => namesOf(expr, scope),
  literalsOf: (expr: Expr) =>
    expr.exprKind.case === "constExpr" ? [expr] : (scope.locals.get(qualifiedName(expr) ?? "")?.literals ?? []),
});

export function namesOf(expr: Expr, { variables, locals }: Scope): EnumNames | undefined {
  const [name = "", field, ...more] = qualifiedName(expr)?.split(".") ?? [];
  const local = locals.get(name);
  if (local !== undefined) return field === undefined ? local.names : undefined;
  if (more.length > 0 || !Object.hasOwn(variables, name)) return undefined;
  const variable = variables[name];
  const type = field === undefined || variable === "value" || variable instanceof Map ? variable : (variable as Fields)[field];
  return type instanceof Map ? type : undefined;
}

function firstProblem(exprs: readonly (Expr | undefined)[], scope: Scope): Problem | undefined {
  for (const expr of exprs) {
    const problem = expr === undefined ? undefined : problemOf(expr, scope);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function ownProblem({ exprKind }: Expr, scope: Scope): string | undefined {
  switch (exprKind.case) {
    case "identExpr":
      return identifierProblem(exprKind.value.name.replace(/^\./, ""), scope);
    case "selectExpr":
      return fieldProblem(exprKind.value.operand, exprKind.value.field, scope);
    case "callExpr":
      return (
        callProblem(exprKind.value.function, exprKind.value.target !== undefined, exprKind.value.args) ??
        keyProblem(exprKind.value.function, exprKind.value.args, scope)
      );
    case "structExpr": {
      const type = exprKind.value.messageName.replace(/^\./, "");
      if (type === "") return undefined;
      if (exprKind.value.entries.some(({ optionalEntry }) => optionalEntry)) return "fields of messages are not optional";
      return meteredEnv.registry.getMessage(type) !== undefined && type !== "optional_type"
        ? undefined
        : `unknown type "${type}"`;
    }
    case "constExpr":
      return isInRange(exprKind.value) ? undefined : "number out of range";
    default:
      return undefined;
  }
}

function isInRange({ constantKind }: Extract<Expr["exprKind"], { case: "constExpr" }>["value"]): boolean {
  const { value } = constantKind;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "bigint") return true;
  return value === (constantKind.case === "int64Value" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value));
}

export const typeNames = new Set([
  "bool",
  "bytes",
  "double",
  "int",
  "list",
  "map",
  "null_type",
  "optional_type",
  "string",
  "type",
  "uint",
]);

function identifierProblem(name: string, { variables, locals }: Scope): string | undefined {
  if (locals.has(name) || Object.hasOwn(variables, name) || typeNames.has(name)) return undefined;
  return `unknown variable "${name}"; known: ${[...Object.keys(variables), ...[...locals.keys()].filter((local) => /^\w/.test(local))].join(", ")}`;
}

function fieldProblem(operand: Expr | undefined, field: string, scope: Scope): string | undefined {
  const fields = operand && fieldsOf(operand, scope);
  if (fields === undefined || Object.hasOwn(fields, field)) return undefined;
  return `unknown field "${field}" of ${qualifiedName(operand as Expr)}; known: ${Object.keys(fields).join(", ")}`;
}

/** Of a variable whose fields are known. */
export function fieldsOf(expr: Expr, { variables, locals }: Scope): Fields | undefined {
  const name = expr.exprKind.case === "identExpr" ? (qualifiedName(expr) ?? "") : "";
  const fields = locals.has(name) || !Object.hasOwn(variables, name) ? undefined : variables[name];
  return fields === "value" || fields instanceof Map ? undefined : (fields as Fields | undefined);
}

/** Of `"state" in workflow`, and of an index that no field can have. */
function keyProblem(name: string, [left, right]: readonly Expr[], scope: Scope): string | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (name === "@in") return literalText(left) === undefined ? undefined : fieldProblem(right, literalText(left) ?? "", scope);
  if (name !== "_[_]" || right.exprKind.case !== "constExpr" || fieldsOf(left, scope) === undefined) return undefined;
  return `${qualifiedName(left)} has its fields by name, such as ${qualifiedName(left)}["${Object.keys(fieldsOf(left, scope) ?? {})[0]}"]`;
}

/** Evaluated by the library itself, not as functions. */
const builtIn = new Set(["_[_]", "_[?_]", "_?._", "_?_:_", "_&&_", "_||_", "@not_strictly_false"]);
function callProblem(name: string, isMethod: boolean, args: readonly Expr[]): string | undefined {
  if (builtIn.has(name)) return undefined;
  if (Object.hasOwn(macroForms, name)) return `"${name}" is used as ${macroForms[name]}`;
  const overloads = [...(meteredEnv.funcs.find(name) ?? [])];
  if (overloads.length === 0) return `unknown function "${name}"`;
  const ofKind = overloads.filter((overload) => (overload.target !== undefined) === isMethod);
  if (ofKind.length === 0) {
    return isMethod ? `"${name}" is a function, not a method: ${name}(…)` : `"${name}" is a method: x.${name}(…)`;
  }
  if (!ofKind.some((overload) => overload.arguments.length === args.length)) {
    const counts = [...new Set(ofKind.map((overload) => overload.arguments.length))].sort();
    return `"${name}" takes ${counts.join(" or ")} argument${counts.join() === "1" ? "" : "s"}, not ${args.length}`;
  }
  return undefined;
}

/** How what is read from a text has to be written. */
const readable: Readonly<Record<string, string>> = {
  timestamp: '"2026-01-31T09:30:00Z"',
  duration: '"1h30m"',
};

/** A literal that cannot be read would fail each time anew. */
function unreadableProblem(expr: Expr): string | undefined {
  if (expr.exprKind.case !== "callExpr") return undefined;
  const { function: name, args } = expr.exprKind.value;
  const text = args[0] && literalText(args[0]);
  if (text === undefined || !Object.hasOwn(readable, name)) return undefined;
  const value = withinBudget({ left: evaluationCostMax }, 0, () => plan(meteredEnv, expr)({}));
  return value.ok && isCelError(value.value) ? `${JSON.stringify(text)} is no ${name} such as ${readable[name]}` : undefined;
}

function regexProblem(pattern: string | undefined): string | undefined {
  const regex = pattern === undefined ? undefined : compileRegex(pattern);
  return regex === undefined || regex.ok ? undefined : regex.error;
}

/** Of all its literal patterns. */
export function regexCost(expr: Expr): number {
  const pattern = literalPattern(expr);
  return children(expr).reduce((sum, child) => sum + regexCost(child), pattern === undefined ? 0 : compileCost(pattern));
}
