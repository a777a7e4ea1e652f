import { expect, test } from "vitest";
import { createSent } from "../../../src/commit/sent.ts";
import { tx } from "./support.ts";

test("messages that are not answered are found by their place in the stream; a later one of a transaction replaces the one before", () => {
  const sent = createSent(10);
  for (const [sequence, name] of ["t1", "t2", "t1"].entries()) sent.add(tx(name), sequence);
  expect([sent.take(0), sent.take(2), sent.take(2), sent.size]).toEqual([undefined, "t1", undefined, 1]);
  sent.delete(tx("t2"));
  expect([sent.take(1), sent.size]).toEqual([undefined, 0]);
});

test("beyond its bound the oldest is forgotten", () => {
  const sent = createSent(2);
  for (const sequence of [1, 2, 3]) sent.add(tx(`t${sequence}`), sequence);
  expect([sent.size, sent.take(1), sent.take(2), sent.take(3)]).toEqual([2, undefined, "t2", "t3"]);
});
