import type { EnumNames } from "../enum-names.ts";

/**
 * What is known of a value before it is there. `dyn`: nothing; it fits everywhere, and is looked at when it is evaluated. `none`: of no value at
 * all, such as the elements of `[]`. An enum is a string that has one of some names; `values` are the only ones of another type. A record is a map whose fields are known; `rest` is
 * the type of all others, if there may be others.
 */
export type Type =
  | { readonly kind: SimpleKind; readonly values?: readonly Scalar[] }
  | { readonly kind: "enum"; readonly names: EnumNames }
  | { readonly kind: "list"; readonly element: Type }
  | { readonly kind: "map"; readonly key: Type; readonly value: Type }
  | { readonly kind: "record"; readonly fields: Fields; readonly rest: Type | undefined }
  | { readonly kind: "optional"; readonly value: Type };

/** As JSON has them. */
export type Scalar = string | number | boolean | null;

export type Fields = Readonly<Record<string, Type>>;

const simpleKinds = [
  "dyn",
  "none",
  "bool",
  "int",
  "uint",
  "double",
  "string",
  "bytes",
  "null",
  "timestamp",
  "duration",
  "type",
] as const;

type SimpleKind = (typeof simpleKinds)[number];

/** One value of each, so that types that are the same mostly are one. */
export const types = Object.fromEntries(simpleKinds.map((kind) => [kind, { kind }])) as Readonly<
  Record<SimpleKind, { readonly kind: SimpleKind }>
>;

export const listOf = (element: Type): Type => ({ kind: "list", element });
export const mapOf = (key: Type, value: Type): Type => ({ kind: "map", key, value });
export const optionalOf = (value: Type): Type => ({ kind: "optional", value });
export const enumOf = (names: EnumNames): Type => ({ kind: "enum", names });

/** One that has only some values, if it is of numbers, or of anything. */
export const withValues = (type: Type, values: readonly Scalar[]): Type =>
  type.kind === "int" || type.kind === "double" || type.kind === "dyn" ? { kind: type.kind, values } : type;

export const recordOf = (fields: Fields, rest?: Type): Extract<Type, { readonly kind: "record" }> => ({
  kind: "record",
  fields,
  rest,
});

/** Metadata without a schema. */
export const anyRecord = mapOf(types.string, types.dyn);

export const isOpen = ({ kind }: Type): boolean => kind === "dyn" || kind === "none";

const isNumber = ({ kind }: Type): boolean => kind === "int" || kind === "uint" || kind === "double";

/** An enum is a string, a record a map. */
const plainKind = ({ kind }: Type): Type["kind"] => (kind === "enum" ? "string" : kind === "record" ? "map" : kind);

/** Whether a value of this type may be one of that. */
export const fits = (type: Type, wanted: Type): boolean =>
  isOpen(type) || isOpen(wanted) || plainKind(type) === plainKind(wanted);

/** As in CEL's first versions, where null stood for a message that is not set. */
const mayBeNull = ({ kind }: Type): boolean => kind === "timestamp" || kind === "duration" || kind === "optional";

/** Whether two values of these types may be equal: numbers are by value, whatever their types. */
export function mayEqual(left: Type, right: Type): boolean {
  if (isOpen(left) || isOpen(right) || (isNumber(left) && isNumber(right))) return true;
  if (left.kind === "null") return right.kind === "null" || mayBeNull(right);
  if (right.kind === "null") return mayBeNull(left);
  if (left.kind === "list" && right.kind === "list") return mayEqual(left.element, right.element);
  if (left.kind === "optional" && right.kind === "optional") return mayEqual(left.value, right.value);
  if (left.kind === "map" && right.kind === "map") return mayEqual(left.key, right.key) && mayEqual(left.value, right.value);
  return plainKind(left) === plainKind(right);
}

/** The type of what is one of two. */
export function join(left: Type, right: Type): Type {
  if (left === right || right.kind === "none") return left;
  if (left.kind === "none") return right;
  if (left.kind === "null" && mayBeNull(right)) return right;
  if (right.kind === "null" && mayBeNull(left)) return left;
  if (left.kind === "enum" && right.kind === "enum") return enumOf(new Map([...left.names, ...right.names]));
  if (left.kind === "list" && right.kind === "list") return listOf(join(left.element, right.element));
  if (left.kind === "optional" && right.kind === "optional") return optionalOf(join(left.value, right.value));
  if (isMap(left) && isMap(right)) return mapOf(join(keysOf(left), keysOf(right)), join(valuesOf(left), valuesOf(right)));
  return plainKind(left) === plainKind(right) ? types[plainKind(left) as SimpleKind] : types.dyn;
}

export const joinAll = (parts: readonly Type[]): Type => parts.reduce(join, types.none);

type MapType = Extract<Type, { readonly kind: "map" | "record" }>;

/** Those that a value has, if nothing else is possible. */
export const valuesOnly = (type: Type | undefined): readonly Scalar[] | undefined =>
  type !== undefined && "values" in type ? type.values : undefined;

export const isMap = (type: Type): type is MapType => type.kind === "map" || type.kind === "record";

export const keysOf = (type: MapType): Type => (type.kind === "map" ? type.key : types.string);

/** Of a record with lists and maps in it, nothing is known: to join these would take long. */
export function valuesOf(type: MapType): Type {
  if (type.kind === "map") return type.value;
  const all = [...Object.values(type.fields), ...(type.rest === undefined ? [] : [type.rest])];
  return all.every(({ kind }) => kind !== "record" && kind !== "map" && kind !== "list") ? joinAll(all) : types.dyn;
}

/** As people write it: `list(string)`. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case "none":
      return "dyn";
    case "enum":
      return "string";
    case "list":
      return `list(${typeText(type.element)})`;
    case "map":
      return `map(${typeText(type.key)}, ${typeText(type.value)})`;
    case "record":
      return "map";
    case "optional":
      return `optional(${typeText(type.value)})`;
    default:
      return type.kind;
  }
}

/** `an int` */
export const aType = (type: Type): string =>
  type.kind === "null" ? "null" : `${/^[aeio]/.test(typeText(type)) ? "an" : "a"} ${typeText(type)}`;
