import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { MarkedStore } from "../../../../src/storage/sqlite/statement.ts";
import type { StoreKind } from "../../../../src/storage/sqlite/store-kind.ts";
import { createStoreSet, marksIn, mismatches, missing, storeMarksTable } from "../../../../src/storage/sqlite/store-marks.ts";

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

test("a store that is missing is told by one that was used with it; without what is minor it goes on", () => {
  const message = "workflows is missing, and rules was used with it";
  const gone = { path: "workflows", kind: "workflows" } as const;
  expect(missing(gone, [storeOf("rules"), storeOf("decision-log")])).toEqual([{ message, isMinor: false }]);
  expect(missing(gone, [storeOf("verdicts")])).toEqual([]);
  expect(missing(gone, [{ ...storeOf("rules"), marks: [{ kind: "rules", id: "a-rules", writes: 1 }] }])).toEqual([]);
  expect(missing({ path: "verdicts", kind: "verdicts" }, [storeOf("rules")])).toEqual([]);
});

test("each write of a set tells what it knows of the others, once, and counts itself; none before the set has begun", () => {
  const set = createStoreSet();
  const alone = (kind: StoreKind): MarkedStore => ({ path: kind, kind, marks: [{ kind, id: `id of ${kind}`, writes: 3 }] });
  const [rules, log] = [set.join(alone("rules")), set.join(alone("decision-log"))];
  const unmarked = set.join({ path: "old", kind: "workflows", marks: [] });
  const told = (membership: typeof rules): readonly (readonly unknown[])[] => membership.statements().map(({ params }) => params);
  expect([told(rules), set.mismatches()]).toEqual([[], []]);
  set.begin();
  const ofLog = ["decision-log", "id of decision-log", 3];
  expect(told(rules)).toEqual([ofLog, ["rules"]]);
  // It was not written: it is told again.
  expect(told(rules)).toEqual([ofLog, ["rules"]]);
  expect(rules.statements().map(({ returning }) => returning ?? false)).toEqual([false, true]);
  rules.written([{ writes: 4 }]);
  expect(told(rules)).toEqual([["rules"]]);
  expect(told(log)).toEqual([["rules", "id of rules", 4], ["decision-log"]]);
  log.written([{ writes: 4 }]);
  expect(told(rules)).toEqual([["decision-log", "id of decision-log", 4], ["rules"]]);
  unmarked.written([{ writes: 9 }]);
  expect([told(unmarked), told(log)]).toEqual([[], [["decision-log"]]]);
});

test("what a write tells replaces what was told before", () => {
  const set = createStoreSet();
  const kinds = ["rules", "decision-log"] as const;
  const [rules] = kinds.map((kind) => set.join({ path: kind, kind, marks: [{ kind, id: kind, writes: 3 }] }));
  set.begin();
  const db = new DatabaseSync(":memory:");
  db.exec(`${storeMarksTable}; INSERT INTO store_marks VALUES ('rules', 'rules', 3), ('decision-log', 'another', 9)`);
  for (const { sql, params } of rules?.statements() ?? []) db.prepare(sql).all(...params);
  expect(marksIn(db)).toEqual([
    { kind: "rules", id: "rules", writes: 4 },
    { kind: "decision-log", id: "decision-log", writes: 3 },
  ]);
  expect(marksIn(new DatabaseSync(":memory:"))).toEqual([]);
});
