import { expect, test } from "vitest";
import { rivalCalmMs } from "../../../src/commit/limits.ts";
import { createRivalries } from "../../../src/commit/rivalries.ts";
import { id } from "./support.ts";

test("rivals that come soon after each other are counted, until they have been calm", () => {
  const rivalries = createRivalries();
  expect([0, 1, rivalCalmMs, 2 * rivalCalmMs].map((nowMs) => rivalries.add(id("a"), nowMs))).toEqual([1, 2, 3, 1]);
});

test("calm ones are not held, however many there were, and one that goes on is", () => {
  const rivalries = createRivalries();
  rivalries.add(id("a"), 0);
  for (let count = 0; count < 1_000; count += 1) rivalries.add(id(`p${count}`), 1);
  rivalries.add(id("a"), 2);
  expect(rivalries.size).toBe(1_001);
  rivalries.add(id("b"), rivalCalmMs + 1);
  expect(rivalries.size).toBe(2);
  expect(rivalries.add(id("a"), rivalCalmMs + 1)).toBe(3);
});
