import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openSqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { storeBytes } from "../../src/storage/sqlite/store-bytes.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";
import { startStorageProcess } from "../support/storage-process.ts";
import { creation, workflowId } from "../support/storage-values.ts";
import { until } from "../support/until.ts";

async function open(path: string): Promise<WorkflowStore> {
  const result = await openSqliteWorkflowStore({ path });
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

test("one that has been closed has its write-ahead log in it, and leaves no other file; whoever removed the name of its holder keeps nobody", async () => {
  const path = await closedStore();
  expect(readdirSync(dirname(path)).toSorted()).toEqual(["workflow.sqlite", "workflow.sqlite.lock"]);
  const store = await open(path);
  rmSync(`${path}.holder.json`, { force: true });
  rmSync(`${path}.lock.holder.json`, { force: true });
  await store.close();
  expect(readdirSync(dirname(path)).toSorted()).toEqual(["workflow.sqlite", "workflow.sqlite.lock"]);
});

async function closedStore(): Promise<string> {
  const path = join(storageDir(), "workflow.sqlite");
  const store = await open(path);
  await store.apply(creation("w"));
  await store.close();
  return path;
}

async function refusal(path: string): Promise<string> {
  const result = await openSqliteWorkflowStore({ path });
  if (result.ok) await result.value.close();
  return result.ok ? "" : `${result.error.type}: ${result.error.message}`;
}

test("an empty file is refused and left alone", async () => {
  const path = await closedStore();
  writeFileSync(path, "");
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    expect(await refusal(path)).toBe(
      `lost: ${path} is empty: what was in it is lost. Restore it from a backup. Only if it never was a store, remove it.`,
    );
  }
  expect(readFileSync(path)).toHaveLength(0);
});

test("a file that was there and is not is refused, until its lock is removed too", async () => {
  const path = await closedStore();
  rmSync(path);
  expect(await refusal(path)).toBe(
    `lost: ${path} is missing, but it was there before. Restore it from a backup. ` +
      `Only to begin anew, without all that was in it, remove ${path}-wal and ${path}.lock too.`,
  );
  expect(readdirSync(dirname(path))).toStrictEqual(["workflow.sqlite.lock"]);
  rmSync(`${path}.lock`);
  expect(await refusal(path)).toBe("");
});

test("a write-ahead log without its file is refused and left alone", async () => {
  const path = join(storageDir(), "workflow.sqlite");
  writeFileSync(`${path}-wal`, "what was written");
  expect(await refusal(path)).toMatch(/^lost: .+workflow\.sqlite is missing/);
  expect(readFileSync(`${path}-wal`, "utf8")).toBe("what was written");
});

/** What a process leaves that was killed between two writes. */
async function killedStore(): Promise<string> {
  const path = join(storageDir(), "workflow.sqlite");
  const child = startStorageProcess("load", path, "w");
  await child.printed(10);
  await child.kill();
  return path;
}

const restore = (path: string, unless = ""): string =>
  `what was written last is lost. Restore ${path} from a backup and remove ${path}.lock. ` +
  `Only to go on without what was written last${unless}, just remove that lock.`;

test("a killed store without its write-ahead log is refused, until its lock is removed", async () => {
  const path = await killedStore();
  for (const suffix of ["-wal", "-shm"]) rmSync(`${path}${suffix}`);
  const file = readFileSync(path);
  const unless = ", or if another program has opened the file since and so moved the log into it";
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    expect(await refusal(path)).toBe(
      `lost: ${path}-wal is missing, but it was there before, and the process that used it did not end in order: ${restore(path, unless)}`,
    );
  }
  expect(readFileSync(path).equals(file)).toBe(true);
  rmSync(`${path}.lock`);
  expect(await refusal(path)).toBe("");
});

test.each([
  ["killed before its first write", "hold"],
  ["killed while it writes", "load"],
] as const)("a healthy store is not refused: %s, then refused to who takes it for another one", async (_, mode) => {
  const path = join(storageDir(), "workflow.sqlite");
  for (let round = 1; round <= 2; round += 1) {
    const child = startStorageProcess(mode, path, `round${round}`);
    expect((await child.printed(mode === "load" ? 10 : 1))[0]).toBe("opened");
    await child.kill();
  }
  expect(await openSqliteDecisionLog({ path })).toMatchObject({ ok: false, error: { type: "foreign" } });
  expect(await refusal(path)).toBe("");
});

test("a healthy store is not refused: copied while it was stopped, or with its log after a kill", async () => {
  for (const path of [await closedStore(), await killedStore()]) {
    const copy = join(storageDir(), "copy");
    cpSync(dirname(path), copy, { recursive: true });
    expect(await refusal(join(copy, "workflow.sqlite"))).toBe("");
  }
});

test.each(["", "-wal", "-shm", ".lock"])("what is no regular file is refused: workflow.sqlite%s", async (suffix) => {
  for (const make of [(path: string) => mkdirSync(path), (path: string) => spawnSync("mkfifo", [path])]) {
    const path = await closedStore();
    rmSync(`${path}${suffix}`, { force: true });
    make(`${path}${suffix}`);
    expect(await refusal(path)).toBe(
      `inaccessible: ${path}${suffix} is no regular file. Put the right file there, or move away what is there.`,
    );
  }
});

test.each(["", "-wal", "-shm", ".lock"])("what this user may not write is refused: workflow.sqlite%s", async (suffix) => {
  const path = await killedStore();
  for (const each of ["", "-wal", "-shm", ".lock"]) chmodSync(`${path}${each}`, each === suffix ? 0o444 : 0o666);
  chmodSync(dirname(path), 0o777);
  const [line] = await startStorageProcess("refuse", path).printed(1);
  expect(line).toMatch(
    new RegExp(`^inaccessible: ${path}${suffix} may not be read and written by this user \\(EACCES: .+\\)\\. Change its owner`),
  );
});

test.skipIf(process.platform !== "linux")("a folder that nobody can make is refused [needs /proc]", async () => {
  expect(await refusal("/proc/none/data/workflow.sqlite")).toMatch(/^inaccessible: .+ENOENT.+mkdir '\/proc\/none'/);
});

test("a process that dies while it makes the file does not keep the next one from making it", async () => {
  const path = join(storageDir(), "workflow.sqlite");
  new DatabaseSync(`${path}.lock`).close();
  writeFileSync(`${path}.new`, "half of");
  writeFileSync(`${path}.new-journal`, "half of");
  expect(await refusal(path)).toBe("");
  expect(readdirSync(dirname(path))).toStrictEqual(["workflow.sqlite", "workflow.sqlite.lock"]);
});

test("the store of another kind, and the database of another program, are refused and left alone", async () => {
  const path = join(storageDir(), "commit.sqlite");
  const log = await openSqliteDecisionLog({ path });
  if (!log.ok) throw new Error(log.error.message);
  await log.value.close();
  const what = "It was not changed. Put the right file there, or choose another data directory.";
  expect(await refusal(path)).toBe(`foreign: ${path} is a Concord decision log, not a workflow store. ${what}`);

  const foreign = join(storageDir(), "workflow.sqlite");
  const db = new DatabaseSync(foreign);
  db.exec("CREATE TABLE workflows (id TEXT); PRAGMA user_version = 1");
  db.close();
  const before = readFileSync(foreign);
  expect(await refusal(foreign)).toBe(
    `foreign: ${foreign} is a database that Concord did not make, not a workflow store. ${what}`,
  );
  expect(readFileSync(foreign).equals(before)).toBe(true);
});

test.each([
  ["a link to its folder", (path: string, other: string) => symlinkSync(dirname(path), dirname(other))],
  ["a link to the file", (path: string, other: string) => mkdirSync(dirname(other)) ?? symlinkSync(path, other)],
  [
    "a link to a link",
    (path: string, other: string) => {
      mkdirSync(dirname(other));
      symlinkSync(path, `${other}.1`);
      symlinkSync(`${other}.1`, other);
    },
  ],
])("a file in use is refused by another name too: %s", async (_, link) => {
  const path = await closedStore();
  const other = join(storageDir(), "other", basename(path));
  link(path, other);
  const first = startStorageProcess("hold", path);
  expect(await first.printed(1)).toStrictEqual(["opened"]);
  expect(await refusal(other)).toMatch(/^locked: /);
  await first.kill();
  const second = startStorageProcess("hold", other);
  expect(await second.printed(1)).toStrictEqual(["opened"]);
  expect(await refusal(path)).toMatch(/^locked: /);
});

test("a link to nothing is refused: no store is made where its disk is not mounted", async () => {
  const dir = storageDir();
  const path = join(dir, "workflow.sqlite");
  symlinkSync(join(dir, "disk", "workflow.sqlite"), path);
  expect(await refusal(path)).toBe(
    `lost: ${path} is a symbolic link to nothing. Check that the disk it leads to is mounted, or restore the file from a backup.`,
  );
});

test.each(["", "-wal"])("hard links are refused: of the file%s", async (suffix) => {
  const path = join(storageDir(), "workflow.sqlite");
  const child = startStorageProcess("load", path, "w");
  await child.printed(10);
  await child.kill();
  linkSync(`${path}${suffix}`, `${path}.other`);
  expect(await refusal(path)).toBe(
    `hard-linked: ${path}${suffix} has 2 names (hard links). SQLite damages a file that is used under two names. ` +
      "Make sure that nothing uses the other one, then put a copy in its place (cp, then mv).",
  );
  copyFileSync(`${path}${suffix}`, `${path}.copy`);
  renameSync(`${path}.copy`, `${path}${suffix}`);
  expect(await refusal(path)).toBe("");
});

const gone = (path: string): string =>
  `${path} was removed or replaced while it was in use. Nothing more is written. Stop, put the file back or restore a backup, and start again.`;

test.each([
  ["its folder is removed", "", (path: string) => rmSync(dirname(path), { recursive: true })],
  ["its folder is renamed", "", (path: string) => renameSync(dirname(path), `${dirname(path)}-old`)],
  ["it is removed", "", (path: string) => rmSync(path)],
  ["another file takes its place", "", (path: string) => copyFileSync(path, `${path}.copy`) ?? renameSync(`${path}.copy`, path)],
  ["its write-ahead log is removed", "-wal", (path: string) => rmSync(`${path}-wal`)],
])("what cannot be found again is not acknowledged: %s", async (_, suffix, remove) => {
  const path = join(storageDir(), "data", "workflow.sqlite");
  const store = await open(path);
  expect(await store.apply(creation("before"))).toMatchObject({ ok: true });
  const told: string[] = [];
  store.onWritableChange((writable, cause) => told.push(`${writable} ${cause}`));
  remove(path);
  const cause = gone(`${path}${suffix}`);
  expect(await store.apply(creation("after"))).toStrictEqual({
    ok: false,
    error: { type: "storage-unavailable", cause, outcomeUnknown: true },
  });
  expect(await store.apply(creation("later"))).toMatchObject({ ok: false, error: { cause, outcomeUnknown: false } });
  expect([store.writable, ...told]).toStrictEqual([false, `false ${cause}`]);
  expect(await store.get(workflowId("before"))).toMatchObject({ id: "before" });
  await store.close();
  spawnSync("rm", ["-rf", `${dirname(path)}-old`]);
});

test.each(["", ".lock", "-shm"])("without a write it is noticed that a file is removed: workflow.sqlite%s", async (suffix) => {
  const path = join(storageDir(), "workflow.sqlite");
  const store = await open(path);
  const told = new Promise<string>((resolve) => {
    store.onWritableChange((writable, cause) => resolve(`${writable} ${cause}`));
  });
  rmSync(`${path}${suffix}`);
  expect(await told).toBe(`false ${gone(`${path}${suffix}`)}`);
  expect(await store.apply(creation("w"))).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
  await store.close();
});

const shortened = (path: string): string =>
  `${path}-wal was shortened while it was in use. Nothing more is written, and nothing of it is moved into the file. Stop and restore a backup.`;

/** The file is as it was when its log was cut, and is not taken for whole. */
async function expectLost(path: string, store: WorkflowStore, file: Buffer): Promise<void> {
  await store.close();
  expect(readFileSync(path).equals(file)).toBe(true);
  expect(await refusal(path)).toBe(`lost: ${path}-wal was shortened while it was in use: ${restore(path)}`);
}

test.each([
  ["to nothing", 0],
  ["by half", 0.5],
])(
  "a write-ahead log that is cut %s: no write is acknowledged, the file is left alone, the next start is refused",
  async (_, part) => {
    const path = await closedStore();
    const store = await open(path);
    await store.apply(creation("before"));
    const file = readFileSync(path);
    truncateSync(`${path}-wal`, part * storeBytes(path).wal);
    const cause = shortened(path);
    expect(await store.apply(creation("after"))).toStrictEqual({
      ok: false,
      error: { type: "storage-unavailable", cause, outcomeUnknown: false },
    });
    expect(store.writable).toBe(false);
    await expectLost(path, store, file);
  },
);

test("without a write it is noticed that the write-ahead log is cut, and the next start knows it even after kill -9", async () => {
  const path = await closedStore();
  const file = readFileSync(path);
  const store = await open(path);
  await store.apply(creation("before"));
  const told = new Promise<string>((resolve) => {
    store.onWritableChange((writable, cause) => resolve(`${writable} ${cause}`));
  });
  truncateSync(`${path}-wal`, 0);
  expect(await told).toBe(`false ${shortened(path)}`);
  const copy = join(storageDir(), "copy");
  // By another process: closing the files here would drop their locks.
  spawnSync("cp", ["-r", dirname(path), copy]);
  expect(await refusal(join(copy, "workflow.sqlite"))).toMatch(/^lost: .+-wal was shortened/);
  await expectLost(path, store, file);
});

test("a write-ahead log that is cut just before the stop is noticed by it", async () => {
  const path = await closedStore();
  const file = readFileSync(path);
  const store = await open(path);
  await store.apply(creation("before"));
  truncateSync(`${path}-wal`, 0);
  await expectLost(path, store, file);
});

test("a write-ahead log that another program's checkpoint has emptied is whole", async () => {
  const path = await closedStore();
  const store = await open(path);
  for (const id of ["a", "b"]) {
    expect(await store.apply(creation(id))).toMatchObject({ ok: true });
    const other = new DatabaseSync(path);
    other.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    expect(storeBytes(path).wal).toBe(0);
    if (id === "b") other.exec("INSERT INTO write_probe (filler) VALUES (x'00')");
    other.close();
  }
  expect(await store.apply(creation("c"))).toMatchObject({ ok: true });
  await store.close();
  expect(await refusal(path)).toBe("");
});

test("it is noticed that the link by which it was opened leads elsewhere", async () => {
  const path = await closedStore();
  const link = join(storageDir(), "link");
  symlinkSync(dirname(path), link);
  const store = await open(join(link, basename(path)));
  symlinkSync(dirname(await closedStore()), `${link}.new`);
  renameSync(`${link}.new`, link);
  await until(async () => !store.writable, "it is noticed");
  await store.close();
});
