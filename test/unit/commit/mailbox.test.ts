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
  expect([1, 2, 3].map((item) => mailbox.post(item, 1))).toEqual([true, true, false]);
  expect(mailbox.post(4)).toBe(true);
  mailbox.stop();
  expect([mailbox.post(5), mailbox.isEmpty()]).toEqual([false, true]);
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
  expect([1, 2, 3].map((item) => queue.push(item, 2))).toEqual([true, true, false]);
  const all = collect(queue.items);
  await flush();
  queue.push(4);
  queue.push(5);
  queue.close();
  expect([queue.push(6), await all]).toEqual([false, [1, 2, 4, 5]]);
});
