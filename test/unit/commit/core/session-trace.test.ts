import { expect, test } from "vitest";
import { newestClaim } from "../../../../src/commit/core/session-trace.ts";

test("of the claims of a log, the first is the newest", () => {
  const claims = [
    { epoch: 2, id: "c2" },
    { epoch: 1, id: "c1" },
  ];
  expect([newestClaim(claims), newestClaim([])]).toEqual(["c2", ""]);
});
