import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqlite } from "../../src/storage/sqlite/engine.ts";
import type { SqliteEngine, Statement } from "../../src/storage/sqlite/statement.ts";
import { storeBytes, walBytesMax } from "../../src/storage/sqlite/store-bytes.ts";
import { storageDir } from "../support/storage-dir.ts";
import { until } from "../support/until.ts";

const notes = { version: 1, sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY, data BLOB) STRICT" };

/** Of the engine: how often it looks at its files, and how long it waits for a lock. */
const lookIntervalMs = 500;
const busyTimeoutMs = 5_000;

let path: string;
let engine: SqliteEngine;

beforeEach(async () => {
  path = join(storageDir(), "notes.db");
  const opened = await openSqlite({ path, kind: "key-value", migrations: [notes] });
  if (!opened.ok) throw new Error(opened.error.message);
  engine = opened.value;
});

afterEach(() => engine.close());

const megabyte: Statement = { sql: "INSERT INTO notes (data) VALUES (zeroblob(1000000))", params: [] };

const rowCount = Math.ceil((2 * walBytesMax) / 1_000_000);

/** Another program that reads one state of the file for long, as a backup does, while more is written than a WAL should hold. */
async function growUnderReader(): Promise<DatabaseSync> {
  const reader = new DatabaseSync(path, { readOnly: true });
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM notes").get();
  for (let written = 0; written < rowCount; written += 1) expect((await engine.apply([megabyte])).ok).toBe(true);
  expect(storeBytes(path).wal).toBeGreaterThan(walBytesMax);
  return reader;
}

test("a write-ahead log that grew under a long reader is given back when that has gone, without another write", async () => {
  const reader = await growUnderReader();
  reader.close();
  await until(() => storeBytes(path).wal === 0, "the write-ahead log is empty");
  expect(storeBytes(path).database).toBeGreaterThan(rowCount * 1_000_000);
  expect(engine.read("SELECT count(*) AS count FROM notes")).toEqual([{ count: rowCount }]);
  expect((await engine.apply([megabyte])).ok).toBe(true);
});

test("no write waits for a long reader, however large the write-ahead log is", async () => {
  const reader = await growUnderReader();
  const startedMs = performance.now();
  let longestMs = 0;
  const hasLookedTwice = async (): Promise<boolean> => {
    const writtenMs = performance.now();
    await engine.apply([{ sql: "INSERT INTO notes (data) VALUES (NULL)", params: [] }]);
    longestMs = Math.max(longestMs, performance.now() - writtenMs);
    return performance.now() - startedMs > 2 * lookIntervalMs;
  };
  await until(hasLookedTwice, "the engine has looked twice at its files");
  expect(longestMs).toBeLessThan(busyTimeoutMs);
  expect(storeBytes(path).wal).toBeGreaterThan(walBytesMax);
  reader.close();
});
