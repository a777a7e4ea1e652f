import { expect, test } from "vitest";
import { createChores } from "../../../src/commit/chores.ts";
import { flush, handTurned } from "./support.ts";

test("a chore is done at once while there is time", () => {
  const done: number[] = [];
  const chores = createChores(() => () => undefined);
  for (const each of [1, 2, 3]) chores(() => done.push(each));
  expect(done).toEqual([1, 2, 3]);
});

test("chores are done in their order, one a slice if a slice has time for one, also those that come meanwhile", async () => {
  const hand = handTurned();
  const chores = createChores(hand.turns);
  const done: number[] = [];
  for (const each of [1, 2]) chores(() => done.push(each));
  expect(done).toEqual([]);
  await hand.turn();
  expect(done).toEqual([1]);
  chores(() => done.push(3));
  await flush();
  expect(done).toEqual([1]);
  await hand.turn();
  await hand.turn();
  expect(done).toEqual([1, 2, 3]);
  chores(() => done.push(4));
  await hand.turn();
  await hand.turn();
  expect(done).toEqual([1, 2, 3, 4]);
});

test("none overtakes those that wait, though there is time again when it comes", async () => {
  const rest = Promise.withResolvers<void>();
  const pauses: (Promise<void> | undefined)[] = [rest.promise];
  const chores = createChores(() => () => pauses.shift());
  const done: number[] = [];
  for (const each of [1, 2]) chores(() => done.push(each));
  expect(done).toEqual([]);
  rest.resolve();
  await flush();
  expect(done).toEqual([1, 2]);
});

test("chores that come after a rest are done too", async () => {
  const hand = handTurned();
  const chores = createChores(hand.turns);
  const done: number[] = [];
  for (const each of [1, 2, 3]) {
    chores(() => done.push(each));
    for (let turn = 0; turn < 5; turn += 1) await hand.turn();
    expect(done.at(-1)).toBe(each);
  }
});
