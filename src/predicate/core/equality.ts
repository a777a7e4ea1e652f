import { type CelList, type CelMap, type CelValue, celEnv, isCelList, isCelMap, isCelType } from "@bufbuild/cel";
import { heldBy, isOptional } from "./optional.ts";
import { compareBytes, numberOf } from "./order.ts";

const libraryEquals = celEnv().funcs.find("_==_");

/** Numbers are equal if their values are, whatever their types; else what has different types differs. */
export function equals(left: CelValue, right: CelValue): boolean {
  if (left === right) return true;
  if (typeof left === "string" || typeof left === "boolean" || left === null) return false;
  const number = numberOf(left);
  if (number !== undefined) {
    const other = numberOf(right);
    // JavaScript compares a bigint with a number exactly.
    // biome-ignore lint/suspicious/noDoubleEquals: that needs two signs.
    return other !== undefined && number == other;
  }
  if (isCelList(left)) return isCelList(right) && equalLists(left, right);
  if (isCelMap(left)) return isCelMap(right) && equalMaps(left, right);
  if (left instanceof Uint8Array) return right instanceof Uint8Array && compareBytes(left, right) === 0;
  if (isCelType(left)) return isCelType(right) && left.name === right.name;
  if (isOptional(left)) return isOptional(right) && equalOptionals(left, right);
  return libraryEquals?.call(0, undefined, [left, right]) === true;
}

function equalLists(left: CelList, right: CelList): boolean {
  if (left.size !== right.size) return false;
  const others = right.values();
  for (const value of left) {
    if (!equals(value, others.next().value as CelValue)) return false;
  }
  return true;
}

function equalMaps(left: CelMap, right: CelMap): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left) {
    const other = right.get(key);
    if (other === undefined || !equals(value, other)) return false;
  }
  return true;
}

function equalOptionals(left: CelValue, right: CelValue): boolean {
  const [value, other] = [heldBy(left), heldBy(right)];
  return value === undefined || other === undefined ? value === other : equals(value, other);
}
