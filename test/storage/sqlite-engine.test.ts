import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openSqlite } from "../../src/storage/sqlite/engine.ts";
import type { Row, SqliteEngine, Statement } from "../../src/storage/sqlite/statement.ts";
import { checkpointPages, walBytesMax } from "../../src/storage/sqlite/store-bytes.ts";
import { storageDir } from "../support/storage-dir.ts";

/** The writer threads that were started, so that a test can end one. */
const workers = vi.hoisted((): Worker[] => []);
vi.mock("node:worker_threads", async (original) => {
  const actual = await original<typeof import("node:worker_threads")>();
  class TrackedWorker extends actual.Worker {
    constructor(...args: ConstructorParameters<typeof actual.Worker>) {
      super(...args);
      workers.push(this);
    }
  }
  return { ...actual, Worker: TrackedWorker };
});

const notes = { version: 1, sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, data BLOB) STRICT" };

let engine: SqliteEngine;

beforeEach(async () => {
  workers.length = 0;
  const opened = await openSqlite({ path: join(storageDir(), "notes.db"), kind: "key-value", migrations: [notes] });
  if (!opened.ok) throw new Error(opened.error.message);
  engine = opened.value;
});

afterEach(() => engine.close());

const add = (id: number): Statement<number> => ({
  sql: "INSERT INTO notes (id, text) VALUES (?, 'note')",
  params: [id],
  expect: { changes: 1, conflict: id },
});
/** Still runs when the test ends the writer. */
const addSlowly = (id: number): Statement[] => [
  { sql: "INSERT INTO notes (id, text) VALUES (?, 'slow')", params: [id] },
  { sql: "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n", params: [] },
];
const ids = (): unknown[] => engine.read("SELECT id FROM notes ORDER BY id").map((row: Row) => row["id"]);

test("batches of one turn share one flush; the listener is told before they are acknowledged", async () => {
  const told: string[] = [];
  engine.onFlush(() => told.push(`flush ${ids().join()}`));
  await Promise.all([1, 2, 3].map((id) => engine.apply([add(id)]).then(() => told.push(`applied ${id}`))));
  expect(told).toStrictEqual(["flush 1,2,3", "applied 1", "applied 2", "applied 3"]);
});

test("what waits while a flush is written goes into the next one; a flush is bounded", async () => {
  let flushes = 0;
  engine.onFlush(() => {
    flushes += 1;
  });
  const first = engine.apply([add(0)]);
  await new Promise(setImmediate);
  const waiting = Array.from({ length: 1_500 }, (_, index) => engine.apply([add(index + 1)]));
  const results = await Promise.all([first, ...waiting]);
  expect(results.every(({ ok }) => ok)).toBe(true);
  expect(flushes).toBe(3);
  expect(ids()).toHaveLength(1_501);
});

const addLarge = (id: number, mebibytes: number): Statement => ({
  sql: "INSERT INTO notes (id, text, data) VALUES (?, 'large', ?)",
  params: [id, new Uint8Array(mebibytes * 1024 * 1024)],
});

test("a flush is bounded in bytes too, and what is larger than the bound goes alone", async () => {
  const flushed: number[] = [];
  engine.onFlush(({ batches }) => flushed.push(batches));
  const results = await Promise.all([3, 5, 1, 1, 1, 1, 1].map((mebibytes, id) => engine.apply([addLarge(id, mebibytes)])));
  expect(results.every(({ ok }) => ok)).toBe(true);
  expect(flushed).toStrictEqual([1, 1, 3, 2]);
});

test("what may wait is bounded in bytes too", async () => {
  // The same 8 MiB each time, which nobody copies before its flush, and which no disk has to take.
  const large: Statement = { sql: "SELECT length(?)", params: [new Uint8Array(8 * 1024 * 1024)] };
  const results = await Promise.all(Array.from({ length: 34 }, () => engine.apply([large])));
  const refused = results.slice(32);
  expect(refused).toMatchObject(
    refused.map(() => ({ ok: false, error: { type: "storage-unavailable", outcomeUnknown: false } })),
  );
  expect((await engine.apply([add(2)])).ok).toBe(true);
});

test("callers beyond the bound of what may wait are refused at once", async () => {
  const results = await Promise.all(Array.from({ length: 65_537 }, () => engine.apply([])));
  expect(results.filter(({ ok }) => !ok)).toMatchObject([{ error: { type: "storage-unavailable", outcomeUnknown: false } }]);
  expect(engine.writable).toBe(true);
});

test("more texts than are kept prepared", () => {
  const read = (value: number): unknown => engine.read(`SELECT ${value} AS value`)[0]?.["value"];
  const values = Array.from({ length: 300 }, (_, value) => value);
  expect([...values, ...values].map(read)).toStrictEqual([...values, ...values]);
});

test("a failed expectation undoes its own batch, all of it, and says which one failed", async () => {
  const results = await Promise.all([engine.apply([add(1)]), engine.apply([add(2), add(1), add(3)]), engine.apply([add(4)])]);
  expect(results[1]).toStrictEqual({ ok: false, error: { type: "conflict", conflict: 1 } });
  expect(ids()).toStrictEqual([1, 4]);
});

test("a flush in which no batch was applied is told to nobody", async () => {
  await engine.apply([add(1)]);
  const listener = vi.fn();
  engine.onFlush(listener);
  await engine.apply([add(1)]);
  expect(listener).not.toHaveBeenCalled();
});

test("a wrong statement is thrown at its own caller, with its text", async () => {
  const wrong = [{ sql: "INSERT INTO notes (id, text) VALUES (?, ?)", params: [2, null], expect: { changes: 1, conflict: "" } }];
  const [first, second, third] = await Promise.allSettled([engine.apply([add(1)]), engine.apply(wrong), engine.apply([add(3)])]);
  expect([first.status, third.status]).toStrictEqual(["fulfilled", "fulfilled"]);
  expect(String(second.status === "rejected" && second.reason)).toContain("NOT NULL constraint failed: notes.text in: INSERT");
  expect(ids()).toStrictEqual([1, 3]);
  expect(engine.writable).toBe(true);
});

// A caller that is told of a defect goes on as if nothing had been written: half of it would be there unseen, as no event, or no answer, of it is.
test("a wrong statement undoes its own batch, all of it, and nobody else's", async () => {
  const wrong: Statement<number> = { sql: "INSERT INTO notes (id, text) VALUES (?, ?)", params: [3, null] };
  const batches = [[add(1)], [add(2), wrong, add(3)], [wrong, add(4)], [add(5)]];
  const results = await Promise.allSettled(batches.map((batch) => engine.apply(batch)));
  expect(results.map(({ status }) => status)).toStrictEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  expect(ids()).toStrictEqual([1, 5]);
});

test("rows come back from RETURNING and from a guard that reads; bytes go in and out", async () => {
  const data = Buffer.from("from a pool");
  const batch: Statement[] = [
    { sql: "SELECT count(*) AS n FROM notes", params: [], expect: { changes: 1, conflict: "" }, returning: true },
    { sql: "INSERT INTO notes (text, data) VALUES (?, ?) RETURNING id, data", params: ["a", data], returning: true },
  ];
  expect(await engine.apply(batch)).toEqual({ ok: true, value: [[{ n: 0 }], [{ id: 1, data: new Uint8Array(data) }]] });
});

test("after close writes are refused and reads throw", async () => {
  await engine.close();
  expect(await engine.apply([add(1)])).toMatchObject({
    ok: false,
    error: { type: "storage-unavailable", outcomeUnknown: false },
  });
  expect(() => engine.read("SELECT 1")).toThrow();
});

test("a writer that dies answers all that wait; reads go on; another one takes over", async () => {
  await engine.apply([add(1)]);
  const changes: boolean[] = [];
  const back = new Promise<void>((resolve) => {
    engine.onWritableChange((writable) => {
      changes.push(writable);
      if (writable) resolve();
    });
  });
  const underWay = engine.apply(addSlowly(2));
  await new Promise(setImmediate);
  const waiting = engine.apply([add(3)]);
  const [worker] = workers;
  await worker?.terminate();
  const cause = "the writer thread ended";
  expect(await underWay).toStrictEqual({ ok: false, error: { type: "storage-unavailable", cause, outcomeUnknown: true } });
  expect(await waiting).toStrictEqual({ ok: false, error: { type: "storage-unavailable", cause, outcomeUnknown: false } });
  expect(ids()).toStrictEqual([1]);
  await back;
  expect(changes).toStrictEqual([false, true]);
  expect(workers).toHaveLength(2);
  expect(await engine.apply([add(4)])).toMatchObject({ ok: true });
});

// With less, what is acknowledged after it may be lost with the power.
test("a writer that connects again, after a failed write or a death, syncs each commit, and bounds its log, as the first one did", async () => {
  const synced = {
    ok: true,
    value: [[{ synchronous: 2 }], [{ journal_size_limit: walBytesMax }], [{ wal_autocheckpoint: checkpointPages }]],
  };
  const asked = () =>
    engine.apply(
      ["synchronous", "journal_size_limit", "wal_autocheckpoint"].map((name) => ({
        sql: `PRAGMA ${name}`,
        params: [],
        returning: true,
      })),
    );
  expect(await asked()).toStrictEqual(synced);
  await engine.apply([{ sql: "PRAGMA max_page_count = 1", params: [], returning: true }]);
  const large = { sql: "INSERT INTO notes (text) VALUES (hex(zeroblob(1000000)))", params: [] };
  expect(await engine.apply([large])).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
  expect(await asked()).toStrictEqual(synced);
  // The bound was that of the connection which is gone.
  expect(await engine.apply([large])).toMatchObject({ ok: true });
  const back = new Promise<void>((resolve) => void engine.onWritableChange((writable) => writable && resolve()));
  await workers[0]?.terminate();
  expect(await engine.apply([add(1)])).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
  await back;
  expect(await asked()).toStrictEqual(synced);
  expect(workers).toHaveLength(2);
});

test("a writer that dies does not keep the engine from closing", async () => {
  const underWay = engine.apply(addSlowly(1));
  await new Promise(setImmediate);
  const [worker] = workers;
  await worker?.terminate();
  await engine.close();
  expect(await underWay).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
});
