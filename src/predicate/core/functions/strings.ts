import { type CelFunc, CelScalar, celList, celMethod, listType } from "@bufbuild/cel";
import { strings as libraryStrings } from "@bufbuild/cel/ext";
import { charge } from "../budget.ts";
import { charactersPerUnit } from "../costs.ts";
import { format } from "./format.ts";

const { DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);

/** Those of the library count in UTF-16, or lose what comes after the last separator. */
const replaced = new Set(["charAt", "indexOf", "lastIndexOf", "substring", "replace", "split", "format"]);

/** https://pkg.go.dev/github.com/google/cel-go/ext#Strings. Places and lengths are in code points. */
export const stringFunctions: readonly CelFunc[] = [
  ...libraryStrings.filter(({ name }) => !replaced.has(name)),
  celMethod("charAt", STRING, [INT], STRING, function (at) {
    return at === BigInt(sizeOf(this)) ? "" : part(this, at, at + 1n);
  }),
  celMethod("substring", STRING, [INT], STRING, function (start) {
    return part(this, start, BigInt(sizeOf(this)));
  }),
  celMethod("substring", STRING, [INT, INT], STRING, function (start, end) {
    if (start > end) throw new Error(`substring from ${start} to ${end}`);
    return part(this, start, end);
  }),
  celMethod("indexOf", STRING, [STRING], INT, function (sought) {
    return placeOf(this, this.indexOf(sought));
  }),
  celMethod("indexOf", STRING, [STRING, INT], INT, function (sought, from) {
    return placeOf(this, this.indexOf(sought, placeWithin(this, from)));
  }),
  celMethod("lastIndexOf", STRING, [STRING], INT, function (sought) {
    return placeOf(this, this.lastIndexOf(sought));
  }),
  celMethod("lastIndexOf", STRING, [STRING, INT], INT, function (sought, from) {
    return placeOf(this, this.lastIndexOf(sought, placeWithin(this, from)));
  }),
  celMethod("replace", STRING, [STRING, STRING], STRING, function (sought, by) {
    return replace(this, sought, by, -1n);
  }),
  celMethod("replace", STRING, [STRING, STRING, INT], STRING, function (sought, by, limit) {
    return replace(this, sought, by, limit);
  }),
  celMethod("split", STRING, [STRING], LIST, function (separator) {
    return celList(split(this, separator));
  }),
  celMethod("split", STRING, [STRING, INT], LIST, function (separator, limit) {
    return celList(splitAtMost(this, separator, Number(limit)));
  }),
  celMethod("reverse", STRING, [], STRING, function () {
    return [...this].reverse().join("");
  }),
  celMethod("format", STRING, [LIST], STRING, function (args) {
    return format(this, args);
  }),
];

const hasPairs = (text: string): boolean => /[\ud800-\udfff]/.test(text);

const sizeOf = (text: string): number => (hasPairs(text) ? [...text].length : text.length);

function part(text: string, start: bigint, end: bigint): string {
  const size = BigInt(sizeOf(text));
  for (const place of [start, end]) if (place < 0n || place > size) throw outOfBounds(place, size);
  const [from, to] = [Number(start), Number(end)];
  return hasPairs(text) ? [...text].slice(from, to).join("") : text.slice(from, to);
}

/** Of a place in UTF-16; -1 stays. */
function placeOf(text: string, unit: number): bigint {
  return BigInt(unit > 0 ? sizeOf(text.slice(0, unit)) : unit);
}

/** In UTF-16, of a place that must exist. */
function placeWithin(text: string, at: bigint): number {
  const size = BigInt(sizeOf(text));
  if (at < 0n || at >= size) throw outOfBounds(at, size);
  return hasPairs(text) ? [...text].slice(0, Number(at)).join("").length : Number(at);
}

const outOfBounds = (at: bigint, size: bigint) => new Error(`index ${at} out of bounds [0, ${size})`);

/** At most so often; below 0: everywhere. */
function replace(text: string, sought: string, by: string, limit: bigint): string {
  const pieces = sought === "" ? ["", ...text, ""] : text.split(sought);
  const count = limit < 0n ? pieces.length - 1 : Math.min(pieces.length - 1, Number(limit));
  charge((count * by.length) / charactersPerUnit);
  return [pieces.slice(0, count + 1).join(by), ...pieces.slice(count + 1)].join(sought);
}

const split = (text: string, separator: string): string[] => (separator === "" ? [...text] : text.split(separator));

/** The last piece has the rest. Below 0: all. */
function splitAtMost(text: string, separator: string, limit: number): string[] {
  if (limit === 0) return [];
  const pieces = split(text, separator);
  if (limit < 0 || pieces.length <= limit) return pieces;
  return [...pieces.slice(0, limit - 1), pieces.slice(limit - 1).join(separator)];
}
