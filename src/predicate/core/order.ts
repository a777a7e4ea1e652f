import { type CelValue, isCelUint } from "@bufbuild/cel";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";

export const numberOf = (value: CelValue): number | bigint | undefined => {
  if (typeof value === "number" || typeof value === "bigint") return value;
  return isCelUint(value) ? value.value : undefined;
};

/** Below 0, 0, above 0; NaN of NaN. Undefined: they have no order. */
export function compare(left: CelValue, right: CelValue): number | undefined {
  const [number, other] = [numberOf(left), numberOf(right)];
  if (number !== undefined && other !== undefined) return compareNumbers(number, other);
  if (typeof left === "string" && typeof right === "string") return compareTexts(left, right);
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right);
  if (left instanceof Uint8Array && right instanceof Uint8Array) return compareBytes(left, right);
  if (!isReflectMessage(left) || !isReflectMessage(right) || left.desc.typeName !== right.desc.typeName) return undefined;
  return isTime(left.message) && isTime(right.message) ? compareTimes(left.message, right.message) : undefined;
}

/** Exactly, also an int with a double. */
export function compareNumbers(left: number | bigint, right: number | bigint): number {
  if (left < right) return -1;
  if (left > right) return 1;
  // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number.
  return left == right ? 0 : Number.NaN;
}

/** By code point. JavaScript compares UTF-16, in which the pairs of the upper planes come before U+E000. */
export function compareTexts(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at += 1) {
    const difference = left.charCodeAt(at) - right.charCodeAt(at);
    if (difference !== 0) return rankOf(left.charCodeAt(at)) - rankOf(right.charCodeAt(at));
  }
  return left.length - right.length;
}

/** Surrogates after all others. */
const rankOf = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);

export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  // What is shorter has nothing where the other goes on, which is no more than 0.
  for (let at = 0; at < right.length; at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

type Time = { readonly seconds: bigint; readonly nanos: number };

const isTime = (message: object): message is Time => "seconds" in message;

function compareTimes(left: Time, right: Time): number {
  return left.seconds === right.seconds ? left.nanos - right.nanos : left.seconds < right.seconds ? -1 : 1;
}
