import { expect, test } from "vitest";
import {
  aType,
  enumOf,
  join,
  listOf,
  mapOf,
  mayEqual,
  optionalOf,
  recordOf,
  type Type,
  types,
  valuesOf,
  valuesOnly,
  withValues,
} from "../../../../src/predicate/core/typing/type.ts";

const { int, uint, double, string, bool, timestamp, duration, dyn, none } = types;
const nothing = types.null;

test("what is one of two types is of both if they are alike, part by part, and else of any", () => {
  expect(join(int, int)).toBe(int);
  expect([join(none, string), join(string, none)]).toEqual([string, string]);
  expect([join(nothing, timestamp), join(duration, nothing), join(nothing, string)]).toEqual([timestamp, duration, dyn]);
  expect(join(listOf(none), listOf(int))).toEqual(listOf(int));
  expect(join(listOf(string), listOf(int))).toEqual(listOf(dyn));
  expect(join(optionalOf(none), optionalOf(bool))).toEqual(optionalOf(bool));
  expect(join(mapOf(string, int), mapOf(string, string))).toEqual(mapOf(string, dyn));
  const [states, moves] = [new Map([["ACTIVE", "ACTIVE"]]), new Map([["MOVE", "MOVE"]])];
  expect(join(enumOf(states), enumOf(moves))).toEqual(enumOf(new Map([...states, ...moves])));
  // An enum among others is a text, a record a map.
  expect([join(enumOf(states), string), join(string, enumOf(states))]).toEqual([string, string]);
  expect(join(recordOf({ a: int }), mapOf(string, int))).toEqual(mapOf(string, int));
  const unlike = [int, string, nothing, listOf(int), optionalOf(int), mapOf(string, int)];
  for (const left of unlike) {
    for (const right of unlike.filter((each) => each !== left)) {
      const isNoOption = left === nothing || right === nothing ? [left, right].some(({ kind }) => kind === "optional") : false;
      expect(join(left, right)).toEqual(isNoOption ? optionalOf(int) : dyn);
      expect(mayEqual(left, right)).toBe(isNoOption);
    }
  }
});

test("two may be equal unless their types are unlike somewhere; numbers are by value, and null is a time that is not set", () => {
  expect([mayEqual(int, double), mayEqual(uint, double), mayEqual(int, dyn), mayEqual(dyn, string)]).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect([mayEqual(int, string), mayEqual(bool, string)]).toEqual([false, false]);
  expect([nothing, timestamp, optionalOf(int)].map((type) => mayEqual(nothing, type))).toEqual([true, true, true]);
  expect([timestamp, string].map((type) => mayEqual(type, nothing))).toEqual([true, false]);
  expect([mayEqual(listOf(int), listOf(double)), mayEqual(listOf(int), listOf(string))]).toEqual([true, false]);
  expect([mayEqual(optionalOf(int), optionalOf(int)), mayEqual(optionalOf(int), optionalOf(string))]).toEqual([true, false]);
  expect(mayEqual(mapOf(string, int), mapOf(string, double))).toBe(true);
  expect([mayEqual(mapOf(int, int), mapOf(string, int)), mayEqual(mapOf(string, int), mapOf(string, bool))]).toEqual([
    false,
    false,
  ]);
  expect(mayEqual(listOf(int), optionalOf(int))).toBe(false);
});

test("the values of a record are of all its fields, and of what else it may have", () => {
  expect(valuesOf(mapOf(string, int) as Extract<Type, { readonly kind: "map" }>)).toBe(int);
  expect(valuesOf(recordOf({ a: int, b: int }))).toBe(int);
  expect(valuesOf(recordOf({ a: int, b: string }))).toBe(dyn);
  expect(valuesOf(recordOf({ a: int }, string))).toBe(dyn);
  expect(valuesOf(recordOf({}, string))).toBe(string);
  // To join what has parts would take long.
  for (const part of [listOf(int), recordOf({}), mapOf(string, int)])
    expect(valuesOf(recordOf({ a: part, b: int }))).toEqual(dyn);
  for (const part of [listOf(int), recordOf({}), mapOf(string, int)]) expect(valuesOf(recordOf({ a: part }))).toEqual(dyn);
});

test("what values a type has, if it says so", () => {
  expect([valuesOnly(undefined), valuesOnly(int), valuesOnly(withValues(int, [1, 2]))]).toEqual([undefined, undefined, [1, 2]]);
  expect(withValues(string, ["a"])).toEqual(string);
});

test("as people write it, with its article", () => {
  expect([int, uint, nothing, none, recordOf({}), optionalOf(int)].map(aType)).toEqual([
    ...["an int", "a uint", "null", "a dyn", "a map", "an optional(int)"],
  ]);
});
