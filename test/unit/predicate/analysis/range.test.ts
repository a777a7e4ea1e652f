import { describe, expect, test } from "vitest";
import {
  holesRange,
  intersectRanges,
  type Order,
  type Ordered,
  orderRange,
  pointsRange,
  type Range,
  wholeRange,
} from "../../../../src/predicate/core/analysis/range.ts";
import { compareTexts } from "../../../../src/predicate/core/order.ts";

const orders: readonly Order[] = ["<", "<=", ">", ">="];

/** Whether a value is as an order says. */
const meets = (order: Order, sign: number): boolean =>
  ({ "<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0 })[order];

const isIn = (range: Range | undefined, value: Ordered): boolean =>
  range !== undefined && intersectRanges(range, pointsRange([value])) !== undefined;

const families: readonly (readonly [string, readonly Ordered[], (a: never, b: never) => number])[] = [
  ["numbers of all types", [-1, 0.5, 1n, 1, 2n, 2.5], (a: number, b: number) => (a < b ? -1 : a > b ? 1 : 0)],
  // As UTF-16 has it, the face would be before the last of the first plane.
  ["texts, by code point", ["", "a", "b", "\uffff", "\u{1f600}"], compareTexts],
];

describe.each(families)("%s", (_name, values, compare) => {
  const signOf = compare as (a: Ordered, b: Ordered) => number;
  const simple: readonly Range[] = [
    wholeRange,
    ...values.flatMap((value) => orders.map((order) => orderRange(order, value))),
    ...values.flatMap((one) => values.map((other) => pointsRange([one, other]))),
    ...values.map((value) => holesRange([value])),
  ];

  test("are in a range as what it is made of says", () => {
    for (const value of values) {
      expect(isIn(wholeRange, value)).toBe(true);
      for (const other of values) {
        const sign = signOf(value, other);
        for (const order of orders) expect([order, isIn(orderRange(order, other), value)]).toEqual([order, meets(order, sign)]);
        expect(isIn(pointsRange([other]), value)).toBe(sign === 0);
        expect(isIn(holesRange([other]), value)).toBe(sign !== 0);
      }
    }
    expect(pointsRange([]).only).toEqual([]);
  });

  test("are in what two ranges share if they are in both, and where nothing can be it is said", () => {
    const wrong: unknown[] = [];
    for (const one of simple) {
      for (const other of simple) {
        const shared = intersectRanges(one, other);
        if (values.some((value) => isIn(shared, value) !== (isIn(one, value) && isIn(other, value)))) wrong.push([one, other]);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("between two ends there may be something, unless they meet, or have passed each other", () => {
    for (const low of values) {
      for (const high of values) {
        const sign = signOf(low, high);
        const between = (above: Order, below: Order) => intersectRanges(orderRange(above, low), orderRange(below, high));
        expect(between(">=", "<=") !== undefined).toBe(sign <= 0);
        for (const [above, below] of [
          [">", "<="],
          [">=", "<"],
          [">", "<"],
        ] as const)
          expect(between(above, below) !== undefined).toBe(sign < 0);
        const closed = between(">=", "<=");
        if (closed !== undefined) expect(intersectRanges(closed, holesRange([low])) !== undefined).toBe(sign < 0);
      }
    }
  });

  test("of two ends the tighter one counts, and of two alike the open one", () => {
    for (const one of values) {
      for (const other of values) {
        for (const [first, second] of [
          ["<", "<="],
          ["<=", "<"],
          [">", ">="],
          [">=", ">"],
        ] as const) {
          const shared = intersectRanges(orderRange(first, one), orderRange(second, other));
          for (const value of values)
            expect(isIn(shared, value)).toBe(meets(first, signOf(value, one)) && meets(second, signOf(value, other)));
        }
      }
    }
  });
});
