import { expect, test } from "vitest";
import { answerRetentionMs, purgeBatchSize } from "../../../src/kernel/limits.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import { purgeAnswers, purgeIntervalMs } from "../../../src/runtime/purge-answers.ts";
import { flush, silent, virtualClock } from "../commit/support.ts";

/** Has so many answers that are too old. Each slice is written when the test says so, as other writes are. */
function world(old: number) {
  const clock = virtualClock();
  const left = { count: old };
  const slices: number[] = [];
  const writes: (() => void)[] = [];
  const store = {
    keptBeforeMs: (retentionMs: number) => clock.nowMs() - retentionMs,
    purge: ({ olderThanMs, limit }: { readonly olderThanMs: number; readonly limit: number }) =>
      new Promise<ReturnType<typeof ok<number>> | ReturnType<typeof err<string>>>((resolve) => {
        expect(olderThanMs).toBe(clock.nowMs() - answerRetentionMs);
        writes.push(() => {
          if (left.count < 0) return resolve(err("the disk is full"));
          const purged = Math.min(left.count, limit);
          left.count -= purged;
          slices.push(purged);
          resolve(ok(purged));
        });
      }),
  };
  const write = async (): Promise<void> => {
    writes.shift()?.();
    await flush();
  };
  return { clock, left, slices, writes, write, stop: purgeAnswers(store, { clock, logger: silent }) };
}

test("all that is too old goes in one interval, however much it is, a slice at a time", async () => {
  const w = world(20 * purgeBatchSize + 1);
  await w.clock.advance(purgeIntervalMs);
  while (w.writes.length > 0) {
    expect(w.writes.length).toBe(1);
    await w.write();
  }
  expect(w.left.count).toBe(0);
  expect(w.slices).toEqual([...Array.from({ length: 20 }, () => purgeBatchSize), 1]);
});

test("a slice that takes long is not overtaken by the next interval", async () => {
  const w = world(purgeBatchSize);
  await w.clock.advance(10 * purgeIntervalMs);
  expect(w.writes.length).toBe(1);
});

test("what could not be written is tried again in the next interval", async () => {
  const w = world(-1);
  await w.clock.advance(purgeIntervalMs);
  await w.write();
  expect(w.writes.length).toBe(0);
  w.left.count = 3;
  await w.clock.advance(purgeIntervalMs);
  await w.write();
  expect(w.slices).toEqual([3]);
});

test("nothing is purged after it is stopped, also in the middle of much", async () => {
  const w = world(10 * purgeBatchSize);
  await w.clock.advance(purgeIntervalMs);
  w.stop();
  await w.write();
  await w.clock.advance(10 * purgeIntervalMs);
  expect(w.slices).toEqual([purgeBatchSize]);
  expect(w.writes.length).toBe(0);
});
