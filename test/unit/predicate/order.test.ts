import { celUint } from "@bufbuild/cel";
import { create } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { compare, compareTexts } from "../../../src/predicate/core/order.ts";

const bytes = (...values: readonly number[]) => new Uint8Array(values);
const sign = (order: number | undefined) => (order === undefined ? undefined : Math.sign(order));

test("values of one type have an order; numbers are by value, whatever their types", () => {
  expect([compare(1n, 2.5), compare(3n, celUint(2n)), compare(2n, 2)].map(sign)).toEqual([-1, 1, 0]);
  expect(compare(Number.NaN, 1)).toBeNaN();
  // Above 2^53 a double is no whole number of its own.
  expect(sign(compare(9_007_199_254_740_993n, 9_007_199_254_740_992))).toBe(1);
  expect([compare("a", "b"), compare("b", "a"), compare("a", "a"), compare("a", "ab")].map(sign)).toEqual([-1, 1, 0, -1]);
  expect([compare(false, true), compare(true, true)].map(sign)).toEqual([-1, 0]);
  expect([compare(bytes(1, 2), bytes(1, 3)), compare(bytes(1), bytes(1, 0)), compare(bytes(2), bytes(1, 9))].map(sign)).toEqual([
    ...[-1, -1, 1],
  ]);
  expect([compare(bytes(1, 0), bytes(1)), compare(bytes(1), bytes(1)), compare(bytes(), bytes(0))].map(sign)).toEqual([1, 0, -1]);
});

test("times have an order, and so have spans of time, but not one with the other", () => {
  const time = (seconds: bigint) => reflect(TimestampSchema, create(TimestampSchema, { seconds }));
  const span = (nanos: number) => reflect(DurationSchema, create(DurationSchema, { nanos }));
  expect([compare(time(1n), time(2n)), compare(time(2n), time(1n)), compare(span(1), span(2))].map(sign)).toEqual([-1, 1, -1]);
  expect([compare(time(1n), span(2)), compare(span(2), time(1n)), compare(time(1n), 1n)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("values of two types have none, and neither have lists, maps and null", () => {
  const values = [1n, "1", true, bytes(1), null];
  for (const left of values)
    for (const right of values) if (left !== right) expect(compare(left, right), `${left} ${right}`).toBeUndefined();
  expect(compare(null, null)).toBeUndefined();
});

test("texts are in the order of their code points, also those of the upper planes", () => {
  expect(sign(compareTexts("\u{1f600}", "\uffff"))).toBe(1);
  expect(sign(compareTexts("\ue000", "\u{1f600}"))).toBe(-1);
  expect(sign(compareTexts("\ud7ff", "\u{10000}"))).toBe(-1);
  expect(sign(compareTexts("\ue000", "\u{10000}"))).toBe(-1);
  expect(sign(compareTexts("\u{10ffff}", "\uffff"))).toBe(1);
  expect(sign(compareTexts("\ue000", "\uffff"))).toBe(-1);
});
