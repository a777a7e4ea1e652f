import { expect, test } from "vitest";
import type { MarkedStore } from "../../../../src/storage/sqlite/statement.ts";
import type { StoreKind } from "../../../../src/storage/sqlite/store-kind.ts";
import { mismatches } from "../../../../src/storage/sqlite/store-marks.ts";

const kinds = ["rules", "decision-log", "workflows", "verdicts"] as const satisfies readonly StoreKind[];

/** Of a set whose stores know all of each other. */
const storeOf = (kind: StoreKind, set = "a", writes = 5): MarkedStore => ({
  path: kind,
  kind,
  marks: kinds.map((each) => ({ kind: each, id: `${set}-${each}`, writes })),
});

const setWith = (...others: readonly MarkedStore[]) =>
  kinds.map((kind) => others.find((other) => other.kind === kind) ?? storeOf(kind));

test("stores of one set fit", () => {
  expect(mismatches(setWith())).toEqual([]);
});

test.each(kinds)("a store of another set is named once, and no other one: %s", (kind) => {
  const first = kinds.find((each) => each !== kind);
  const message = `${kind} is not the store that ${first} was used with`;
  expect(mismatches(setWith(storeOf(kind, "b")))).toEqual([{ message, isMinor: kind === "verdicts" }]);
});

test.each(kinds)("an older store is named once, by the one that knows most of it: %s", (kind) => {
  const first = kinds.find((each) => each !== kind);
  const stores = setWith(storeOf(kind, "a", 2)).map((each) => (each.path === first ? storeOf(first, "a", 9) : each));
  const [found] = mismatches(stores).filter(({ message }) => message.startsWith(`${kind} is`));
  expect(found).toEqual({
    message: `${kind} is older than ${first} knows it: its last 7 or more writes are missing`,
    isMinor: kind === "verdicts",
  });
});

test("of two wrong ones each is named once", () => {
  const found = mismatches(setWith(storeOf("rules", "b"), storeOf("workflows", "a", 2)));
  expect(found.map(({ message }) => message)).toEqual([
    "rules is not the store that decision-log was used with",
    "workflows is older than decision-log knows it: its last 3 or more writes are missing",
  ]);
});

test("a store that the others do not know is told by what it knows", () => {
  const fresh = (kind: StoreKind): MarkedStore => ({ path: kind, kind, marks: [{ kind, id: `new-${kind}`, writes: 0 }] });
  expect(mismatches([storeOf("rules"), fresh("workflows"), fresh("decision-log")])).toEqual([
    { message: "rules was used with another store than workflows", isMinor: false },
  ]);
});
