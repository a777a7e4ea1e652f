import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { type FlushTarget, flush } from "../../../../src/storage/sqlite/group-commit.ts";
import type { WireStatement } from "../../../../src/storage/sqlite/writer-messages.ts";

const insert = "INSERT INTO notes VALUES (?)";
const add = (id: number): WireStatement => [0, [id], undefined, false];

/** A database that fails as the disk under it would: with this result code, at this statement. */
function failing(at: string, errcode: number): FlushTarget {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY) STRICT");
  const fail = (): never => {
    throw Object.assign(new Error("the disk has failed"), { errcode });
  };
  return {
    path: "notes.db",
    monotonicMs: () => 0,
    connect: () => (sql) => (sql === at ? { run: fail, all: fail } : db.prepare(sql)),
    checkCommit: () => 0,
    disconnect: () => db.close(),
  };
}

/** https://www.sqlite.org/rescode.html */
const codes = {
  perm: 3,
  busy: 5,
  locked: 6,
  nomem: 7,
  readonly: 8,
  interrupt: 9,
  ioerr: 10,
  full: 13,
  cantopen: 14,
  protocol: 15,
  auth: 23,
};

// What is in doubt is asked again by its request id; what surely was not written may be written again at once.
test.each(Object.entries(codes))("before its commit a flush that fails has surely written nothing: %s", (_, code) => {
  expect(flush(failing(insert, code), { type: "flush", sql: [insert], batches: [[add(1)]], marks: [] })).toMatchObject({
    type: "failed",
    cause: "the disk has failed",
    outcomeUnknown: false,
  });
});

test.each(Object.entries(codes))("of a commit that fails nobody knows, unless the disk is full: %s", (name, code) => {
  expect(flush(failing("COMMIT", code), { type: "flush", sql: [insert], batches: [[add(1)]], marks: [] })).toMatchObject({
    type: "failed",
    outcomeUnknown: name !== "full",
  });
});

test("a batch that is itself at fault ends no other", () => {
  const [sound, broken] = [[add(1)], [add(2), add(2)]];
  const reply = flush(failing("", 0), { type: "flush", sql: [insert], batches: [broken, sound], marks: [] });
  expect(reply).toMatchObject({ type: "flushed", outcomes: [{ type: "defect" }, { type: "applied" }] });
});

test("what goes behind the batches is written with any of them, and not if all are refused", () => {
  const taken: WireStatement = [0, [1], 1, false];
  const isMarked = (batches: WireStatement[][]): boolean => {
    const target = failing("", 0);
    flush(target, { type: "flush", sql: [insert], batches: [[add(1)]], marks: [] });
    const reply = flush(target, { type: "flush", sql: [insert], batches, marks: [add(9)] });
    return reply.type === "flushed" && reply.marked?.type === "applied";
  };
  expect(isMarked([[taken], [add(2)]])).toBe(true);
  expect(isMarked([[taken], [taken]])).toBe(false);
  expect(isMarked([])).toBe(false);
});
