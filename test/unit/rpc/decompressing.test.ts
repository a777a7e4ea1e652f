import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createDecompressing } from "../../../src/rpc/decompressing.ts";
import { decompressionsMax, decompressionsPerConnectionMax } from "../../../src/rpc/limits.ts";

test("of each connection one after the other is decompressed, and no connection has all places", async () => {
  const inTurn = createDecompressing();
  const begun: string[] = [];
  const finishes: (() => void)[] = [];
  const send = (connection: string): Promise<void> =>
    inTurn(connection, 1, () => {
      begun.push(connection);
      return new Promise<void>((finish) => finishes.push(finish));
    });
  const sent = Array.from({ length: 60 }, () => send("many"));
  await nextTurn();
  expect(begun).toHaveLength(decompressionsPerConnectionMax);
  for (const connection of ["b", "c", "d", "b", "c", "d"]) sent.push(send(connection));
  await nextTurn();
  expect(begun).toHaveLength(decompressionsMax);
  // One at a time ends, the oldest.
  for (let each = 0; each < sent.length; each += 1) {
    finishes[each]?.();
    await nextTurn();
  }
  await Promise.all(sent);
  // The first of the last to come has waited for one of each other.
  expect(begun.slice(0, 10)).toEqual(["many", "many", "b", "c", "many", "b", "c", "d", "many", "d"]);
});
