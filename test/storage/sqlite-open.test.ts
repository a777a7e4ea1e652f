import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { StorageUnavailableError } from "../../src/kernel/write.ts";
import { openSqlite } from "../../src/storage/sqlite/engine.ts";
import { acquireLock, awaitLock } from "../../src/storage/sqlite/lock.ts";
import type { Migration } from "../../src/storage/sqlite/statement.ts";
import { writerCacheBytes } from "../../src/storage/sqlite/store-bytes.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";
import { damage, rootPage } from "../support/storage-page.ts";
import { startStorageProcess } from "../support/storage-process.ts";
import { creation, workflowId } from "../support/storage-values.ts";
import { until } from "../support/until.ts";

const createNotes: Migration = { version: 1, sql: "CREATE TABLE notes (text TEXT NOT NULL) STRICT" };
const addAuthor: Migration = { version: 2, sql: "ALTER TABLE notes ADD COLUMN author TEXT" };

async function opened<T>(opening: Promise<{ ok: true; value: T } | { ok: false; error: { message: string } }>): Promise<T> {
  const result = await opening;
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

/** Overwrites from the start of a page, as a failing disk does. No process has the file open. */
function scribble(path: string, offset: number, length: number): void {
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(length, 0xa5), 0, length, offset);
  closeSync(file);
}

async function closedStore(): Promise<string> {
  const path = join(storageDir(), "workflows.db");
  const store = await opened(openSqliteWorkflowStore({ path }));
  for (const id of ["a", "b", "c"]) await store.apply(creation(id));
  await store.close();
  return path;
}

test("a missing directory is created; a closed store leaves one file and its lock", async () => {
  const path = join(storageDir(), "a", "b", "workflows.db");
  const store = await opened(openSqliteWorkflowStore({ path }));
  await store.apply(creation("w"));
  await store.close();
  expect(readdirSync(dirname(path))).toStrictEqual(["workflows.db", "workflows.db.lock"]);
});

test("the writer forces each commit to the disk", async () => {
  const engine = await opened(openSqlite({ path: join(storageDir(), "notes.db"), kind: "key-value", migrations: [] }));
  const pragmas = ["PRAGMA journal_mode", "PRAGMA synchronous"].map((sql) => ({ sql, params: [], returning: true }) as const);
  expect(await engine.apply(pragmas)).toEqual({ ok: true, value: [[{ journal_mode: "wal" }], [{ synchronous: 2 }]] });
  await engine.close();
});

test("a file is brought forward from any older schema version, with its rows", async () => {
  const path = join(storageDir(), "notes.db");
  const old = await opened(openSqlite({ path, kind: "key-value", migrations: [createNotes] }));
  await old.apply([{ sql: "INSERT INTO notes (text) VALUES (?)", params: ["kept"] }]);
  await old.close();
  for (let opening = 1; opening <= 2; opening += 1) {
    const migrated = await opened(openSqlite({ path, kind: "key-value", migrations: [createNotes, addAuthor] }));
    expect(migrated.read("SELECT * FROM notes")).toEqual([{ text: "kept", author: null }]);
    await migrated.close();
  }
});

test("a migration that fails changes nothing and says which one", async () => {
  const path = join(storageDir(), "notes.db");
  await (await opened(openSqlite({ path, kind: "key-value", migrations: [createNotes] }))).close();
  const wrong = { version: 2, sql: "CREATE TABLE more (text TEXT); INSERT INTO nowhere VALUES (1)" };
  const failed = await openSqlite({ path, kind: "key-value", migrations: [createNotes, wrong] });
  expect(failed).toMatchObject({ ok: false, error: { type: "inaccessible" } });
  expect(failed.ok || failed.error.message).toContain(`${path} could not be brought to schema version 2: no such table: nowhere`);
  const engine = await opened(openSqlite({ path, kind: "key-value", migrations: [createNotes] }));
  expect(engine.read("SELECT name FROM sqlite_schema WHERE name = 'more'")).toEqual([]);
  await engine.close();
});

test("a newer schema is refused: file, its version, ours, what to do", async () => {
  const path = join(storageDir(), "notes.db");
  await (await opened(openSqlite({ path, kind: "key-value", migrations: [createNotes, addAuthor] }))).close();
  const refused = await openSqlite({ path, kind: "key-value", migrations: [createNotes] });
  expect(refused).toStrictEqual({
    ok: false,
    error: {
      type: "newer-schema",
      message:
        `${path} has schema version 2, but this program knows versions up to 1 only. ` +
        "Use the program version that wrote it, or a newer one, or restore an older backup.",
    },
  });
  await (await opened(openSqlite({ path, kind: "key-value", migrations: [createNotes, addAuthor] }))).close();
});

test("a file in use by another process is refused by the holder's name, until that one is killed", async () => {
  const path = join(storageDir(), "workflows.db");
  const holder = startStorageProcess("hold", path);
  expect(await holder.printed(1)).toStrictEqual(["opened"]);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const refused = await openSqliteWorkflowStore({ path });
    expect(refused).toMatchObject({ ok: false, error: { type: "locked" } });
    expect(refused.ok || refused.error.message).toMatch(
      new RegExp(`^${path} is in use by process ${holder.pid} on ${hostname()} since \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z\\. Only one`),
    );
  }
  await holder.kill();
  await (await opened(openSqliteWorkflowStore({ path }))).close();
});

test("a lock that is waited for is taken when its holder is killed", async () => {
  const path = join(storageDir(), "workflows.db");
  const holder = startStorageProcess("hold", path);
  await holder.printed(1);
  const lock = awaitLock(path);
  const refusal = (): string => {
    const other = acquireLock(path);
    if (other.ok) other.value.release();
    return other.ok ? "" : other.error.message;
  };
  expect(refusal()).toContain(`in use by process ${holder.pid} on`);
  await holder.kill();
  await until(() => refusal().includes(`in use by process ${process.pid} on`), "the lock is ours");
  lock.release();
  expect(refusal()).toBe("");
});

test("a file in use by this process is refused, and the refusal does not free it", async () => {
  const path = join(storageDir(), "workflows.db");
  const store = await opened(openSqliteWorkflowStore({ path }));
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const refused = await openSqliteWorkflowStore({ path });
    expect(refused.ok || refused.error.message).toContain(`${path} is in use by process ${process.pid} on`);
  }
  const other = startStorageProcess("hold", path);
  expect(await other.printed(1)).toStrictEqual([expect.stringMatching(/^locked: /)]);
  await store.close();
});

test("the holder's label is only a label: without it the file is refused all the same", async () => {
  const path = join(storageDir(), "workflows.db");
  const store = await opened(openSqliteWorkflowStore({ path }));
  writeFileSync(`${path}.holder.json`, "");
  const refused = await openSqliteWorkflowStore({ path });
  expect(refused.ok || refused.error.message).toContain(`${path} is in use by another process.`);
  await store.close();
});

test("a directory that may not be written is refused", async () => {
  const dir = storageDir();
  const closed = join(dir, "closed");
  mkdirSync(closed);
  chmodSync(dir, 0o755);
  chmodSync(closed, 0o555);
  for (const path of [join(closed, "workflows.db"), join(closed, "missing", "workflows.db")]) {
    const child = startStorageProcess("refuse", path);
    const [line] = await child.printed(1);
    expect(line).toMatch(new RegExp(`^inaccessible: ${path} cannot be opened for writing \\(.+\\)\\. Check that its directory`));
    expect(existsSync(path)).toBe(false);
  }
});

test("a path under a file is refused", async () => {
  const file = join(storageDir(), "file");
  writeFileSync(file, "");
  expect(await openSqliteWorkflowStore({ path: join(file, "workflows.db") })).toMatchObject({
    ok: false,
    error: { type: "inaccessible", message: expect.stringContaining(file) },
  });
});

test.each([
  ["a header of garbage", (path: string) => scribble(path, 0, 100)],
  ["a damaged schema", (path: string) => scribble(path, 100, 3_996)],
  ["a damaged table of events", (path: string) => damage(rootPage(path, "events"))],
  ["a damaged table of answers, which nothing reads at start", (path: string) => damage(rootPage(path, "answers"))],
])("%s is refused, and the file is left alone", async (_, spoil) => {
  const path = await closedStore();
  spoil(path);
  const damaged = readFileSync(path);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const refused = await openSqliteWorkflowStore({ path });
    expect(refused).toMatchObject({ ok: false, error: { type: "corrupt" } });
    expect(refused.ok || refused.error.message).toMatch(
      new RegExp(
        `^${path} is damaged or is no SQLite database \\(.+\\)\\. Nothing more is written to it\\. Move it away and restore it from a backup\\.$`,
      ),
    );
  }
  expect(readFileSync(path).equals(damaged)).toBe(true);
});

/** Damaged while it is open. */
async function damagedWhileOpen(index: string): Promise<{ readonly path: string; readonly store: WorkflowStore }> {
  const path = await closedStore();
  // More than the writer keeps in memory, so that the page is read again.
  const filler = await opened(openSqliteWorkflowStore({ path }));
  const metadata = { filler: "x".repeat(8_000) };
  const fillers = Array.from({ length: (2 * writerCacheBytes) / metadata.filler.length }, (_, index) =>
    creation(`filler-${index}`),
  );
  await Promise.all(
    fillers.map(({ puts, events }) => filler.apply({ puts, events: events.map((each) => ({ ...each, metadata })) })),
  );
  await filler.close();
  const page = rootPage(path, index);
  const store = await opened(openSqliteWorkflowStore({ path }));
  damage(page);
  return { path, store };
}

const damaged = "is damaged or is no SQLite database (database disk image is malformed). Nothing more is written to it.";

test("damage that a write meets ends writing for good; what is sound can still be read", async () => {
  const { path, store } = await damagedWhileOpen("sqlite_autoindex_workflows_1");
  const told: string[] = [];
  store.onWritableChange((writable, cause) => told.push(`${writable} ${cause}`));
  const results = await Promise.all(["d", "e"].map((id) => store.apply(creation(id))));
  results.push(await store.apply(creation("f")));
  for (const result of results) {
    expect(result).toMatchObject({ ok: false, error: { type: "storage-unavailable", outcomeUnknown: false } });
    expect(JSON.stringify(result)).toContain(`${path} ${damaged}`);
  }
  expect(store.writable).toBe(false);
  expect(told).toStrictEqual([expect.stringContaining(`false ${path} ${damaged}`)]);
  expect((await store.listEvents({ afterSequence: 0, limit: 3 })).rows).toHaveLength(3);
  await store.close();
  // An operator would look for a log that was never lost.
  const again = await openSqliteWorkflowStore({ path });
  expect(again.ok ? "it is open" : again.error.message).not.toContain("write-ahead log");
  if (again.ok) await again.value.close();
});

test("damage that a read meets is told as such, and ends writing for good", async () => {
  const { path, store } = await damagedWhileOpen("sqlite_autoindex_workflows_1");
  const told: string[] = [];
  store.onWritableChange((writable, cause) => told.push(`${writable} ${cause}`));
  await expect(store.get(workflowId("a"))).rejects.toThrow(StorageUnavailableError);
  await expect(store.get(workflowId("a"))).rejects.toThrow(`${path} ${damaged}`);
  expect(store.writable).toBe(false);
  expect(told).toStrictEqual([expect.stringContaining(`false ${path} ${damaged}`)]);
  expect(await store.apply(creation("d"))).toMatchObject({ ok: false, error: { cause: told[0]?.slice("false ".length) } });
  expect((await store.listEvents({ afterSequence: 0, limit: 3 })).rows).toHaveLength(3);
  await store.close();
});
