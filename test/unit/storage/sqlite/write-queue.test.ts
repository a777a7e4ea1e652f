import { describe, expect, test } from "vitest";
import { createWriteQueue, flushBatchesMax, flushBytesMax } from "../../../../src/storage/sqlite/write-queue.ts";

const batchOf = (bytes: number) => [{ sql: "INSERT INTO notes VALUES (?)", params: [new Uint8Array(bytes)] }];

/** How many batches go into each flush. */
function flights(...sizes: readonly number[]): readonly number[] {
  const queue = createWriteQueue();
  for (const size of sizes) queue.push({ batch: batchOf(size), answer: () => {} });
  const found: number[] = [];
  while (!queue.isEmpty()) {
    const flight = queue.take();
    if (flight.length === 0) throw new Error("what waits is never written");
    found.push(flight.length);
  }
  return found;
}

describe("a flush takes what waits, in order", () => {
  test("up to a number of batches", () => {
    expect(flights(...Array.from({ length: flushBatchesMax + 1 }, () => 1))).toEqual([flushBatchesMax, 1]);
  });

  test("up to a number of bytes", () => {
    expect(flights(flushBytesMax - 1, 1, 1)).toEqual([2, 1]);
  });

  test("and what is larger than that goes alone", () => {
    expect(flights(flushBytesMax + 1, 1, flushBytesMax + 1)).toEqual([1, 1, 1]);
  });
});
