import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../../../src/kernel/json.ts";
import { structDepthMax, structValueCountMax } from "../../../src/kernel/limits.ts";
import { mergePatch } from "../../../src/kernel/merge-patch.ts";
import { structExcess } from "../../../src/kernel/struct-bounds.ts";

// RFC 7396, appendix A: those of its examples that are of two objects.
test.each([
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  [{ a: "foo" }, { a: { b: 1 } }, { a: { b: 1 } }],
] as readonly (readonly [JsonObject, JsonObject, JsonObject])[])("%j patched with %j is %j", (target, patch, merged) => {
  expect(mergePatch(target, patch)).toEqual(merged);
});

test("a key may have any name", () => {
  const own = (json: string) => JSON.parse(json) as JsonObject;
  const merged = mergePatch(own('{"__proto__":{"a":1},"constructor":1}'), own('{"__proto__":{"b":2},"constructor":null}'));
  expect(JSON.stringify(merged)).toBe('{"__proto__":{"a":1,"b":2}}');
});

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
const object = fc.dictionary(fc.constantFrom("a", "b", "c"), json) as fc.Arbitrary<JsonObject>;

test("a patch applied twice is a patch applied once, and changes neither the target nor itself", () => {
  fc.assert(
    fc.property(object, object, (target, patch) => {
      const before = JSON.stringify([target, patch]);
      const once = mergePatch(target, patch);
      expect(mergePatch(once, patch)).toEqual(once);
      expect(JSON.stringify([target, patch])).toBe(before);
    }),
  );
});

describe("what is too much of a Struct", () => {
  const nested = (levels: number): JsonObject =>
    levels === 1 ? {} : { a: levels % 2 === 0 ? nested(levels - 1) : [nested(levels - 2)] };

  test("bytes, of UTF-8", () => {
    expect(structExcess({ a: "x".repeat(65_528) })).toBeUndefined();
    for (const text of ["ä".repeat(32_765), "€".repeat(21_844), "😀".repeat(16_383)]) {
      const bytes = Buffer.byteLength(JSON.stringify({ a: text }));
      expect(structExcess({ a: text })).toBe(`has ${bytes} bytes as JSON; at most 65536 are allowed`);
    }
  });

  test("values, those within others counted", () => {
    const list = (count: number): JsonObject => ({ a: Array.from({ length: count }, () => 1) });
    expect(structExcess(list(structValueCountMax - 1))).toBeUndefined();
    expect(structExcess(list(structValueCountMax))).toBe("has 5001 values; at most 5000 are allowed");
  });

  test("levels", () => {
    expect(structExcess(nested(structDepthMax))).toBeUndefined();
    expect(structExcess({ a: nested(structDepthMax) })).toBe("is nested deeper than 32 levels");
  });
});
