import { expect, test } from "vitest";
import { Roster } from "../../../src/kernel/roster.ts";

test("has those who have come and not left, in the order of coming", () => {
  const roster = new Roster<string>();
  const [, second] = ["a", "b", "c"].map((name) => roster.enter(name));
  expect(roster.leave(second ?? { member: undefined })).toBe(true);
  roster.enter("a");
  expect([...roster]).toEqual(["a", "c", "a"]);
  expect(roster.size).toBe(3);
});

test("holds nobody who has left, and knows that he has left before", () => {
  const roster = new Roster<object>();
  const entry = roster.enter({});
  roster.leave(entry);
  expect(entry.member).toBeUndefined();
  expect(roster.leave(entry)).toBe(false);
});

test("goes on with those who are there when others leave meanwhile", () => {
  const roster = new Roster<number>();
  const entries = [0, 1, 2, 3].map((each) => roster.enter(each));
  const met: number[] = [];
  for (const each of roster) {
    met.push(each);
    for (const gone of [each, each + 1]) if (entries[gone]) roster.leave(entries[gone]);
  }
  expect(met).toEqual([0, 2]);
});
