import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compare, intersection, isWithin, type Range } from "../../../src/kernel/range.ts";

const text = fc.string({ unit: "binary" });

const rangeOf = <Value extends string | number>(value: fc.Arbitrary<Value>): fc.Arbitrary<Range<Value>> =>
  fc.record({ min: value, max: value, oneOf: fc.array(value) }, { requiredKeys: [] });

describe("ranges", () => {
  test("texts are in the order of their bytes", () => {
    const bytewise = (a: string, b: string): number => Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    fc.assert(
      fc.property(text, text, text, (start, a, b) => {
        expect(Math.sign(compare(start + a, start + b))).toBe(bytewise(start + a, start + b));
      }),
    );
  });

  test("what lies in the intersection lies in both", () => {
    const value = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(rangeOf(value), rangeOf(value), value, (a, b, each) => {
        expect(isWithin(intersection(a, b), each)).toBe(isWithin(a, each) && isWithin(b, each));
      }),
    );
  });

  test("nothing known is any value", () => {
    expect(isWithin(undefined, "x")).toBe(true);
    expect(isWithin({}, 1)).toBe(true);
    expect(isWithin({ oneOf: [] }, 1)).toBe(false);
  });
});
