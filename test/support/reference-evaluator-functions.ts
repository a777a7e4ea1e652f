import { fractionOf, partOf, readDuration, readTimestamp, writeTimestamp } from "./reference-evaluator-time.ts";
import {
  bool,
  double,
  duration,
  equal,
  failure,
  int,
  LeftOpen,
  lookUp,
  type Outcome,
  order,
  string,
  timestamp,
  uint,
  type Value,
} from "./reference-evaluator-values.ts";

/** Of values; what need not look at all its arguments is not here. */
export function call(name: string, isMethod: boolean, args: readonly Value[]): Outcome {
  const [a, b] = args;
  if (a === undefined) return failure(`${name} of nothing`);
  const none = failure(`no ${name} of ${args.map(({ type }) => type).join(", ")}`);
  if (b === undefined) return unary(name, isMethod, a) ?? none;
  return (isMethod ? method(name, a, b) : binary(name, a, b)) ?? none;
}

function unary(name: string, isMethod: boolean, a: Value): Outcome | undefined {
  if (name === "!_") return a.type === "bool" ? bool(!a.value) : undefined;
  if (name === "-_") return a.type === "int" ? int(-a.value) : a.type === "double" ? double(-a.value) : undefined;
  if (name === "size") return sizeOf(a);
  if (isMethod) return a.type === "timestamp" || a.type === "duration" ? partOf(a.type, a.value, name) : undefined;
  return Object.hasOwn(conversions, name) ? conversions[name]?.(a) : undefined;
}

function sizeOf(a: Value): Outcome | undefined {
  if (a.type === "string") return int(BigInt([...a.value].length));
  return a.type === "list" || a.type === "map" ? int(BigInt(a.value.length)) : undefined;
}

function method(name: string, a: Value, b: Value): Outcome | undefined {
  if (a.type !== "string" || b.type !== "string") return undefined;
  switch (name) {
    case "startsWith":
      return bool(a.value.startsWith(b.value));
    case "endsWith":
      return bool(a.value.endsWith(b.value));
    case "contains":
      return bool(a.value.includes(b.value));
    default:
      return undefined;
  }
}

function binary(name: string, a: Value, b: Value): Outcome | undefined {
  switch (name) {
    case "_==_":
      return bool(equal(a, b));
    case "_!=_":
      return bool(!equal(a, b));
    case "@in":
      if (b.type === "list") return bool(b.value.some((each) => equal(each, a)));
      return b.type === "map" && mayBeKey(a) ? bool(lookUp(b.value, a) !== undefined) : undefined;
    case "_[_]":
      return at(a, b);
    case "_<_":
    case "_<=_":
    case "_>_":
    case "_>=_": {
      const ordered = order(a, b);
      return typeof ordered === "number" ? bool(holds[name](ordered)) : ordered;
    }
    default:
      return sum(name, a, b) ?? arithmetic(name, a, b);
  }
}

/** A double may equal one. */
const mayBeKey = ({ type }: Value): boolean => ["bool", "int", "uint", "double", "string"].includes(type);

const holds = {
  "_<_": (ordered: number) => ordered < 0,
  "_<=_": (ordered: number) => ordered <= 0,
  "_>_": (ordered: number) => ordered > 0,
  "_>=_": (ordered: number) => ordered >= 0,
};

/** A list by a whole number of any type, a map by its key. */
function at(a: Value, b: Value): Outcome | undefined {
  if (a.type === "map") return lookUp(a.value, b) ?? failure("no such key");
  if (a.type !== "list") return undefined;
  const place = a.value.findIndex((_, index) => equal({ type: "int", value: BigInt(index) }, b));
  return a.value[place] ?? failure("no such place");
}

function sum(name: string, a: Value, b: Value): Outcome | undefined {
  const isPlus = name === "_+_";
  if (!isPlus && name !== "_-_") return undefined;
  if (a.type === "duration" && b.type === "duration") return duration(isPlus ? a.value + b.value : a.value - b.value);
  if (a.type === "timestamp" && b.type === "duration") return timestamp(isPlus ? a.value + b.value : a.value - b.value);
  if (!isPlus) return a.type === "timestamp" && b.type === "timestamp" ? duration(a.value - b.value) : undefined;
  if (a.type === "duration" && b.type === "timestamp") return timestamp(a.value + b.value);
  if (a.type === "string" && b.type === "string") return string(a.value + b.value);
  return a.type === "list" && b.type === "list" ? { type: "list", value: [...a.value, ...b.value] } : undefined;
}

/** Of two numbers of one type: there is no arithmetic across types. */
function arithmetic(name: string, a: Value, b: Value): Outcome | undefined {
  if (a.type === "double" && b.type === "double") return ofDoubles(name, a.value, b.value);
  if (a.type === "int" && b.type === "int") return ofIntegers(name, a.value, b.value, int);
  return a.type === "uint" && b.type === "uint" ? ofIntegers(name, a.value, b.value, uint) : undefined;
}

function ofDoubles(name: string, a: number, b: number): Outcome | undefined {
  switch (name) {
    case "_+_":
      return double(a + b);
    case "_-_":
      return double(a - b);
    case "_*_":
      return double(a * b);
    case "_/_":
      return double(a / b);
    default:
      return undefined;
  }
}

/** Division goes towards zero, and a remainder has the sign of what is divided. */
function ofIntegers(name: string, a: bigint, b: bigint, inRange: (value: bigint) => Outcome): Outcome | undefined {
  switch (name) {
    case "_+_":
      return inRange(a + b);
    case "_-_":
      return inRange(a - b);
    case "_*_":
      return inRange(a * b);
    case "_/_":
      return b === 0n ? failure("division by zero") : inRange(a / b);
    case "_%_":
      return b === 0n ? failure("division by zero") : inRange(a % b);
    default:
      return undefined;
  }
}

const conversions: Readonly<Record<string, (a: Value) => Outcome | undefined>> = {
  int(a) {
    if (a.type === "string") return /^[+-]?\d+$/.test(a.value) ? int(BigInt(a.value.replace("+", ""))) : failure("no int");
    if (a.type === "timestamp")
      return int((a.value - (((a.value % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)) / 1_000_000_000n);
    if (a.type === "duration") throw new LeftOpen("int of a duration");
    return whole(a, int);
  },
  uint(a) {
    if (a.type === "string") return /^\d+$/.test(a.value) ? uint(BigInt(a.value)) : failure("no uint");
    return whole(a, uint);
  },
  double(a) {
    if (a.type === "double") return a;
    if (a.type === "int" || a.type === "uint") return double(Number(a.value));
    if (a.type !== "string") return undefined;
    const value = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(a.value) ? Number(a.value) : Number.NaN;
    return Number.isFinite(value) ? double(value) : failure("no double");
  },
  string(a) {
    switch (a.type) {
      case "string":
        return a;
      case "bool":
      case "int":
      case "uint":
        return string(String(a.value));
      case "timestamp":
        return string(writeTimestamp(a.value));
      case "duration": {
        const size = a.value < 0n ? -a.value : a.value;
        return string(`${a.value < 0n ? "-" : ""}${size / 1_000_000_000n}${fractionOf(size % 1_000_000_000n)}s`);
      }
      case "double":
        throw new LeftOpen("how many digits a double has as text");
      default:
        return undefined;
    }
  },
  timestamp(a) {
    if (a.type === "timestamp") return a;
    if (a.type === "int") return timestamp(a.value * 1_000_000_000n);
    return a.type === "string" ? readTimestamp(a.value) : undefined;
  },
  duration(a) {
    if (a.type === "duration") return a;
    if (a.type === "int") throw new LeftOpen("duration of an int");
    return a.type === "string" ? readDuration(a.value) : undefined;
  },
};

/** A double loses what stands behind its point. As in cel-go, the very ends of the range are out of it: -2^63, and what is below 0. */
function whole(a: Value, inRange: (value: bigint) => Outcome): Outcome | undefined {
  if (a.type === "int" || a.type === "uint") return inRange(a.value);
  if (a.type !== "double") return undefined;
  const isLow = inRange === int ? a.value <= -(2 ** 63) : a.value < 0;
  return Number.isFinite(a.value) && !isLow ? inRange(BigInt(Math.trunc(a.value))) : failure("no whole number");
}
