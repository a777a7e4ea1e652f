import {
  type CelFunc,
  type CelList,
  CelScalar,
  type CelValue,
  celFunc,
  celList,
  celMethod,
  celType,
  isCelList,
  listType,
} from "@bufbuild/cel";
import { equals } from "../equality.ts";
import { none, optionalOf, optionalType } from "../optional.ts";
import { compare } from "../order.ts";

const { DYN, INT } = CelScalar;
const LIST = listType(DYN);

/** https://pkg.go.dev/github.com/google/cel-go/ext#Lists */
export const listFunctions: readonly CelFunc[] = [
  celFunc("lists.range", [INT], LIST, (size) =>
    celList(Array.from({ length: Math.max(0, Number(size)) }, (_, at) => BigInt(at))),
  ),
  celMethod("slice", LIST, [INT, INT], LIST, function (start, end) {
    if (start < 0n || start > end || end > BigInt(this.size)) {
      throw new Error(`slice from ${start} to ${end} of a list of ${this.size}`);
    }
    return celList([...this].slice(Number(start), Number(end)));
  }),
  celMethod("flatten", LIST, [], LIST, function () {
    return celList(flatten(this, 1n));
  }),
  celMethod("flatten", LIST, [INT], LIST, function (depth) {
    if (depth < 0n) throw new Error("flatten to a negative depth");
    return celList(flatten(this, depth));
  }),
  celMethod("distinct", LIST, [], LIST, function () {
    return celList(distinct(this));
  }),
  celMethod("reverse", LIST, [], LIST, function () {
    return celList([...this].reverse());
  }),
  celMethod("sort", LIST, [], LIST, function () {
    return celList(sorted([...this], [...this]));
  }),
  celMethod("@sortByKeys", LIST, [LIST], LIST, function (keys) {
    return celList(sorted([...this], [...keys]));
  }),
  celMethod("first", LIST, [], optionalType, function () {
    return this.size === 0 ? none : optionalOf(this.get(0) ?? null);
  }),
  celMethod("last", LIST, [], optionalType, function () {
    return this.size === 0 ? none : optionalOf(this.get(this.size - 1) ?? null);
  }),
];

function flatten(list: CelList, depth: bigint): CelValue[] {
  if (depth === 0n) return [...list];
  return [...list].flatMap((each) => (isCelList(each) ? flatten(each, depth - 1n) : [each]));
}

/** The first of those that are equal. */
function distinct(list: CelList): CelValue[] {
  const texts = new Set<string>();
  const others: CelValue[] = [];
  return [...list].filter((each) => {
    if (typeof each === "string") return !texts.has(each) && texts.add(each);
    return !others.some((other) => equals(other, each)) && others.push(each);
  });
}

/** By their keys, which are all of one type that has an order. Equal ones keep theirs. */
function sorted(values: readonly CelValue[], keys: readonly CelValue[]): CelValue[] {
  const [first] = keys;
  for (const key of keys) {
    if (first !== undefined && (celType(key).name !== celType(first).name || compare(key, key) === undefined)) {
      throw new Error("only numbers, texts, bools, bytes and times of one type can be sorted");
    }
  }
  return values
    .map((value, at) => ({ value, key: keys[at] ?? null }))
    .sort((a, b) => compare(a.key, b.key) || 0)
    .map(({ value }) => value);
}
