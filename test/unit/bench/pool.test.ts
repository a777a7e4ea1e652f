import { expect, test } from "vitest";
import { createPool } from "../../bench/pool.ts";

test("whoever was given back first is taken first, and nobody is taken twice", () => {
  const pool = createPool(3);
  const [first = 0, second = 0] = pool.take(2) ?? [];
  pool.put(second, false);
  const [third = 0, ...others] = pool.take(2) ?? [];
  expect([first, second, third].sort()).toEqual([0, 1, 2]);
  expect(others).toEqual([second]);
  expect(pool.take(1)).toBeUndefined();
  pool.put(first, true);
  expect(pool.take(1)).toEqual([first]);
});

test("all are taken, in an order that is not theirs", () => {
  const taken = createPool(100).take(100) ?? [];
  expect([...taken].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  const neighbours = taken.filter((index, place) => index === (taken[place - 1] ?? -2) + 1);
  expect(neighbours).toEqual([]);
});

test("each is as it was given back", () => {
  const pool = createPool(2);
  expect(pool.isActive(1)).toBe(true);
  pool.take(2);
  pool.put(1, false);
  expect([pool.isActive(0), pool.isActive(1)]).toEqual([true, false]);
});
