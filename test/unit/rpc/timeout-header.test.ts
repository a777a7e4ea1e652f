import { expect, test } from "vitest";
import { shortenTimeout, takeTimeout } from "../../../src/rpc/timeout-header.ts";

test.each([
  ["1500m", 1_500],
  ["2S", 2_000],
  ["1M", 60_000],
  ["1H", 3_600_000],
  ["500000u", 500],
  ["99999999n", 99.999_999],
  // What grpc-js cannot read is its to refuse.
  ["soon", undefined],
  ["123456789m", undefined],
])("a caller waits as long as it says: %s", (text, timeoutMs) => {
  const headers = { "grpc-timeout": text };
  expect([takeTimeout(headers), headers]).toEqual([timeoutMs, { "grpc-timeout": text }]);
});

test("a deadline that no timer can hold is none", () => {
  const headers = { "grpc-timeout": "99999999H" };
  expect([takeTimeout(headers), headers, takeTimeout({})]).toEqual([undefined, {}, undefined]);
});

test.each([
  { timeoutMs: 1_000, waitedMs: 100.5, left: "900m" },
  { timeoutMs: 1_000, waitedMs: 2_000, left: "1m" },
  { timeoutMs: 2e8, waitedMs: 100, left: "2e5S" },
])("of $timeoutMs ms, $left are left after $waitedMs ms", ({ timeoutMs, waitedMs, left }) => {
  const headers = { "grpc-timeout": "2e5S" };
  shortenTimeout(headers, timeoutMs, waitedMs);
  expect(headers).toEqual({ "grpc-timeout": left });
});
