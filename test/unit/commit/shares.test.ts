import { expect, test } from "vitest";
import { enterShare, leaveShare, type Shares, shareOf } from "../../../src/commit/shares.ts";

test("an address without undecided transactions is not kept", () => {
  const shares: Shares = new Map();
  expect(shareOf(shares, "10.0.0.1")).toEqual({ address: "10.0.0.1", count: 0, bytes: 0 });
  expect(shares.size).toBe(0);
  enterShare(shares, shareOf(shares, "10.0.0.1"));
  const share = shareOf(shares, "10.0.0.1");
  enterShare(shares, share);
  share.bytes += 30;
  leaveShare(shares, share, 20);
  expect([...shares.values()]).toEqual([{ address: "10.0.0.1", count: 1, bytes: 10 }]);
  leaveShare(shares, share, 10);
  expect(shares.size).toBe(0);
});
