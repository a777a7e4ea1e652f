import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePageToken, encodePageToken, pageSize } from "../../../src/rpc/page.ts";
import { requestDigest } from "../../../src/rpc/request-digest.ts";

const seed = process.env["SEED"];
const replay = seed === undefined ? {} : { seed: Number(seed) };

describe("page tokens", () => {
  test("a token leads back to its place, in its own list", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: "grapheme" }), (scope, after) => {
        expect(decodePageToken(scope, encodePageToken(scope, after))).toBe(after);
      }),
      replay,
    );
  });

  test("a token of another list or filter is refused, and so is any text that is no token", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string({ minLength: 1 }), (scope, other, after, text) => {
        fc.pre(scope !== other);
        expect(() => decodePageToken(other, encodePageToken(scope, after))).toThrow("page_token");
        expect(() => decodePageToken(scope, text)).toThrow("page_token");
      }),
      replay,
    );
  });

  test("no token is the first page; sizes are bounded", () => {
    expect(decodePageToken("list", "")).toBeUndefined();
    expect([0, 1, 1_000, 1_001, 2 ** 31 - 1].map(pageSize)).toEqual([100, 1, 1_000, 1_000, 1_000]);
  });
});

describe("requestDigest", () => {
  const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));

  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, each]) => [key, reversed(each)]),
    );
  };

  test("the order of keys makes no other request, at any depth", () => {
    fc.assert(
      fc.property(json, (metadata) => {
        expect(requestDigest("M", reversed({ a: 1n, metadata }) as object)).toBe(requestDigest("M", { a: 1n, metadata }));
      }),
      replay,
    );
  });

  test("any other value or method makes another one", () => {
    const base = { id: "a", version: 1n, payload: Uint8Array.of(1, 2), list: [1, 2], flag: false };
    const others = [
      { ...base, id: "b" },
      { ...base, version: 2n },
      { ...base, payload: Uint8Array.of(2, 1) },
      { ...base, list: [2, 1] },
      { ...base, flag: true },
      { ...base, more: "" },
    ];
    const digests = [
      requestDigest("Move", base),
      requestDigest("Create", base),
      ...others.map((each) => requestDigest("Move", each)),
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(requestDigest("Move", { ...base, payload: Buffer.from([1, 2]) })).toBe(digests[0]);
  });
});
