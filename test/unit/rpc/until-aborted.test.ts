import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { untilAborted } from "../../../src/rpc/until-aborted.ts";

async function* numbers(count: number) {
  for (let number = 0; number < count; number += 1) yield number;
}

async function* oneAndThenNothing() {
  yield 1;
  await new Promise(() => {});
}

test("ends with its messages, and has them all", async () => {
  const heard: number[] = [];
  for await (const number of untilAborted(numbers(3), new AbortController().signal)) heard.push(number);
  expect(heard).toEqual([0, 1, 2]);
});

test("throws the reason while a message is awaited, and when it was aborted before", async () => {
  const ending = new AbortController();
  const messages = untilAborted(oneAndThenNothing(), ending.signal);
  expect(await messages.next()).toEqual({ value: 1, done: false });
  const next = messages.next();
  ending.abort(new Error("the server stops"));
  await expect(next).rejects.toThrow("the server stops");
  await expect(untilAborted(numbers(1), ending.signal).next()).rejects.toThrow("the server stops");
});

test("throws what its messages throw", async () => {
  async function* failing() {
    yield 1;
    throw new Error("cut off");
  }
  const messages = untilAborted(failing(), new AbortController().signal);
  await messages.next();
  await expect(messages.next()).rejects.toThrow("cut off");
});

test("keeps nothing of the messages that are over: a stream may last for months", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heapBytes = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const count = 200_000;
  let heard = 0;
  let [before, grown] = [0, 0];
  for await (const _ of untilAborted(numbers(count), new AbortController().signal)) {
    heard += 1;
    if (heard === 1) before = heapBytes();
    if (heard === count) grown = heapBytes() - before;
  }
  // 256 bytes each would be 50 MB.
  expect(grown).toBeLessThan(10e6);
});
