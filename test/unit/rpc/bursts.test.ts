import { expect, test } from "vitest";
import { createQueue } from "../../../src/commit/queue.ts";
import { inBursts } from "../../../src/rpc/bursts.ts";
import { burstBytesMax } from "../../../src/rpc/limits.ts";

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

test("what is said in one turn of the loop goes together, and what is said later goes later", async () => {
  const said = createQueue<string>();
  const bursts = inBursts(said.items, () => 1);
  const first = bursts.next();
  await nextTurn();
  said.push("a");
  await Promise.resolve();
  said.push("b");
  expect((await first).value).toEqual(["a", "b"]);
  const second = bursts.next();
  await nextTurn();
  said.push("c");
  expect((await second).value).toEqual(["c"]);
  said.push("d");
  said.close();
  expect((await bursts.next()).value).toEqual(["d"]);
  expect((await bursts.next()).done).toBe(true);
});

test("what is large enough is not joined by more, which waits where it is until somebody comes for it", async () => {
  let taken = 0;
  const said = createQueue<number>(() => (taken += 1));
  for (const bytes of [1, burstBytesMax, burstBytesMax, 2, 3]) said.push(bytes);
  const bursts = inBursts(said.items, (bytes) => bytes);
  expect((await bursts.next()).value).toEqual([1, burstBytesMax]);
  await nextTurn();
  await nextTurn();
  expect(taken).toBe(2);
  expect((await bursts.next()).value).toEqual([burstBytesMax]);
  expect((await bursts.next()).value).toEqual([2, 3]);
});

test("an error comes behind what was said before it", async () => {
  async function* failing() {
    yield "a";
    throw new Error("a defect");
  }
  const bursts = inBursts(failing(), () => 1);
  expect((await bursts.next()).value).toEqual(["a"]);
  await expect(bursts.next()).rejects.toThrow("a defect");
});
