import { compareNumbers, compareTexts } from "../order.ts";

/** Of one type that has an order: numbers of all types, texts, times, or spans of time. */
export type Ordered = number | bigint | string;

type End = { readonly value: Ordered; readonly isOpen: boolean };

/** Values between two ends, perhaps only some of them, but for some. */
export type Range = {
  readonly low?: End;
  readonly high?: End;
  readonly only?: readonly Ordered[];
  readonly not: readonly Ordered[];
};

export const wholeRange: Range = { not: [] };

export const pointsRange = (only: readonly Ordered[]): Range => ({ only, not: [] });

export const holesRange = (not: readonly Ordered[]): Range => ({ not });

export type Order = "<" | "<=" | ">" | ">=";

/** What is `order` than the value. */
export function orderRange(order: Order, value: Ordered): Range {
  const end = { value, isOpen: order === "<" || order === ">" };
  return order === "<" || order === "<=" ? { high: end, not: [] } : { low: end, not: [] };
}

/** Of two of one type. */
const compare = (left: Ordered, right: Ordered): number =>
  typeof left === "string" ? compareTexts(left, right as string) : compareNumbers(left, right as number | bigint);

const isEqual = (left: Ordered, right: Ordered): boolean => compare(left, right) === 0;

/** Undefined: nothing is in both. */
export function intersectRanges(one: Range, other: Range): Range | undefined {
  const low = tighter(one.low, other.low, 1);
  const high = tighter(one.high, other.high, -1);
  const not = [...new Set([...one.not, ...other.not])];
  const ends = { ...(low && { low }), ...(high && { high }), not };
  const only = one.only ?? other.only;
  if (only === undefined) return isBetween(ends) ? ends : undefined;
  const second = other.only ?? only;
  const left = only.filter((value) => second.some((each) => isEqual(each, value)) && isIn(value, ends));
  return left.length === 0 ? undefined : { ...ends, only: left };
}

function tighter(one: End | undefined, other: End | undefined, sign: 1 | -1): End | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const order = compare(one.value, other.value) * sign;
  return order > 0 || (order === 0 && one.isOpen) ? one : other;
}

/** Something may be between the ends; of ints there may be nothing after all. */
function isBetween({ low, high, not }: Range): boolean {
  if (low === undefined || high === undefined) return true;
  const order = compare(low.value, high.value);
  if (order < 0) return true;
  return order === 0 && !low.isOpen && !high.isOpen && !not.some((hole) => isEqual(hole, low.value));
}

function isIn(value: Ordered, { low, high, not }: Range): boolean {
  if (low !== undefined && (compare(value, low.value) < 0 || (low.isOpen && isEqual(value, low.value)))) return false;
  if (high !== undefined && (compare(value, high.value) > 0 || (high.isOpen && isEqual(value, high.value)))) return false;
  return !not.some((hole) => isEqual(hole, value));
}
