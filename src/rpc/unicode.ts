import type { JsonValue } from "@bufbuild/protobuf";
import { keyText } from "./key-text.ts";

/** JSON can escape half a character, "\ud800", and UTF-8 cannot say it: it would silently become another one, and two keys the same. */
export const notUnicodeWords = "is no Unicode text: it has half of a surrogate pair alone";

/**
 * Where in a value the first text stands, a key or a string, that is no Unicode; "" is the value itself. It goes down without recursion: what
 * it is given may be deeper than the stack.
 */
export function notUnicodePlace(value: JsonValue): string | undefined {
  const open: { readonly value: JsonValue; readonly at: string }[] = [{ value, at: "" }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: each, at } = next;
    if (typeof each === "string" && !each.isWellFormed()) return at;
    if (typeof each !== "object" || each === null) continue;
    const parts = Object.entries(each).map(([key, part]) => ({
      key,
      value: part,
      at: `${at}${Array.isArray(each) ? `[${key}]` : keyText(key)}`,
    }));
    const misnamed = parts.find(({ key }) => !key.isWellFormed());
    if (misnamed !== undefined) return misnamed.at;
    for (const part of parts.toReversed()) open.push(part);
  }
  return undefined;
}
