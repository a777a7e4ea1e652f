import { type CelFunc, type CelList, CelScalar, type CelValue, celFunc, celType, celUint, listType } from "@bufbuild/cel";
import { compare, numberOf } from "../order.ts";

const { BOOL, DOUBLE, DYN, INT, UINT } = CelScalar;

/** https://pkg.go.dev/github.com/google/cel-go/ext#Math. `math.greatest(a, b, …)` is written as one list before it is evaluated. */
export const mathFunctions: readonly CelFunc[] = [
  ...(["greatest", "least"] as const).flatMap((name) => [
    celFunc(`math.${name}`, [listType(DYN)], DYN, (list) => extreme(name, list)),
    ...[INT, DOUBLE, UINT].map((type) => celFunc(`math.${name}`, [type], DYN, (value: CelValue) => value)),
  ]),
  ...Object.entries({ ceil: Math.ceil, floor: Math.floor, trunc: Math.trunc, round }).map(([name, of]) =>
    celFunc(`math.${name}`, [DOUBLE], DOUBLE, of),
  ),
  celFunc("math.abs", [DOUBLE], DOUBLE, Math.abs),
  celFunc("math.abs", [INT], INT, (value) => inRange(value < 0n ? -value : value)),
  celFunc("math.abs", [UINT], UINT, (value) => value),
  celFunc("math.sign", [DOUBLE], DOUBLE, Math.sign),
  celFunc("math.sign", [INT], INT, (value) => (value > 0n ? 1n : value < 0n ? -1n : 0n)),
  celFunc("math.sign", [UINT], UINT, ({ value }) => celUint(value > 0n ? 1n : 0n)),
  celFunc("math.isNaN", [DOUBLE], BOOL, Number.isNaN),
  celFunc("math.isFinite", [DOUBLE], BOOL, Number.isFinite),
  celFunc("math.isInf", [DOUBLE], BOOL, (value) => value === Infinity || value === -Infinity),
  celFunc("math.sqrt", [DOUBLE], DOUBLE, Math.sqrt),
  celFunc("math.sqrt", [INT], DOUBLE, (value) => Math.sqrt(Number(value))),
  celFunc("math.sqrt", [UINT], DOUBLE, ({ value }) => Math.sqrt(Number(value))),
  ...bitwise("bitAnd", (left, right) => left & right),
  ...bitwise("bitOr", (left, right) => left | right),
  ...bitwise("bitXor", (left, right) => left ^ right),
  celFunc("math.bitNot", [INT], INT, (value) => ~value),
  celFunc("math.bitNot", [UINT], UINT, ({ value }) => celUint(BigInt.asUintN(64, ~value))),
  ...shift("bitShiftLeft", (bits, by) => bits << by),
  // Also an int is shifted as its bits, so that it loses its sign.
  ...shift("bitShiftRight", (bits, by) => bits >> by),
];

/** The first of those that are equal, whatever their types. */
function extreme(name: "greatest" | "least", list: CelList): CelValue {
  const [first] = list;
  if (first === undefined) throw new Error(`math.${name} of nothing`);
  let found = first;
  for (const each of list) {
    if (numberOf(each) === undefined) throw new Error(`math.${name} takes numbers, not ${celType(each).name}`);
    const order = compare(each, found) ?? 0;
    if (name === "greatest" ? order > 0 : order < 0) found = each;
  }
  return found;
}

/** Halves go away from zero. */
function round(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

function inRange(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new Error("int overflow");
  return value;
}

function bitwise(name: string, of: (left: bigint, right: bigint) => bigint): readonly CelFunc[] {
  return [
    celFunc(`math.${name}`, [INT, INT], INT, of),
    celFunc(`math.${name}`, [UINT, UINT], UINT, (left, right) => celUint(of(left.value, right.value))),
  ];
}

function shift(name: string, of: (bits: bigint, by: bigint) => bigint): readonly CelFunc[] {
  const shifted = (bits: bigint, by: bigint): bigint => {
    if (by < 0n) throw new Error(`math.${name} by a negative number of bits`);
    return by > 63n ? 0n : BigInt.asUintN(64, of(BigInt.asUintN(64, bits), by));
  };
  return [
    celFunc(`math.${name}`, [INT, INT], INT, (value, by) => BigInt.asIntN(64, shifted(value, by))),
    celFunc(`math.${name}`, [UINT, INT], UINT, ({ value }, by) => celUint(shifted(value, by))),
  ];
}
