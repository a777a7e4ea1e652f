import type { CelType } from "@bufbuild/cel";
import { assert } from "../../../kernel/assert.ts";
import { meteredEnv } from "../environment.ts";
import {
  aType,
  fits,
  isMap,
  join,
  joinAll,
  keysOf,
  listOf,
  mapOf,
  optionalOf,
  type Type,
  types,
  typeText,
  valuesOf,
} from "./type.ts";

type Overload = { readonly target: Type | undefined; readonly args: readonly Type[]; readonly result: Type };

const objects: Readonly<Record<string, Type>> = {
  "google.protobuf.Timestamp": types.timestamp,
  "google.protobuf.Duration": types.duration,
  optional_type: optionalOf(types.dyn),
};

function typeOf(type: CelType): Type {
  switch (type.kind) {
    case "list":
      return listOf(typeOf(type.element));
    case "map":
      return mapOf(typeOf(type.key), typeOf(type.value));
    case "object":
      return objects[type.name] ?? types.dyn;
    default:
      return type.name === "null_type" ? types.null : types[type.name];
  }
}

/** Of each function, as it is declared where it is evaluated. */
const overloads: ReadonlyMap<string, readonly Overload[]> = Map.groupBy(
  [...meteredEnv.funcs].map(({ name, target, arguments: args, result }) => ({
    name,
    target: target && typeOf(target),
    args: args.map(typeOf),
    result: typeOf(result),
  })),
  ({ name }) => name,
);

export const overloadsOf = (name: string): readonly Overload[] => overloads.get(name) ?? [];

/** That a rule may name. */
export const functionNames: readonly string[] = [...overloads.keys()].filter(
  (name) => /^[a-zA-Z]/.test(name) && !name.includes("@"),
);

/** What the elements of a list are. */
const elementOf = (type: Type | undefined): Type => (type?.kind === "list" ? type.element : types.dyn);
const heldBy = (type: Type | undefined): Type => (type?.kind === "optional" ? type.value : types.dyn);

type Refine = (operands: readonly Type[]) => Type;

const same: Refine = ([list]) => (list?.kind === "list" ? list : listOf(types.dyn));
const added: Refine = ([left, right]) => listOf(join(elementOf(left), elementOf(right)));
const unwrapped: Refine = ([list]) => listOf(heldBy(elementOf(list)));
const ofOne: Refine = ([value = types.dyn]) => optionalOf(value);
const ofElement: Refine = ([list]) => optionalOf(elementOf(list));
const chosen: Refine = ([first = types.dyn]) => (first.kind === "list" ? first.element : first);

/** What the library's declarations cannot say: results that depend on what is in a list, a map or an optional. The target is the first operand. */
const refined: Readonly<Record<string, Refine>> = {
  "_+_": added,
  distinct: same,
  reverse: same,
  slice: same,
  sort: same,
  "@sortByKeys": same,
  first: ofElement,
  last: ofElement,
  "lists.range": () => listOf(types.int),
  split: () => listOf(types.string),
  "optional.of": ofOne,
  "optional.ofNonZeroValue": ofOne,
  "optional.none": () => optionalOf(types.none),
  "optional.unwrap": unwrapped,
  unwrapOpt: unwrapped,
  value: ([optional]) => heldBy(optional),
  "math.greatest": chosen,
  "math.least": chosen,
  "cel.@mapInsert": inserted,
};

function inserted([map = types.dyn, key = types.dyn, value]: readonly Type[]): Type {
  assert(isMap(map), "a loop collects a map by adding to it");
  if (value !== undefined) return mapOf(join(keysOf(map), key), join(valuesOf(map), value));
  return isMap(key) ? mapOf(join(keysOf(map), keysOf(key)), join(valuesOf(map), valuesOf(key))) : types.dyn;
}

/** The type of a call. Undefined: no overload takes these operands. */
export function resultOf(name: string, target: Type | undefined, args: readonly Type[]): Type | undefined {
  const taken = overloadsOf(name).filter(
    (overload) =>
      (overload.target === undefined) === (target === undefined) &&
      overload.args.length === args.length &&
      (target === undefined || fits(target, overload.target ?? types.dyn)) &&
      overload.args.every((wanted, at) => fits(args[at] ?? types.dyn, wanted)),
  );
  if (taken.length === 0) return undefined;
  const refine = Object.hasOwn(refined, name) ? refined[name] : undefined;
  // Of `+` and `reverse`, what is no list is said already.
  return joinAll(
    taken.map(({ result }) =>
      refine !== undefined && open.has(result.kind) ? refine(target === undefined ? args : [target]) : result,
    ),
  );
}

const open: ReadonlySet<Type["kind"]> = new Set(["dyn", "list", "map", "optional"]);

const operator = /^_?([-+*/%<>=!]+)_$/;

/** Why there is none. */
export function mismatch(name: string, target: Type | undefined, args: readonly Type[]): string {
  const [, sign] = operator.exec(name) ?? [];
  if (sign !== undefined) return `there is no "${sign}" for ${args.map(aType).join(" and ")}`;
  if (name === "hasValue" || name === "value")
    return `only an optional value, such as a.?b, may be without a value; this is ${aType(target ?? types.dyn)}`;
  const shown = name === "@sortByKeys" ? "sortBy" : name;
  const forms = new Set(
    overloadsOf(name)
      .filter((each) => (each.target === undefined) === (target === undefined) && each.args.length === args.length)
      .map((each) => formOf(shown, each.target, each.args)),
  );
  return `"${shown}" is used as ${[...forms].join(", ").replace(/, ([^,]*\([^()]*\))$/, " or $1")}, not as ${formOf(shown, target, args)}`;
}

/** `string.contains(string)` */
const formOf = (name: string, target: Type | undefined, args: readonly Type[]): string =>
  `${target === undefined ? "" : `${shortText(target)}.`}${name}(${args.map(shortText).join(", ")})`;

const shortText = (type: Type): string =>
  type.kind === "list" || isMap(type) || type.kind === "optional" ? type.kind.replace("record", "map") : typeText(type);
