import { expect, test } from "vitest";
import { createPool } from "../../bench/pool.ts";

test("whoever was given back first is taken first, and nobody is taken twice", () => {
  const pool = createPool(3);
  expect(pool.take(2)).toEqual([0, 1]);
  pool.put(1, false);
  expect(pool.take(2)).toEqual([2, 1]);
  expect(pool.take(1)).toBeUndefined();
  pool.put(0, true);
  expect(pool.take(1)).toEqual([0]);
});

test("each is as it was given back", () => {
  const pool = createPool(2);
  expect(pool.isActive(1)).toBe(true);
  pool.take(2);
  pool.put(1, false);
  expect([pool.isActive(0), pool.isActive(1)]).toEqual([true, false]);
});
