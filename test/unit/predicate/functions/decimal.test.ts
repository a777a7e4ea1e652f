import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fixed, scientific } from "../../../../src/predicate/core/functions/decimal.ts";

describe("the value itself is rounded, half to even", () => {
  test.each([
    [2.675, 2, "2.67"],
    [8315.245, 2, "8315.25"],
    [9560.343, 20, "9560.34300000000075669959"],
    [0.5, 0, "0"],
    [1.5, 0, "2"],
    [2.5, 0, "2"],
    [-0.125, 2, "-0.12"],
    [0.375, 2, "0.38"],
    [0, 0, "0"],
    [-0, 2, "-0.00"],
    [-0.004, 2, "-0.00"],
    [9.995, 2, "9.99"],
    [99.96, 1, "100.0"],
    [1e21, 1, "1000000000000000000000.0"],
    [1e23, 0, "99999999999999991611392"],
    [5e-324, 5, "0.00000"],
    [3n, 2, "3.00"],
    [0n, 1, "0.0"],
    [-1n, 0, "-1"],
    [-9223372036854775808n, 1, "-9223372036854775808.0"],
  ])("%s with %s decimals", (value, decimals, text) => {
    expect(fixed(value, decimals)).toBe(text);
  });

  test.each([
    [1e-7, 6, "1.000000e-07"],
    [1, 1, "1.0e+00"],
    [1n, 0, "1e+00"],
    [0.5, 0, "5e-01"],
    [0, 2, "0.00e+00"],
    [-0, 0, "-0e+00"],
    [25, 0, "2e+01"],
    [35, 0, "4e+01"],
    [9.9996, 3, "1.000e+01"],
    [0.099996, 3, "1.000e-01"],
    [0.1, 0, "1e-01"],
    [0.125, 1, "1.2e-01"],
    [1e23, 15, "9.999999999999999e+22"],
    [1e23, 6, "1.000000e+23"],
    [5e-324, 3, "4.941e-324"],
    [1.7976931348623157e308, 2, "1.80e+308"],
    [-12345n, 1, "-1.2e+04"],
    [18446744073709551615n, 20, "1.84467440737095516150e+19"],
  ])("%s with %s decimals and an exponent", (value, decimals, text) => {
    expect(scientific(value, decimals)).toBe(text);
  });
});

const doubles = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ noNaN: true, min: -1e6, max: 1e6 }),
  // Halves, quarters, eighths: ties are frequent.
  fc.tuple(fc.integer({ min: -100_000, max: 100_000 }), fc.integer({ min: 0, max: 12 })).map(([over, by]) => over / 2 ** by),
);
const decimalCounts = fc.integer({ min: 0, max: 100 });

/** The bits of a double, as IEEE 754 says: `mantissa * 2^power`. */
function partsOf(value: number): { readonly isNegative: boolean; readonly mantissa: bigint; readonly power: number } {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const all = bits.getBigUint64(0);
  const [exponent, rest] = [Number((all >> 52n) & 0x7ffn), all & ((1n << 52n) - 1n)];
  const mantissa = exponent === 0 ? rest : rest | (1n << 52n);
  return { isNegative: all >> 63n === 1n, mantissa, power: Math.max(exponent, 1) - 1075 };
}

/** Twice how far a text of decimal digits is from a value, and how much its last digit counts, both in the same small unit. */
function errorOf(text: string, value: number): { readonly twice: bigint; readonly unit: bigint; readonly last: bigint } {
  const { isNegative, mantissa, power } = partsOf(value);
  const [, sign, whole = "", part = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text) ?? [];
  expect(sign === "-").toBe(isNegative);
  const digits = BigInt(whole + part);
  const tens = Number(exponent) - part.length;
  const [twos, shift] = [Math.min(power, 0), Math.min(tens, 0)];
  const exact = mantissa * 2n ** BigInt(power - twos) * 10n ** BigInt(-shift);
  const unit = 10n ** BigInt(tens - shift) * 2n ** BigInt(-twos);
  const difference = exact - digits * unit;
  return { twice: 2n * (difference < 0n ? -difference : difference), unit, last: digits % 2n };
}

function expectNearest(text: string, value: number): void {
  const { twice, unit, last } = errorOf(text, value);
  expect(twice < unit || (twice === unit && last === 0n)).toBe(true);
}

test("property: no text with as many decimals is nearer to the double, and of two as near it is the even one", () => {
  fc.assert(
    fc.property(doubles, decimalCounts, (value, decimals) => {
      const [plain, withExponent] = [fixed(value, decimals), scientific(value, decimals)];
      expect(plain).toMatch(new RegExp(`^-?(?:0|[1-9]\\d*)${decimals === 0 ? "" : `\\.\\d{${decimals}}`}$`));
      expect(withExponent).toMatch(
        new RegExp(`^-?${value === 0 ? "0" : "[1-9]"}${decimals === 0 ? "" : `\\.\\d{${decimals}}`}e[+-]\\d{2,3}$`),
      );
      expectNearest(plain, value);
      expectNearest(withExponent, value);
    }),
  );
});

test("property: where it is no tie, it is what JavaScript shows, which rounds exactly, half away from zero", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, min: -1e20, max: 1e20 }), fc.integer({ min: 0, max: 30 }), (value, decimals) => {
      const { twice, unit } = errorOf(fixed(value, decimals), value);
      fc.pre(twice !== unit && !Object.is(value, -0));
      expect(fixed(value, decimals)).toBe(value < 0 ? `-${(-value).toFixed(decimals)}` : value.toFixed(decimals));
    }),
  );
});
