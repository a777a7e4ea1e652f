import {
  type CelFunc,
  CelScalar,
  type CelValue,
  celFunc,
  celList,
  celMethod,
  celType,
  isCelList,
  isCelMap,
  isCelUint,
  listType,
} from "@bufbuild/cel";
import { isReflectMessage, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { heldBy, isOptional, none, optionalOf, optionalType } from "../optional.ts";

const { BOOL, DYN, STRING } = CelScalar;
const LIST = listType(DYN);

/** https://github.com/google/cel-spec/wiki/proposal-246. Those with `@` are what its syntax stands for. */
export const optionalFunctions: readonly CelFunc[] = [
  celFunc("optional.none", [], optionalType, () => none),
  celFunc("optional.of", [DYN], optionalType, optionalOf),
  celFunc("optional.ofNonZeroValue", [DYN], optionalType, (value) => (isZero(value) ? none : optionalOf(value))),
  celFunc("optional.unwrap", [LIST], LIST, (list) => celList(held([...list]))),
  celMethod("unwrapOpt", LIST, [], LIST, function () {
    return celList(held([...this]));
  }),
  celMethod("hasValue", optionalType, [], BOOL, function () {
    return heldBy(this) !== undefined;
  }),
  celMethod("value", optionalType, [], DYN, function () {
    const value = heldBy(this);
    if (value === undefined) throw new Error("optional.none() has no value; orValue(…) gives another one");
    return value;
  }),
  celFunc("@optional", [DYN, DYN], optionalType, (operand, key) => {
    const found = isOptional(operand) ? lookUp(heldBy(operand), key) : lookUp(operand, key);
    return found === undefined ? none : optionalOf(found);
  }),
  /** Of what may be optional: then so is what it has. */
  celFunc("@select", [DYN, DYN], DYN, (operand, key) => {
    const found = isOptional(operand) ? lookUp(heldBy(operand), key) : lookUp(operand, key);
    if (isOptional(operand)) return found === undefined ? none : optionalOf(found);
    if (found === undefined) throw new Error(isCelList(operand) ? `index ${key} out of bounds` : `field not found: ${key}`);
    return found;
  }),
  /** The library says of what has no fields that it lacks this one, where CEL has an error: `!has(…) ||` must not allow because of that. */
  celFunc("@has", [DYN, STRING], BOOL, (operand, field) => {
    const value = isOptional(operand) ? heldBy(operand) : operand;
    if (isCelMap(value)) return value.has(field);
    if (isOptional(operand)) return false;
    throw new Error(`${celType(operand).name} has no field ${field}`);
  }),
  /** A list whose marked elements are optional. */
  celFunc("@list", [LIST, STRING], LIST, (list, marks) =>
    celList([...list].flatMap((each, at) => (marks[at] === "?" ? held([demanded(each)]) : [each]))),
  ),
];

/** What stands after `?` in a list or a map. */
export function demanded(value: CelValue): CelValue {
  if (!isOptional(value)) throw new Error(`after "?" stands an optional value, not ${celType(value).name}`);
  return value;
}

function held(optionals: readonly CelValue[]): CelValue[] {
  return optionals.map((each) => heldBy(demanded(each))).filter((value) => value !== undefined);
}

/** Undefined: of nothing, or it has no such key. */
function lookUp(container: CelValue | undefined, key: CelValue): CelValue | undefined {
  if (container === undefined) return undefined;
  if (isCelMap(container)) return container.get(key as string);
  if (isCelList(container)) return container.get(indexOf(key));
  throw new Error(`${celType(container).name} has no ${typeof key === "string" ? `field ${key}` : "elements"}`);
}

/** The library takes `false` for 0. A fraction is no place in any list. */
function indexOf(key: CelValue): number {
  if (typeof key === "bigint") return Number(key);
  if (typeof key === "number") return Number.isInteger(key) ? key : -1;
  if (isCelUint(key)) return Number(key.value);
  throw new Error(`the index of a list is an int, not ${celType(key).name}`);
}

/** What a variable of its type has before it is set. */
function isZero(value: CelValue): boolean {
  if (value === null || value === false || value === "" || value === 0 || value === 0n) return true;
  if (isCelUint(value)) return value.value === 0n;
  if (value instanceof Uint8Array) return value.length === 0;
  if (isCelList(value) || isCelMap(value)) return value.size === 0;
  if (isOptional(value) || !isReflectMessage(value)) return false;
  return (value as ReflectMessage).fields.every((field) => !value.isSet(field));
}
