import { describe, expect, test } from "vitest";
import { originFields, usableCallId, usableTraceparent, usableTracestate } from "../../../src/kernel/origin.ts";

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const rest = `${trace}-00f067aa0ba902b7-01`;

describe("the id of a call", () => {
  test.each(["a", "a b", "x".repeat(128), '{"id":1}'])("%j can be used", (id) => {
    expect(usableCallId(id)).toBe(id);
  });
  test.each(["", " ", "a ", " a", "x".repeat(129), "é", "a\nb", "a\u0000", "ключ", undefined])("%j cannot", (id) => {
    expect(usableCallId(id)).toBeUndefined();
  });
});

describe("a traceparent", () => {
  test.each([
    [`00-${rest}`, `00-${rest}`],
    [`00-${rest.replace(/01$/, "ff")}`, `00-${rest.replace(/01$/, "ff")}`],
    // What a later version adds is not known here: what is handed on is of this version.
    [`01-${rest}`, `00-${rest}`],
    [`fe-${rest}-what-else`, `00-${rest}`],
    [`00-${rest}-what`, undefined],
    [`01-${rest}what`, undefined],
    [`ff-${rest}`, undefined],
    [`00-${rest.toUpperCase()}`, undefined],
    [`00-${"0".repeat(32)}-00f067aa0ba902b7-01`, undefined],
    [`00-${trace}-${"0".repeat(16)}-01`, undefined],
    [`00-${rest.slice(0, -1)}`, undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%j is handed on as %j", (text, handedOn) => {
    expect(usableTraceparent(text)).toBe(handedOn);
  });
});

test("a tracestate of up to 512 printable characters is handed on", () => {
  expect(["a=1", "a=1,b=2", "x".repeat(512)].map(usableTracestate)).toEqual(["a=1", "a=1,b=2", "x".repeat(512)]);
  expect(["", "x".repeat(513), "a=é", "a=1\n", undefined].map(usableTracestate)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("log lines name the call, and the trace if there is one", () => {
  expect(originFields(undefined)).toEqual({});
  expect(originFields({ requestId: "a" })).toEqual({ request: "a" });
  expect(originFields({ requestId: "a", traceparent: `00-${rest}` })).toEqual({ request: "a", trace });
});
