import { describe, expect, test } from "vitest";
import { createMailbox } from "../../../src/commit/mailbox.ts";
import { createQueue } from "../../../src/commit/queue.ts";
import { collect, flush } from "./support.ts";

const unexpected = (error: unknown): never => {
  throw error;
};

test("a mailbox handles one item at a time, in order, and what is posted meanwhile afterwards", async () => {
  const handled: string[] = [];
  const gates = new Map<string, () => void>();
  const mailbox = createMailbox<string>((item) => {
    handled.push(item);
    if (item === "outer") mailbox.post("inner");
    return item === "slow" ? new Promise((resolve) => gates.set(item, resolve)) : undefined;
  }, unexpected);
  for (const item of ["outer", "slow", "next"]) mailbox.post(item);
  expect([handled, mailbox.isEmpty()]).toEqual([["outer", "inner", "slow"], false]);
  gates.get("slow")?.();
  await flush();
  expect([handled, mailbox.isEmpty()]).toEqual([["outer", "inner", "slow", "next"], true]);
});

test("a mailbox drops what is over its bound, and everything once stopped", () => {
  const mailbox = createMailbox<number>(() => new Promise(() => {}), unexpected);
  const one = { countMax: 1, bytesMax: 100 };
  expect([1, 2, 3].map((item) => mailbox.post(item, one))).toEqual([true, true, false]);
  expect(mailbox.post(4)).toBe(true);
  mailbox.stop();
  expect([mailbox.post(5), mailbox.isEmpty()]).toEqual([false, true]);
});

test("a mailbox drops what is over its bytes, which are free again once they are handled", async () => {
  const gate = Promise.withResolvers<void>();
  const mailbox = createMailbox<string>((item) => (item === "slow" ? gate.promise : undefined), unexpected);
  const bounds = { countMax: 100, bytesMax: 10 };
  const post = (item: string) => mailbox.post(item, bounds, item.length);
  expect(["slow", "123456", "7890", "more"].map(post)).toEqual([true, true, true, false]);
  gate.resolve();
  await flush();
  expect(["more", "and more"].map(post)).toEqual([true, true]);
});

describe("a mailbox whose handler has a defect", () => {
  const defects: Readonly<Record<string, () => Promise<void> | undefined>> = {
    throws: () => {
      throw new Error("defect");
    },
    rejects: () => Promise.reject(new Error("defect")),
  };
  for (const [name, handle] of Object.entries(defects)) {
    test(`stops when it ${name}, and tells what it has dropped`, async () => {
      const told: unknown[] = [];
      const gate = Promise.withResolvers<void>();
      const mailbox = createMailbox<string>(
        (item) => (item === "first" ? gate.promise : handle()),
        (error, dropped) => told.push((error as Error).message, dropped, mailbox.post("too late")),
      );
      for (const item of ["first", "defect", "behind"]) mailbox.post(item);
      gate.resolve();
      await flush();
      expect([told, mailbox.post("later")]).toEqual([["defect", ["defect", "behind"], false], false]);
    });
  }
});

test("a queue yields what it holds, then ends", async () => {
  const queue = createQueue<number>();
  for (const item of [1, 2]) queue.push(item);
  const all = collect(queue.items);
  await flush();
  queue.push(4);
  queue.push(5);
  queue.close();
  expect([queue.push(6), await all]).toEqual([false, [1, 2, 4, 5]]);
});

test("a queue counts what its reader has not come back from, in items and bytes", async () => {
  let taken = 0;
  const queue = createQueue<string>(() => (taken += 1));
  for (const item of ["a", "bc", "def"]) queue.push(item, item.length);
  const reader = queue.items[Symbol.asyncIterator]();
  const held = () => [queue.count, queue.bytes, taken];
  expect(held()).toEqual([3, 6, 0]);
  await reader.next();
  expect(held()).toEqual([3, 6, 0]);
  await reader.next();
  expect(held()).toEqual([2, 5, 1]);
  queue.push("g", 1);
  await reader.next();
  await reader.next();
  expect(held()).toEqual([1, 1, 3]);
});
