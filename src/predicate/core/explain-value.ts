import { type CelValue, isCelList, isCelMap, isCelType, isCelUint } from "@bufbuild/cel";
import { toJson } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { firstCharacters } from "../../kernel/text.ts";
import { shownLengthMax } from "./limits.ts";
import { heldBy, isOptional } from "./optional.ts";

/** As one would write it in an expression, and no longer than `shownLengthMax`: what is cut ends with `…`. */
export function shownValue(value: CelValue): string {
  const pieces: string[] = [];
  let left = shownLengthMax;
  for (const piece of piecesOf(value)) {
    left -= piece.length;
    pieces.push(piece);
    if (left < 0) return shownText(pieces.join(""));
  }
  return pieces.join("");
}

/** The same of a text. */
export function shownText(text: string): string {
  const shown = firstCharacters(text, shownLengthMax);
  return shown.length < text.length ? `${shown}…` : text;
}

/** One after the other, as far as somebody asks: a value can be far larger than what is shown of it. */
function* piecesOf(value: CelValue): Generator<string, void> {
  if (isCelList(value)) return yield* enclosed("[", "]", value, piecesOf);
  if (isCelMap(value)) return yield* enclosed("{", "}", value, piecesOfEntry);
  if (isOptional(value)) {
    const held = heldBy(value);
    return yield* held === undefined ? ["optional.none()"] : enclosed("optional.of(", ")", [held], piecesOf);
  }
  yield single(value);
}

type Pieces<Item> = (item: Item) => Generator<string, void>;

function* enclosed<Item>(begin: string, end: string, items: Iterable<Item>, pieces: Pieces<Item>): Generator<string, void> {
  let separator = begin;
  for (const item of items) {
    yield separator;
    yield* pieces(item);
    separator = ", ";
  }
  yield separator === begin ? begin + end : end;
}

function* piecesOfEntry([key, value]: readonly [CelValue, CelValue]): Generator<string, void> {
  yield* piecesOf(key);
  yield ": ";
  yield* piecesOf(value);
}

function single(value: CelValue): string {
  // What is beyond the bound is cut anyway.
  if (typeof value === "string") return JSON.stringify(value.slice(0, 2 * shownLengthMax));
  if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
  if (isCelUint(value)) return `${value.value}u`;
  if (isCelType(value)) return value.name;
  if (value instanceof Uint8Array) return `b"${[...value.subarray(0, shownLengthMax)].map(escapedByte).join("")}"`;
  return isReflectMessage(value) ? messageText(value) : String(value);
}

const escapedByte = (byte: number): string => `\\x${byte.toString(16).padStart(2, "0")}`;

const constructors: Readonly<Record<string, string>> = {
  "google.protobuf.Timestamp": "timestamp",
  "google.protobuf.Duration": "duration",
};

function messageText(value: ReflectMessage): string {
  const { typeName } = value.desc;
  try {
    return `${constructors[typeName] ?? typeName}(${JSON.stringify(toJson(value.desc, value.message))})`;
  } catch {
    // JSON has no times outside of the years 1 to 9999.
    return typeName;
  }
}
