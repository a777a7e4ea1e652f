import { expect, test } from "vitest";
import { createCallerTurns } from "../../../src/predicate/caller-turns.ts";

/** `ada 1`: a call of Ada's. */
function turnsOf(...entered: readonly string[]) {
  const turns = createCallerTurns<{ readonly caller: string; readonly name: string }>();
  const calls = entered.map((name) => ({ caller: name.split(" ")[0] ?? "", name }));
  for (const call of calls) turns.enter(call);
  const rest = (): readonly string[] => {
    const names: string[] = [];
    for (let next = turns.next(); next !== undefined; next = turns.next()) names.push(next.name);
    return names;
  };
  return { ...turns, calls, rest };
}

test("callers take turns, and each of their calls comes in its order", () => {
  const { rest } = turnsOf("ada 1", "ada 2", "ada 3", "kurt 1", "kurt 2", "eve 1");
  expect(rest()).toEqual(["ada 1", "kurt 1", "eve 1", "ada 2", "kurt 2", "ada 3"]);
});

test("a caller for whom nothing waits any more keeps nobody waiting", () => {
  const { next, enter, rest } = turnsOf("ada 1", "kurt 1", "kurt 2", "kurt 3");
  expect(next()?.name).toBe("ada 1");
  expect(next()?.name).toBe("kurt 1");
  enter({ caller: "eve", name: "eve 1" });
  expect(rest()).toEqual(["kurt 2", "eve 1", "kurt 3"]);
});

test("who leaves is not called, and takes nobody else's place", () => {
  const { calls, leave, rest } = turnsOf("ada 1", "ada 2", "kurt 1");
  for (const call of calls.slice(1)) leave(call);
  leave({ caller: "eve", name: "eve 1" });
  expect(rest()).toEqual(["ada 1"]);
});
