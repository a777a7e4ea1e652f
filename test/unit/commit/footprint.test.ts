import { expect, test } from "vitest";
import type { Transaction } from "../../../src/commit/core/types.ts";
import { footprint, partFootprint, withoutPayloads } from "../../../src/commit/footprint.ts";

const part = (payload: number, voteReason = "") => ({ payload: new Uint8Array(payload), voteReason });
const transactionOf = (...parts: readonly ReturnType<typeof part>[]) => ({ parts }) as unknown as Transaction;
const timelineOf = (...details: readonly (string | undefined)[]) => ({
  ...{ entries: details.map((detail) => ({ atMs: 0, type: "begun", ...(detail !== undefined && { detail }) })), omitted: 0 },
});

// By these the memory of a coordinator is bounded: what is left out of the sum is what somebody can fill it with.
test("a transaction weighs what is flat, its parts with their payloads and reasons, and each line with its text", () => {
  const none = footprint(transactionOf(), timelineOf() as never);
  expect(none).toBe(3_072);
  expect(footprint(transactionOf(part(100), part(7)), timelineOf() as never) - none).toBe(2 * 512 + 107);
  expect(footprint(transactionOf(), timelineOf(undefined, "abc", "de") as never) - none).toBe(3 * 128 + 2 * 5);
  expect(partFootprint(part(9, "because"))).toBe(512 + 9 + 2 * 7);
  expect(partFootprint({ payload: new Uint8Array(3) })).toBe(512 + 3);
});

test("a decided one has no payloads any more", () => {
  expect(withoutPayloads(transactionOf(part(100), part(7))).parts.map(({ payload }) => payload?.byteLength)).toEqual([0, 0]);
});
