import { expect, test } from "vitest";
import { disagreements } from "../../../scripts/linearizable/watcher.ts";

// What the long run of real processes asks of each watch, tried on watches that are wrong.

const log = new Map([
  [1, "a 1 CREATED"],
  [2, "b 1 CREATED"],
  [4, "a 2 TRANSITION"],
]);
const purged = "gone";

const compare = (told: readonly (readonly [number, string])[], problems: readonly string[] = []) =>
  disagreements({ told: new Map(told), problems }, log, async (workflowId) => workflowId === purged);

test("a watch that was told what the log has, and what was purged since, is right", async () => {
  expect(await compare([...log])).toEqual([]);
  expect(await compare([...log, [3, "gone 1 CREATED"]])).toEqual([]);
});

test.each([
  ["an event that was skipped", [...log].slice(1), ["1 a 1 CREATED: was never told"]],
  ["an event that was told otherwise", [...log, [4, "a 3 FAILED"] as const], ["4 a 2 TRANSITION: was told as a 3 FAILED"]],
  ["an event that a kill has undone", [...log, [5, "a 3 FAILED"] as const], ["5 a 3 FAILED: was told, and is not kept"]],
])("finds %s", async (_, told, wrong) => {
  expect(await compare(told)).toEqual(wrong);
});

test("tells what was wrong while it watched", async () => {
  expect(await compare([...log], ["2 is told when all up to 3 was said to be told"])).toHaveLength(1);
});
