import { meteredEnv } from "./budget.ts";
import { type EnumNames, type Problem, spellNames } from "./enum-names.ts";
import { children, type Expr, literalPattern, loopParts, qualifiedName } from "./expr.ts";
import { compileCost, compileRegex } from "./regex.ts";

/** The variables an expression may use, each with its fields where these are known. */
export type Variables = Readonly<Record<string, ValueType | Fields>>;

type Fields = Readonly<Record<string, ValueType>>;

/** Of an enum, its names are known. */
type ValueType = "value" | EnumNames;

/** `locals` are the variables of the comprehensions around. */
type Scope = { readonly variables: Variables; readonly locals: ReadonlySet<string> };

/** The first name that does not exist, or is not used as it can be. */
export function problemOf(expr: Expr, scope: Scope): Problem | undefined {
  const { exprKind } = expr;
  if (exprKind.case === "comprehensionExpr") {
    const loop = exprKind.value;
    const inner = { ...scope, locals: new Set([...scope.locals, loop.iterVar, loop.accuVar]) };
    return firstProblem([loop.iterRange, loop.accuInit], scope) ?? firstProblem(loopParts(loop), inner);
  }
  if (exprKind.case === "selectExpr" && meteredEnv.registry.getMessage(qualifiedName(expr) ?? "") !== undefined) return undefined;
  const message = ownProblem(expr, scope) ?? regexProblem(literalPattern(expr));
  const own = message === undefined ? undefined : { expr: placeOf(expr), message };
  if (exprKind.case === "callExpr" && Object.hasOwn(macros, exprKind.value.function)) return own;
  // The innermost first: it is what the others follow from, and it stands further left.
  return firstProblem(children(expr), scope) ?? own ?? spellNames(expr, (operand) => namesOf(operand, scope));
}

function namesOf(expr: Expr, { variables, locals }: Scope): EnumNames | undefined {
  const [name = "", field, ...more] = qualifiedName(expr)?.split(".") ?? [];
  if (more.length > 0 || locals.has(name) || !Object.hasOwn(variables, name)) return undefined;
  const variable = variables[name];
  const type = field === undefined || variable === "value" || variable instanceof Map ? variable : (variable as Fields)[field];
  return type instanceof Map ? type : undefined;
}

/** The parser gives `has(a.b)` the place of `has`. */
function placeOf(expr: Expr): Expr {
  const { exprKind } = expr;
  return exprKind.case === "selectExpr" && exprKind.value.testOnly ? (exprKind.value.operand ?? expr) : expr;
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
      return callProblem(exprKind.value.function, exprKind.value.target !== undefined, exprKind.value.args);
    case "structExpr": {
      const type = exprKind.value.messageName.replace(/^\./, "");
      return type === "" || meteredEnv.registry.getMessage(type) !== undefined ? undefined : `unknown type "${type}"`;
    }
    case "constExpr":
      return isInRange(exprKind.value) ? undefined : "integer out of range";
    default:
      return undefined;
  }
}

function isInRange({ constantKind }: Extract<Expr["exprKind"], { case: "constExpr" }>["value"]): boolean {
  const { value } = constantKind;
  if (typeof value !== "bigint") return true;
  return value === (constantKind.case === "int64Value" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value));
}

const typeNames = new Set(["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"]);

function identifierProblem(name: string, { variables, locals }: Scope): string | undefined {
  if (locals.has(name) || Object.hasOwn(variables, name) || typeNames.has(name)) return undefined;
  return `unknown variable "${name}"; known: ${[...Object.keys(variables), ...[...locals].filter((local) => local[0] !== "@")].join(", ")}`;
}

function fieldProblem(operand: Expr | undefined, field: string, { variables, locals }: Scope): string | undefined {
  if (operand?.exprKind.case !== "identExpr") return undefined;
  const { name } = operand.exprKind.value;
  const fields = locals.has(name) || !Object.hasOwn(variables, name) ? undefined : variables[name];
  if (fields === undefined || fields === "value" || fields instanceof Map || Object.hasOwn(fields, field)) return undefined;
  return `unknown field "${field}" of ${name}; known: ${Object.keys(fields).join(", ")}`;
}

/** Evaluated by the library itself, not as functions. */
const builtIn = new Set(["_[_]", "_?_:_", "_&&_", "_||_", "@not_strictly_false"]);
/** These are functions only when their arguments are wrong; else the parser has expanded them. */
const macros: Readonly<Record<string, string>> = {
  has: "has(a.b)",
  all: "list.all(x, condition)",
  exists: "list.exists(x, condition)",
  exists_one: "list.exists_one(x, condition)",
  existsOne: "list.existsOne(x, condition)",
  filter: "list.filter(x, condition)",
  map: "list.map(x, expression)",
};

function callProblem(name: string, isMethod: boolean, args: readonly Expr[]): string | undefined {
  if (builtIn.has(name)) return undefined;
  if (Object.hasOwn(macros, name)) return `"${name}" is used as ${macros[name]}`;
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

function regexProblem(pattern: string | undefined): string | undefined {
  const regex = pattern === undefined ? undefined : compileRegex(pattern);
  return regex === undefined || regex.ok ? undefined : regex.error;
}

/** Of all its literal patterns. */
export function regexCost(expr: Expr): number {
  const pattern = literalPattern(expr);
  return children(expr).reduce((sum, child) => sum + regexCost(child), pattern === undefined ? 0 : compileCost(pattern));
}
