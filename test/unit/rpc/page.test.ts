import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePageToken, encodePageToken, pageSize, sequencePlace } from "../../../src/rpc/page.ts";

describe("page tokens", () => {
  test("a token leads back to its place, in its own list", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: "grapheme" }), (scope, after) => {
        expect(decodePageToken(scope, encodePageToken(scope, after))).toBe(after);
      }),
    );
  });

  test("a token of another list or filter is refused, and so is any text that is no token", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string({ minLength: 1 }), (scope, other, after, text) => {
        fc.pre(scope !== other);
        expect(() => decodePageToken(other, encodePageToken(scope, after))).toThrow("page_token");
        expect(() => decodePageToken(scope, text)).toThrow("page_token");
      }),
    );
  });

  test("a token that was changed or cut anywhere, or has something behind it, is refused", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: "grapheme" }), fc.nat(), fc.base64String(), (scope, after, at, text) => {
        const token = encodePageToken(scope, after);
        const cut = at % token.length;
        const changed = [
          token.slice(0, cut) + text,
          `${token}${text}`,
          `${token}=`,
          `${token}!`,
          ` ${token}`,
          token.slice(0, cut),
        ];
        for (const other of changed.filter((each) => each !== token && each !== "")) {
          expect(() => decodePageToken(scope, other), other).toThrow("page_token");
        }
      }),
    );
  });

  test.each(["", "abc", "-1", "1e9", "9".repeat(16), "Infinity"])(
    'a made-up token of the list with the place "%s" is refused',
    (place) => {
      expect(() => decodePageToken("events", encodePageToken("events", place), sequencePlace)).toThrow("page_token");
    },
  );

  test("no token is the first page; sizes are bounded", () => {
    expect(decodePageToken("list", "")).toBeUndefined();
    expect([0, 1, 1_000, 1_001, 2 ** 31 - 1].map(pageSize)).toEqual([100, 1, 1_000, 1_000, 1_000]);
  });
});
