import type { Json } from "../../../kernel/json.ts";
import { firstCharacters, printable } from "../../../kernel/text.ts";

/** Of a value that is shown. */
const shownLengthMax = 40;

/** Of a name that is shown in a path. */
const nameLengthMax = 100;

/** A value for a sentence, in short. */
export function shown(value: Json): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "string" ? quoted(value, shownLengthMax) : String(value);
}

/** A name for a sentence. */
export const named = (name: string): string => quoted(name, nameLengthMax);

function quoted(text: string, length: number): string {
  const start = firstCharacters(text, length);
  return printable(JSON.stringify(start === text ? text : `${start}…`));
}

/** Where in the metadata: the way there, from the inside. Made for each value that is looked at, so no text yet. */
export type Place = { readonly within: Place | undefined; readonly key: string | number };

/** As people write it: `metadata.tags[2]`, `metadata["content-type"]`. */
export function pathOf({ within, key }: Place): string {
  if (within === undefined) return String(key);
  if (typeof key === "number") return `${pathOf(within)}[${key}]`;
  return /^[A-Za-z_][A-Za-z0-9_]{0,99}$/.test(key) ? `${pathOf(within)}.${key}` : `${pathOf(within)}[${named(key)}]`;
}

/** `a, b or c` */
export function anyOfWords(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
