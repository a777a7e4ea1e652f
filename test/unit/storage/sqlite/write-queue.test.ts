import { describe, expect, test } from "vitest";
import {
  createWriteQueue,
  flushBatchesMax,
  flushBytesMax,
  waitingBatchesMax,
  waitingBytesMax,
} from "../../../../src/storage/sqlite/write-queue.ts";

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

test("it is full by number or by bytes, until some of it is taken or all of it is dropped", () => {
  const queue = createWriteQueue();
  const push = (bytes: number): void => queue.push({ batch: batchOf(bytes), answer: () => {} });
  for (let waiting = 0; waiting < waitingBatchesMax; waiting += 1) {
    expect(queue.isFull()).toBe(false);
    push(0);
  }
  expect(queue.isFull()).toBe(true);
  expect([queue.take().length, queue.isFull()]).toEqual([flushBatchesMax, false]);
  expect([queue.drop().length, queue.isEmpty(), queue.drop().length]).toEqual([waitingBatchesMax - flushBatchesMax, true, 0]);
  push(waitingBytesMax - 1);
  expect(queue.isFull()).toBe(false);
  queue.push({ batch: [{ sql: "", params: ["é", 1, null] }], answer: () => {} });
  expect(queue.isFull()).toBe(true);
  queue.take();
  expect([queue.isFull(), queue.drop().length, queue.isFull()]).toEqual([false, 1, false]);
  push(waitingBytesMax);
  queue.drop();
  expect(queue.isFull()).toBe(false);
});
