import { assert } from "../../../kernel/assert.ts";
import type { Keyword } from "./part.ts";
import { fail, type Run, spend } from "./run.ts";
import { shown } from "./words.ts";

const bound =
  (words: string, allows: (value: number, limit: number) => boolean): Keyword =>
  (given, part) => {
    if (typeof given !== "number") return part.problem(`is ${shown(given)}, must be a number`);
    return (value, at, run) =>
      typeof value !== "number" || allows(value, given) || fail(run, at, () => `is ${shown(value)}, must be ${words} ${given}`);
  };

export const minimum = bound("at least", (value, limit) => value >= limit);
export const maximum = bound("at most", (value, limit) => value <= limit);
export const exclusiveMinimum = bound("more than", (value, limit) => value > limit);
export const exclusiveMaximum = bound("less than", (value, limit) => value < limit);

/** To divide decimals exactly. */
const divisionSteps = 50;

export const multipleOf: Keyword = (given, part) => {
  if (typeof given !== "number" || !(given > 0)) return part.problem(`is ${shown(given)}, must be a number above 0`);
  return (value, at, run) =>
    typeof value !== "number" ||
    isMultiple(value, given, run) ||
    fail(run, at, () => `is ${shown(value)}, must be a multiple of ${given}`);
};

/** As decimals, as they are written: 19.99 is a multiple of 0.01, though what a double holds for them is not. */
function isMultiple(value: number, of: number, run: Run): boolean {
  if (Number.isSafeInteger(value) && Number.isSafeInteger(of)) return value % of === 0;
  if (!Number.isFinite(value) || !spend(run, divisionSteps)) return false;
  const [left, right] = [decimalOf(value), decimalOf(of)];
  const exponent = Math.min(left.exponent, right.exponent);
  const scaled = ({ digits, exponent: own }: Decimal): bigint => digits * 10n ** BigInt(own - exponent);
  return scaled(left) % scaled(right) === 0n;
}

type Decimal = { readonly digits: bigint; readonly exponent: number };

function decimalOf(value: number): Decimal {
  const parts = /^(-?\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  assert(parts !== null, "a finite number is written in decimals");
  const [, whole = "", fraction = "", exponent = "0"] = parts;
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}
