import { bind, bool, call, ident, int, list, loop, method, select, struct } from "./build.ts";
import type { Expr } from "./expr.ts";

/** No expression can name them: `@` is not in the grammar. */
const accumulator = "@result";
const optionalTarget = "@optional";

/** Of a macro and its name in messages. Undefined: the arguments are none that it takes. */
type Expand = (id: bigint, target: Expr, args: readonly Expr[]) => Expr | undefined;

/** A call, or what it stands for: `has(a.b)`. */
export function expandCall(id: bigint, name: string, args: Expr[]): Expr {
  const [selection, ...others] = args;
  const parts = selection?.exprKind.case === "selectExpr" ? selection.exprKind.value : undefined;
  if (name !== "has" || selection === undefined || parts?.operand === undefined || others.length > 0)
    return call(id, name, ...args);
  return select(selection.id, parts.operand, parts.field, true);
}

/** The same of `target.name(args)`. */
export function expandMethod(id: bigint, target: Expr, name: string, args: Expr[]): Expr {
  const expand = Object.hasOwn(macros, name) ? macros[name] : undefined;
  return expand?.(id, target, args) ?? method(id, target, name, ...args);
}

/** Variables that a loop or binding introduces: one for each element, or two for its key and value. */
type Names = { readonly iterVar: string; readonly iterVar2: string };

/** The names before the `count` last arguments. */
function namesOf(args: readonly Expr[], count: number): Names | undefined {
  const [first, second, ...others] = args.slice(0, args.length - count).map(simpleName);
  if (first === undefined || others.length > 0) return undefined;
  if (args.length - count === 1) return { iterVar: first, iterVar2: "" };
  return second === undefined || second === first ? undefined : { iterVar: first, iterVar2: second };
}

function simpleName({ exprKind }: Expr): string | undefined {
  return exprKind.case === "identExpr" && !exprKind.value.name.startsWith(".") ? exprKind.value.name : undefined;
}

type Parts = { readonly accuInit: Expr; readonly loopCondition: Expr; readonly loopStep: Expr; readonly result: Expr };

function comprehension(id: bigint, iterRange: Expr, names: Names, parts: Parts): Expr {
  return loop(id, { iterRange, ...names, accuVar: accumulator, ...parts });
}

const collected = (id: bigint): Expr => ident(id, accumulator);

/** A loop over a condition, the only argument besides the names. */
function conditional(parts: (id: bigint, condition: Expr) => Parts): Expand {
  return (id, target, args) => {
    const names = namesOf(args, 1);
    const condition = args.at(-1);
    return names && condition && comprehension(id, target, names, parts(id, condition));
  };
}

const all = conditional((id, condition) => ({
  accuInit: bool(id, true),
  loopCondition: call(id, "@not_strictly_false", collected(id)),
  loopStep: call(id, "_&&_", collected(id), condition),
  result: collected(id),
}));

const exists = conditional((id, condition) => ({
  accuInit: bool(id, false),
  loopCondition: call(id, "@not_strictly_false", call(id, "!_", collected(id))),
  loopStep: call(id, "_||_", collected(id), condition),
  result: collected(id),
}));

const existsOne = conditional((id, condition) => ({
  accuInit: int(id, 0n),
  loopCondition: bool(id, true),
  loopStep: call(id, "_?_:_", condition, call(id, "_+_", collected(id), int(id, 1n)), collected(id)),
  result: call(id, "_==_", collected(id), int(id, 1n)),
}));

/** Adds to what was collected for each element, or for those that meet a condition. */
function collecting(
  id: bigint,
  target: Expr,
  names: Names | undefined,
  { empty, step, condition }: { readonly empty: Expr; readonly step: Expr; readonly condition: Expr | undefined },
): Expr | undefined {
  const loopStep = condition === undefined ? step : call(id, "_?_:_", condition, step, collected(id));
  return (
    names && comprehension(id, target, names, { accuInit: empty, loopCondition: bool(id, true), loopStep, result: collected(id) })
  );
}

const append = (id: bigint, element: Expr): Expr => call(id, "_+_", collected(id), list(id, [element]));

/** With `nameCount` names, perhaps a condition, and an expression. */
function transforming(nameCount: number, parts: (id: bigint, names: Names, value: Expr) => { empty: Expr; step: Expr }): Expand {
  return (id, target, args) => {
    const names = namesOf(args.slice(0, nameCount), 0);
    const [value, condition] = args.slice(nameCount).reverse();
    if (names === undefined || value === undefined || args.length > nameCount + 2) return undefined;
    return collecting(id, target, names, { ...parts(id, names, value), condition });
  };
}

const appending = (id: bigint, _names: Names, value: Expr) => ({ empty: list(id, []), step: append(id, value) });

const filter: Expand = (id, target, args) => {
  const [element, condition, ...others] = args;
  const names = element && namesOf([element], 0);
  if (names === undefined || others.length > 0) return undefined;
  return collecting(id, target, names, { empty: list(id, []), step: append(id, ident(id, names.iterVar)), condition });
};

/** The target is evaluated once; cel-go writes it thrice. */
function optional(of: (id: bigint, value: Expr) => Expr): Expand {
  return (id, target, [name, value, ...others]) => {
    const variable = name && simpleName(name);
    if (variable === undefined || value === undefined || others.length > 0) return undefined;
    const held = method(id, ident(id, optionalTarget), "value");
    const mapped = of(id, bind(id, variable, held, value));
    const has = method(id, ident(id, optionalTarget), "hasValue");
    return bind(id, optionalTarget, target, call(id, "_?_:_", has, mapped, call(id, "optional.none")));
  };
}

/** `a.or(b)` looks at `b` only if `a` has no value, also if `b` is an error. */
function otherwise(of: (id: bigint, held: Expr) => Expr): Expand {
  return (id, target, [other, ...others]) => {
    if (other === undefined || others.length > 0) return undefined;
    const held = ident(id, optionalTarget);
    return bind(id, optionalTarget, target, call(id, "_?_:_", method(id, held, "hasValue"), of(id, held), other));
  };
}

const celBind: Expand = (id, target, [name, value, result, ...others]) => {
  const variable = name && simpleName(name);
  if (simpleName(target) !== "cel" || variable === undefined || others.length > 0) return undefined;
  return value && result && bind(id, variable, value, result);
};

/** Sorts the elements by their keys, which are evaluated once each. */
const sortBy: Expand = (id, target, args) => {
  const keys = transforming(1, appending)(id, ident(id, "@sorted"), args);
  return keys && bind(id, "@sorted", target, method(id, ident(id, "@sorted"), "@sortByKeys", keys));
};

const macros: Readonly<Record<string, Expand>> = {
  all,
  exists,
  exists_one: existsOne,
  existsOne,
  map: transforming(1, appending),
  filter,
  transformList: transforming(2, appending),
  transformMap: transforming(2, (id, { iterVar }, value) => ({
    empty: struct(id, "", []),
    step: call(id, "cel.@mapInsert", collected(id), ident(id, iterVar), value),
  })),
  transformMapEntry: transforming(2, (id, _names, entries) => ({
    empty: struct(id, "", []),
    step: call(id, "cel.@mapInsert", collected(id), entries),
  })),
  bind: celBind,
  optMap: optional((id, value) => call(id, "optional.of", value)),
  optFlatMap: optional((_id, value) => value),
  or: otherwise((_id, held) => held),
  orValue: otherwise((id, held) => method(id, held, "value")),
  sortBy,
};

/** How each is written. */
export const macroForms: Readonly<Record<string, string>> = {
  has: "has(a.b)",
  all: "list.all(x, condition)",
  exists: "list.exists(x, condition)",
  exists_one: "list.exists_one(x, condition)",
  existsOne: "list.existsOne(x, condition)",
  filter: "list.filter(x, condition)",
  map: "list.map(x, expression)",
  transformList: "list.transformList(i, x, expression)",
  transformMap: "map.transformMap(k, v, expression)",
  transformMapEntry: "map.transformMapEntry(k, v, {key: value})",
  "cel.bind": "cel.bind(x, value, expression)",
  optMap: "optional.optMap(x, expression)",
  optFlatMap: "optional.optFlatMap(x, optional)",
  or: "optional.or(optional)",
  orValue: "optional.orValue(value)",
  sortBy: "list.sortBy(x, key)",
};
