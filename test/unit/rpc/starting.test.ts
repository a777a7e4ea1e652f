import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { startsPerTurnMax, waitingStartsMax } from "../../../src/rpc/limits.ts";
import { createLine, createStarting } from "../../../src/rpc/starting.ts";

/** A connection, and what was done to its socket. */
function lineOf() {
  const done: string[] = [];
  const handle = { readStart: () => void done.push("reads"), readStop: () => void done.push("reads no more") };
  return { line: createLine({ _handle: handle } as unknown as Socket), done };
}

test("a call begins at once, as long as few do", () => {
  const start = createStarting();
  const begun: number[] = [];
  for (let count = 0; count < startsPerTurnMax; count += 1) start(lineOf().line, () => void begun.push(count));
  expect(begun).toHaveLength(startsPerTurnMax);
});

test("of very many, so many begin in one turn of the loop, and of each connection one after the other", async () => {
  const start = createStarting();
  const [many, few] = [lineOf().line, lineOf().line];
  const begun: string[] = [];
  for (let count = 0; count < 3 * startsPerTurnMax; count += 1) start(many, () => void begun.push("many"));
  expect(begun).toHaveLength(startsPerTurnMax);
  for (let count = 0; count < 3; count += 1) start(few, () => void begun.push("few"));
  await nextTurn();
  expect(begun).toHaveLength(2 * startsPerTurnMax);
  expect(begun.slice(startsPerTurnMax, startsPerTurnMax + 6)).toEqual(["many", "few", "many", "few", "many", "few"]);
  while (begun.length < 3 * startsPerTurnMax + 3) await nextTurn();
});

test("nothing more is read from a connection with many that wait, until they have begun", async () => {
  const start = createStarting();
  const { line, done } = lineOf();
  const begun: number[] = [];
  const count = startsPerTurnMax + waitingStartsMax;
  for (let each = 1; each < count; each += 1) start(line, () => void begun.push(each));
  expect(done).toEqual([]);
  start(line, () => void begun.push(count));
  expect(done).toEqual(["reads no more"]);
  while (begun.length < count) {
    expect(done).toEqual(["reads no more"]);
    await nextTurn();
  }
  expect(done).toEqual(["reads no more", "reads"]);
});
