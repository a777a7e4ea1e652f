/** A value of CEL, as the specification tells them apart. Times are in nanoseconds: since 1970, or long. */
export type Value =
  | { readonly type: "null" }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "uint"; readonly value: bigint }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "timestamp"; readonly value: bigint }
  | { readonly type: "duration"; readonly value: bigint }
  | { readonly type: "list"; readonly value: readonly Value[] }
  | { readonly type: "map"; readonly value: readonly Entry[] };

export type Entry = readonly [key: Value, value: Value];

/** What has no value. */
export type Failure = { readonly type: "failure"; readonly why: string };

export type Outcome = Value | Failure;

/** The specification does not say, or implementations may do more than it asks for. */
export class LeftOpen extends Error {}

export const failure = (why: string): Failure => ({ type: "failure", why });
export const bool = (value: boolean): Value => ({ type: "bool", value });
export const int = (value: bigint): Outcome => within("int", value, -(2n ** 63n), 2n ** 63n - 1n);
export const uint = (value: bigint): Outcome => within("uint", value, 0n, 2n ** 64n - 1n);
export const double = (value: number): Value => ({ type: "double", value });
export const string = (value: string): Value => ({ type: "string", value });

const secondNs = 1_000_000_000n;

/** From the start of the year 1 to the end of the year 9999. */
export const timestamp = (value: bigint): Outcome =>
  within("timestamp", value, -62_135_596_800n * secondNs, 253_402_300_800n * secondNs - 1n);

/** 64 bits, which is some 292 years: the specification leaves it open, and cel-go has it so. */
export const duration = (value: bigint): Outcome => within("duration", value, -(2n ** 63n), 2n ** 63n - 1n);

function within(type: "int" | "uint" | "timestamp" | "duration", value: bigint, least: bigint, most: bigint): Outcome {
  return value < least || value > most ? failure(`${type} out of range`) : { type, value };
}

type Numeric = Extract<Value, { type: "int" | "uint" | "double" }>;

export function isNumeric(value: Value): value is Numeric {
  return value.type === "int" || value.type === "uint" || value.type === "double";
}

/** Numbers are equal if they are so on the number line, whatever their types; what else has different types differs. */
export function equal(a: Value, b: Value): boolean {
  if (isNumeric(a) && isNumeric(b)) return orderOfNumbers(a, b) === 0;
  switch (a.type) {
    case "null":
      return b.type === "null";
    case "list":
      return (
        b.type === "list" && a.value.length === b.value.length && a.value.every((each, at) => equal(each, b.value[at] as Value))
      );
    case "map":
      return (
        b.type === "map" &&
        a.value.length === b.value.length &&
        a.value.every(([key, value]) => b.value.some(([other, its]) => equal(key, other) && equal(value, its)))
      );
    default:
      return a.type === b.type && a.value === b.value;
  }
}

/** Below 0, 0, or above 0. NaN: none of them, as of a NaN. A failure: the types have no order. */
export function order(a: Value, b: Value): number | Failure {
  if (isNumeric(a) && isNumeric(b)) return orderOfNumbers(a, b);
  if (a.type === "bool" && b.type === "bool") return Number(a.value) - Number(b.value);
  if (a.type === "string" && b.type === "string") return orderOfStrings(a.value, b.value);
  const haveTimes = (a.type === "timestamp" || a.type === "duration") && b.type === a.type;
  return haveTimes ? sign(a.value - b.value) : failure(`no order of ${a.type} and ${b.type}`);
}

const sign = (value: bigint): number => (value < 0n ? -1 : value > 0n ? 1 : 0);

/** Exact: a double is a fraction whose denominator is a power of 2, so both are compared as whole numbers. */
function orderOfNumbers(a: Numeric, b: Numeric): number {
  const [x, y] = [Number(a.value), Number(b.value)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  if (!Number.isFinite(x) || !Number.isFinite(y)) return x === y ? 0 : x < y ? -1 : 1;
  const [p, q] = [fraction(a), fraction(b)];
  return sign(p.above * q.below - q.above * p.below);
}

function fraction({ type, value }: Numeric): { readonly above: bigint; readonly below: bigint } {
  if (type !== "double") return { above: value, below: 1n };
  let [above, below] = [value, 1n];
  while (!Number.isInteger(above)) [above, below] = [above * 2, below * 2n];
  return { above: BigInt(above), below };
}

/** By code point. */
function orderOfStrings(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((point, index) => point !== right[index]);
  if (at < 0) return left.length - right.length;
  return (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? -1);
}

/** The value of a key. */
export function lookUp(entries: readonly Entry[], key: Value): Value | undefined {
  return entries.find(([each]) => equal(each, key))?.[1];
}
