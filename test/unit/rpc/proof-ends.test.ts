import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createProof, noProof } from "../../../src/access/proof.ts";
import { timerMaxMs } from "../../../src/kernel/limits.ts";
import { proofEndOf } from "../../../src/rpc/proof-ends.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const until = (expiresAtMs: number | undefined) => createProof({ name: "ada", by: "jwt", expiresAtMs });

const whyOf = ({ signal }: ReturnType<typeof proofEndOf>): string | undefined =>
  signal.aborted
    ? (signal.reason as { readonly extra: readonly { readonly metadata?: Record<string, string> }[] }).extra[0]?.metadata?.["why"]
    : undefined;

test("a proof ends when it expires, also beyond what a timer can hold", () => {
  const [soon, late] = [proofEndOf(until(Date.now() + 1_000)), proofEndOf(until(Date.now() + 2 * timerMaxMs))];
  vi.advanceTimersByTime(999);
  expect(whyOf(soon)).toBeUndefined();
  vi.advanceTimersByTime(1);
  expect(whyOf(soon)).toBe("EXPIRED");
  vi.advanceTimersByTime(2 * timerMaxMs - 1_001);
  expect(whyOf(late)).toBeUndefined();
  vi.advanceTimersByTime(1);
  expect(whyOf(late)).toBe("EXPIRED");
});

test("or is revoked; one that is over already ends at once, and what nobody follows has no timer", () => {
  const proof = until(Date.now() + 1_000);
  const end = proofEndOf(proof);
  const forgotten = proofEndOf(proof);
  forgotten.forget();
  proof.revoke();
  expect([end, forgotten, proofEndOf(proof), proofEndOf(until(Date.now()))].map(whyOf)).toEqual([
    "REVOKED",
    undefined,
    "REVOKED",
    "EXPIRED",
  ]);
  end.forget();
  expect(whyOf(proofEndOf(noProof))).toBeUndefined();
});
