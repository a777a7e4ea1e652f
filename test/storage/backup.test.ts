import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/runtime/clock.ts";
import { openCut, opensAtOnce, storesIn } from "../../src/storage/backup/cut.ts";
import { manifestName } from "../../src/storage/backup/manifest.ts";
import { restoreBackup } from "../../src/storage/backup/restore.ts";
import { takeBackup } from "../../src/storage/backup/take.ts";
import { unfinishedBackup, unfinishedRestore } from "../../src/storage/backup/unfinished.ts";
import { openSqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { acquireLock } from "../../src/storage/sqlite/lock.ts";
import { openSqliteParticipantLog } from "../../src/storage/sqlite/participant-log.ts";
import { openSqliteRuleStore } from "../../src/storage/sqlite/rule-store.ts";
import type { OpenFailure } from "../../src/storage/sqlite/statement.ts";
import { storeKinds } from "../../src/storage/sqlite/store-kind.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { temporaryFolder } from "../support/concord.ts";
import { draft } from "../support/rule-batches.ts";
import { storageDir } from "../support/storage-dir.ts";
import { damage, rootPage } from "../support/storage-page.ts";
import { startStorageProcess } from "../support/storage-process.ts";
import { mountTmpfs } from "../support/storage-tmpfs.ts";
import { creation } from "../support/storage-values.ts";
import { unhurried } from "../support/unhurried.ts";
import { until } from "../support/until.ts";

type Opened<T> = Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: OpenFailure }>;

async function opened<T>(opening: Opened<T>): Promise<T> {
  const result = await opening;
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

const pairChild = fileURLToPath(new URL("../support/storage-pair-child.ts", import.meta.url));

/** Made once, and copied: most of what a store costs is to be made. */
const made = temporaryFolder();
afterAll(made.remove);

/** A folder with two stores, closed. */
async function folderOfStores(workflows = 3): Promise<string> {
  const template = join(made.path, String(workflows));
  if (!existsSync(template)) await makeStores(template, workflows);
  const folder = storageDir();
  cpSync(template, folder, { recursive: true });
  return folder;
}

async function makeStores(folder: string, workflows: number): Promise<void> {
  const store = await opened(openSqliteWorkflowStore({ path: join(folder, "workflow.sqlite") }));
  await Promise.all(Array.from({ length: workflows }, (_, index) => store.apply(creation(`w${index}`))));
  const log = await opened(openSqliteDecisionLog({ path: join(folder, "commit.sqlite") }));
  await log.claim("c");
  await log.close();
  await store.close();
}

const take = (from: string, to: string, also: readonly string[] = []) =>
  takeBackup({ paths: [...storesIn(from), ...also], to, version: "0.0.0", id: "ab".repeat(16), clock: systemClock });

const restore = (from: string, dataDir: string, moveAside = false) =>
  restoreBackup({ from, dataDir, moveAside, clock: systemClock });

async function backedUp(): Promise<{ readonly folder: string; readonly to: string }> {
  const folder = await folderOfStores();
  const to = join(storageDir(), "a", "backup");
  expect(await take(folder, to)).toMatchObject({ ok: true });
  return { folder, to };
}

const workflowsIn = (path: string): number => {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(db.prepare("SELECT count(*) AS n FROM workflows").get()?.["n"]);
  } finally {
    db.close();
  }
};

test("a backup of stores that nobody uses is restored as it was, and they can be used as before", async () => {
  const { folder, to } = await backedUp();
  expect(readdirSync(to).sort()).toEqual(["commit.sqlite", manifestName, "workflow.sqlite"]);
  const dataDir = join(storageDir(), "new");
  expect(await restore(to, dataDir)).toMatchObject({ ok: true, value: { aside: undefined } });
  expect(readdirSync(dataDir).sort()).toEqual(["commit.sqlite", "workflow.sqlite"]);
  for (const each of [folder, dataDir]) {
    const store = await opened(openSqliteWorkflowStore({ path: join(each, "workflow.sqlite") }));
    expect((await store.counts()).workflows).toBe(3);
    await store.close();
  }
});

test("each file of a backup is whole by itself: it has no write-ahead log", async () => {
  const { to } = await backedUp();
  for (const name of ["commit.sqlite", "workflow.sqlite"]) {
    // sqlite.org/fileformat2.html, section 1.3: the versions of who may write and read it; 2 is a write-ahead log.
    expect([...readFileSync(join(to, name)).subarray(18, 20)]).toEqual([1, 1]);
  }
});

test("a folder's stores are those of the server, whatever is in them, and whatever else is Concord's", async () => {
  const folder = storageDir();
  await (await opened(openSqliteParticipantLog({ path: join(folder, "participant-a.sqlite") }))).close();
  const served = ["commit", "events", "predicate", "verdicts", "workflow"].map((name) => `${name}.sqlite`);
  for (const name of [...served, "nothing.sqlite", "workflow.sqlite.lock"]) writeFileSync(join(folder, name), "");
  writeFileSync(join(folder, "letters.sqlite"), "x".repeat(8_192));
  expect(storesIn(folder)).toEqual([...served, "participant-a.sqlite"].sort().map((name) => join(folder, name)));
});

// A later version would have brought them to its schema when it served them.
test("a store of an earlier schema, which knows less, is restored as it was", async () => {
  const folder = storageDir();
  await (await opened(openSqliteParticipantLog({ path: join(folder, "participant.sqlite") }))).close();
  for (const [kind, name] of [
    ["workflows", "workflow.sqlite"],
    ["rules", "predicate.sqlite"],
    ["decision-log", "commit.sqlite"],
  ] as const) {
    const db = new DatabaseSync(join(folder, name));
    db.exec(`PRAGMA application_id = ${storeKinds[kind].applicationId}; PRAGMA user_version = 1; CREATE TABLE old (x)`);
    db.close();
  }
  const [to, dataDir] = [join(storageDir(), "backup"), storageDir()];
  const taken = await take(folder, to);
  const stores = taken.ok ? taken.value.manifest.stores.filter(({ kind }) => kind !== "participant-log") : [];
  expect(stores.map(({ kind, marks, newestSequence, claim }) => [kind, marks, newestSequence, claim])).toEqual([
    ["decision-log", [], undefined, undefined],
    ["rules", [], undefined, undefined],
    ["workflows", [], undefined, undefined],
  ]);
  expect(await restore(to, dataDir)).toMatchObject({ ok: true });
  for (const { file } of stores) expect(readFileSync(join(dataDir, file))).toEqual(readFileSync(join(to, file)));
});

test("logs of several participants may be in one backup", async () => {
  const folder = await folderOfStores();
  const also: string[] = [];
  for (const name of ["a", "b"]) {
    const path = join(storageDir(), `participant-${name}.sqlite`);
    await (await opened(openSqliteParticipantLog({ path }))).close();
    also.push(path);
  }
  const taken = await take(folder, join(storageDir(), "backup"), also);
  expect(taken).toMatchObject({ ok: true, value: { mismatches: [], manifest: { stores: [{}, {}, {}, {}] } } });
});

test("sequences that were given after the backup are known to be lost, and are not given again", async () => {
  const { to } = await backedUp();
  const dataDir = storageDir();
  await restore(to, dataDir);
  const store = await opened(openSqliteWorkflowStore({ path: join(dataDir, "workflow.sqlite") }));
  const applied = await store.apply(creation("later"));
  expect(applied).toMatchObject({ ok: true, value: [{ sequence: 1_000_000_004 }] });
  for (const [sequence, kept] of [
    [3, undefined],
    [4, 3],
    [999, 3],
    [1_000_000_003, undefined],
  ] as const) {
    expect([sequence, await store.keptBeforeLoss(sequence)]).toEqual([sequence, kept]);
  }
  await store.close();
});

test("so are those of the history of the rules", async () => {
  const open = (folder: string) => opened(openSqliteRuleStore({ path: join(folder, "predicate.sqlite"), turns: unhurried }));
  const folder = storageDir();
  const before = await open(folder);
  for (const sequence of [0, 1]) await before.apply(draft(sequence, `r${sequence}`));
  await before.close();
  const [to, dataDir] = [join(storageDir(), "backup"), storageDir()];
  expect(await take(folder, to)).toMatchObject({ ok: true, value: { manifest: { stores: [{ newestSequence: 2 }] } } });
  expect(await restore(to, dataDir)).toMatchObject({ ok: true });
  const store = await open(dataDir);
  expect((await store.load()).sequence).toBe(1_000_000_002);
  expect([await store.keptBeforeLoss(2), await store.keptBeforeLoss(3)]).toEqual([undefined, 2]);
  await store.close();
});

test("what was served when it was backed up has another claim once it is restored, and what was not has the same", async () => {
  const claimIn = (folder: string): unknown => {
    const db = new DatabaseSync(join(folder, "commit.sqlite"), { readOnly: true });
    const row = db.prepare("SELECT id FROM claims ORDER BY epoch DESC LIMIT 1").get();
    db.close();
    return row?.["id"];
  };
  const folder = await folderOfStores();
  const restored = async (): Promise<unknown> => {
    const [to, dataDir] = [join(storageDir(), "backup"), storageDir()];
    expect(await take(folder, to)).toMatchObject({ ok: true });
    expect(await restore(to, dataDir)).toMatchObject({ ok: true });
    return claimIn(dataDir);
  };
  const claim = claimIn(folder);
  expect(await restored()).toBe(claim);
  const serving = acquireLock(join(folder, "commit.sqlite"));
  // Whoever was told something by that run after the backup must not take the restored one for it.
  expect(await restored()).not.toBe(claim);
  if (serving.ok) serving.value.release();
});

test("of what was told before, a restore takes back exactly the claim and the ids that its backup was taken in", async () => {
  const folder = storageDir();
  const openLog = async () => opened(openSqliteDecisionLog({ path: join(folder, "commit.sqlite") }));
  for (let claims = 0; claims < 2; claims += 1) {
    const log = await openLog();
    await log.claim("c");
    await log.close();
  }
  const rowsOf = (in_: string, name: string, sql: string) => {
    const db = new DatabaseSync(join(in_, `${name}.sqlite`));
    const rows = db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
    db.close();
    return rows;
  };
  const claimsIn = (in_: string) => rowsOf(in_, "commit", "SELECT epoch, id FROM claims ORDER BY epoch");
  const [first, newest] = claimsIn(folder).map(({ id }) => String(id));
  // What participants have seen: the claim itself, and what is like it in two of three.
  const seen = {
    a: [
      ["c", 2, newest],
      ["other", 2, newest],
    ],
    b: [["c", 3, newest]],
    d: [["c", 2, first]],
  } as const;
  for (const [name, coordinators] of Object.entries(seen)) {
    const log = await opened(openSqliteParticipantLog({ path: join(folder, `${name}.sqlite`) }));
    for (const [coordinatorId, coordinatorEpoch, claimId = ""] of coordinators)
      await log.persistCoordinator({ coordinatorId, coordinatorEpoch, claimId });
    await log.close();
  }
  const ownMark = (in_: string, name: string, kind: string) =>
    rowsOf(in_, name, `SELECT id FROM store_marks WHERE kind = '${kind}'`)[0]?.["id"];
  const logMark = ownMark(folder, "commit", "decision-log");
  const knowing = new DatabaseSync(join(folder, "a.sqlite"));
  knowing.exec(`INSERT INTO store_marks VALUES ('decision-log', '${logMark}', 0), ('rules', 'another', 3)`);
  knowing.close();

  const serving = acquireLock(join(folder, "commit.sqlite"));
  const [to, dataDir] = [join(storageDir(), "backup"), storageDir()];
  expect(await take(folder, to)).toMatchObject({ ok: true });
  if (serving.ok) serving.value.release();
  expect(await restore(to, dataDir)).toMatchObject({ ok: true });

  const [stays, changed] = claimsIn(dataDir).map(({ id }) => String(id));
  expect(stays).toBe(first);
  expect(changed).toMatch(/^[0-9a-f]{32}$/);
  expect(changed).not.toBe(newest);
  const knownIn = (name: string) =>
    rowsOf(dataDir, name, "SELECT id, epoch, claim_id FROM coordinators ORDER BY id").map((row) => Object.values(row));
  expect({ a: knownIn("a"), b: knownIn("b"), d: knownIn("d") }).toEqual({ ...seen, a: [["c", 2, changed], seen.a[1]] });
  const newMark = ownMark(dataDir, "commit", "decision-log");
  expect(newMark).toMatch(/^[0-9a-f]{32}$/);
  expect(newMark).not.toBe(logMark);
  expect(ownMark(dataDir, "a", "decision-log")).toBe(newMark);
  expect(ownMark(dataDir, "a", "rules")).toBe("another");
  expect(new Set(Object.keys(seen).map((name) => ownMark(dataDir, name, "participant-log"))).size).toBe(3);
});

/** What this process has open in these folders. */
const openIn = (...folders: readonly string[]): readonly string[] =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    const link = `/proc/self/fd/${fd}`;
    // That of this look is gone.
    const path = lstatSync(link, { throwIfNoEntry: false }) === undefined ? "" : readlinkSync(link);
    return folders.some((folder) => path.startsWith(folder)) ? [path] : [];
  });

test.skipIf(!existsSync("/proc/self/fd"))("nothing stays open, whatever has come of it [needs /proc]", async () => {
  const { folder, to } = await backedUp();
  const dataDir = storageDir();
  expect(await restore(to, dataDir)).toMatchObject({ ok: true });
  const foreign = join(storageDir(), "letters.sqlite");
  const db = new DatabaseSync(foreign);
  db.exec("CREATE TABLE t (x)");
  db.close();
  expect(await take(folder, join(storageDir(), "b"), [foreign])).toMatchObject({ ok: false, error: { type: "foreign" } });
  damage(rootPage(join(to, "workflow.sqlite"), "events_of_workflow"));
  expect(await restore(to, dataDir)).toMatchObject({ ok: false });
  expect(await take(to, join(storageDir(), "b"))).toMatchObject({ ok: false, error: { type: "corrupt" } });
  expect(openIn(folder, to, dataDir, foreign)).toEqual([]);
});

test("a store whose lock is free is served, if another process takes it over while one waits", async () => {
  const path = join(await folderOfStores(), "commit.sqlite");
  const before = acquireLock(path);
  if (!before.ok) throw new Error(before.error.message);
  // As a kill leaves it.
  before.value.remember("in-use");
  before.value.release();
  writeFileSync(`${path}-wal`, "");
  const taken: ReturnType<typeof acquireLock>[] = [];
  const servedAfter = async (meanwhile: () => void): Promise<boolean | undefined> => {
    const setTimer = (_ms: number, run: () => void) => {
      setImmediate(() => {
        meanwhile();
        run();
      });
      return () => {};
    };
    const cut = await openCut([path], { ...systemClock, setTimer });
    if (!cut.ok) throw new Error(cut.error.message);
    cut.value.close();
    return cut.value.snapshots[0]?.isServed;
  };
  expect(await servedAfter(() => {})).toBe(false);
  expect(await servedAfter(() => taken.push(acquireLock(path)))).toBe(true);
  for (const lock of taken) if (lock.ok) lock.value.release();
});

test("a store that is written as fast as can be is copied as it was at one moment", async () => {
  const folder = storageDir();
  const writing = startStorageProcess("load", join(folder, "workflow.sqlite"), "l");
  await writing.printed(200);
  const to = join(storageDir(), "backup");
  expect(await take(folder, to)).toMatchObject({ ok: true, value: { manifest: { stores: [{ wasServed: true }] } } });
  const printed = await writing.kill();
  const copied = workflowsIn(join(to, "workflow.sqlite"));
  // Each batch has two, and at most those that were under way are not acknowledged.
  expect(copied % 2).toBe(0);
  expect(copied).toBeGreaterThanOrEqual(2 * 199);
  expect(copied).toBeLessThanOrEqual(2 * (printed.length + 64));
});

test("no cut is made of stores of which one was written while they were opened, whichever it was", () => {
  const folder = storageDir();
  /** Another connection writes it when `other` begins. */
  const sourceOf = (name: string) => {
    const [db, look, writer] = ["db", "look", "writer"].map(() => new DatabaseSync(join(folder, name)));
    if (db === undefined || look === undefined || writer === undefined) throw new Error("three were opened");
    writer.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    return { db, look, writer };
  };
  const sources = [sourceOf("a"), sourceOf("b"), sourceOf("c")];
  for (const written of sources) {
    const last = sources.at(-1)?.db;
    const exec = last?.exec.bind(last);
    if (last === undefined || exec === undefined) throw new Error("there are three");
    last.exec = (sql) => {
      exec(sql);
      if (sql === "BEGIN") written.writer.exec("INSERT INTO t VALUES (1)");
    };
    expect([opensAtOnce(sources), sources.map(({ db }) => db.isTransaction)]).toEqual([false, [false, false, false]]);
    last.exec = exec;
  }
  expect([opensAtOnce(sources), sources.map(({ db }) => db.isTransaction)]).toEqual([true, [true, true, true]]);
  for (const { db, look, writer } of sources) for (const each of [db, look, writer]) each.close();
});

test("no cut has what came after something that it lacks, however close to each other two stores are written", async () => {
  const folder = await folderOfStores();
  const paths = ["workflow.sqlite", "commit.sqlite"].map((name) => join(folder, name));
  const writing = spawn(process.execPath, [pairChild, ...paths], { stdio: ["pipe", "pipe", "inherit"] });
  await once(writing.stdout, "data");
  for (let round = 1; round <= 200; round += 1) {
    const cut = await openCut(paths, systemClock);
    if (!cut.ok) throw new Error(cut.error.message);
    const [first = 0, second = 0] = cut.value.snapshots.map(({ db }) => Number(db.prepare("SELECT n FROM counter").get()?.["n"]));
    cut.value.close();
    expect([0, 1]).toContain(first - second);
  }
  writing.kill("SIGKILL");
});

test("after a kill a backup has all that was acknowledged, and leaves what the next start looks for", async () => {
  const folder = storageDir();
  const path = join(folder, "workflow.sqlite");
  const writing = startStorageProcess("load", path, "l");
  await writing.printed(50);
  const acknowledged = (await writing.kill()).length - 1;
  const to = join(storageDir(), "backup");
  expect(await take(folder, to)).toMatchObject({ ok: true, value: { manifest: { stores: [{ wasServed: false }] } } });
  expect(workflowsIn(join(to, "workflow.sqlite"))).toBeGreaterThanOrEqual(2 * acknowledged);
  const store = await opened(openSqliteWorkflowStore({ path }));
  await store.close();

  const lost = startStorageProcess("load", path, "m");
  await lost.printed(10);
  await lost.kill();
  rmSync(`${path}-wal`);
  expect(await take(folder, join(storageDir(), "b"))).toMatchObject({ ok: false, error: { type: "lost" } });
  expect(existsSync(`${path}-wal`)).toBe(false);
});

describe("a backup is not made", () => {
  test("into a folder that holds something", async () => {
    const { folder, to } = await backedUp();
    expect(await take(folder, to)).toMatchObject({
      ok: false,
      error: { type: "in-the-way", message: expect.stringContaining("holds a backup") },
    });
    const other = storageDir();
    writeFileSync(join(other, "letter.txt"), "dear");
    expect(await take(folder, other)).toMatchObject({
      ok: false,
      error: { type: "in-the-way", message: expect.stringContaining("letter.txt") },
    });
    expect(readdirSync(other)).toEqual(["letter.txt"]);
  });

  test("where it cannot be: no file is a folder", async () => {
    const file = join(storageDir(), "letter.txt");
    writeFileSync(file, "dear");
    expect(await take(await folderOfStores(), join(file, "backup"))).toMatchObject({
      ok: false,
      error: { type: "inaccessible" },
    });
  });

  test("in the place of one that was killed while a copy of it was open", async () => {
    const folder = await folderOfStores();
    const to = storageDir();
    writeFileSync(join(to, unfinishedBackup), JSON.stringify({ names: ["commit.sqlite", "workflow.sqlite"] }));
    for (const suffix of ["", "-journal", "-wal", "-shm"]) writeFileSync(join(to, `commit.sqlite${suffix}`), "half");
    expect(await take(folder, to)).toMatchObject({ ok: true });
    expect(readdirSync(to).sort()).toEqual(["commit.sqlite", manifestName, "workflow.sqlite"]);
    expect(await restore(to, storageDir())).toMatchObject({ ok: true });
  });

  test("in the place of one that was killed just when it was whole", async () => {
    const { folder, to } = await backedUp();
    writeFileSync(join(to, unfinishedBackup), JSON.stringify({ names: ["commit.sqlite", "workflow.sqlite"] }));
    expect(await take(folder, to)).toMatchObject({
      ok: false,
      error: { type: "in-the-way", message: expect.stringContaining("holds a backup") },
    });
    expect(await restore(to, storageDir())).toMatchObject({ ok: true });
  });

  test("while another one is made there", async () => {
    const { folder } = await backedUp();
    const to = storageDir();
    const lock = acquireLock(join(to, "concord-backup"));
    expect(await take(folder, to)).toMatchObject({ ok: false, error: { type: "locked" } });
    if (lock.ok) lock.value.release();
    expect(await take(folder, to)).toMatchObject({ ok: true });
  });

  test("where nobody can say whether another one is made", async () => {
    const to = storageDir();
    mkdirSync(join(to, "concord-backup.lock"));
    expect(await take(await folderOfStores(), to)).toMatchObject({ ok: false, error: { type: "inaccessible" } });
  });

  test.each([
    { what: "a file that is no database", type: "corrupt", spoil: (path: string) => writeFileSync(path, "x".repeat(8_192)) },
    { what: "an empty file", type: "lost", spoil: (path: string) => truncateSync(path) },
    { what: "a damaged page", type: "corrupt", spoil: (path: string) => damage(rootPage(path, "events_of_workflow")) },
    {
      what: "a database of somebody else",
      type: "foreign",
      spoil: (path: string) => {
        rmSync(path);
        const db = new DatabaseSync(path);
        db.exec("CREATE TABLE t (x)");
        db.close();
      },
    },
  ])("of $what, which is named; and nothing is left, but a folder that was there", async ({ type, spoil }) => {
    const folder = await folderOfStores();
    const path = join(folder, "workflow.sqlite");
    spoil(path);
    const [to, there] = [join(storageDir(), "backup"), storageDir()];
    for (const each of [to, there])
      expect(await take(folder, each)).toMatchObject({ ok: false, error: { type, message: expect.stringContaining(path) } });
    expect([existsSync(to), readdirSync(there)]).toEqual([false, []]);
  });

  test("of two stores with one name", async () => {
    const folder = await folderOfStores();
    const other = await folderOfStores();
    const also = [join(other, "commit.sqlite")];
    expect(await take(folder, join(storageDir(), "b"), also)).toMatchObject({ ok: false, error: { type: "in-the-way" } });
  });
});

describe("a backup is not restored", () => {
  const edited = (change: (manifest: Record<string, unknown>) => void) => (to: string) => {
    const path = join(to, manifestName);
    const manifest = JSON.parse(readFileSync(path, "utf8"));
    change(manifest);
    writeFileSync(path, JSON.stringify(manifest));
  };
  const store = (to: string): string => join(to, "workflow.sqlite");

  test.each([
    { what: "has no manifest", type: "no-backup", spoil: (to: string) => rmSync(join(to, manifestName)) },
    { what: "has a manifest that was cut", type: "mangled", spoil: (to: string) => truncateSync(join(to, manifestName), 100) },
    {
      what: "has a manifest that was edited",
      type: "mangled",
      spoil: edited((manifest) => Object.assign(manifest, { takenAt: "x" })),
    },
    { what: "is of a newer program", type: "newer-format", spoil: edited((manifest) => Object.assign(manifest, { format: 2 })) },
    { what: "lacks a store", type: "mangled", spoil: (to: string) => rmSync(store(to)) },
    { what: "has a store that was cut", type: "mangled", spoil: (to: string) => truncateSync(store(to), 4_096) },
    { what: "has a store that has grown", type: "mangled", spoil: (to: string) => appendFileSync(store(to), "x") },
    { what: "has a damaged page", type: "mangled", spoil: (to: string) => damage(rootPage(store(to), "events_of_workflow")) },
    {
      what: "has another store in its place",
      type: "mangled",
      spoil: (to: string) => cpSync(join(to, "commit.sqlite"), store(to)),
    },
  ])("that $what, and the folder stays as it was", async ({ type, spoil }) => {
    const { to } = await backedUp();
    spoil(to);
    const dataDir = storageDir();
    expect(await restore(to, dataDir)).toMatchObject({ ok: false, error: { type, message: expect.stringContaining(to) } });
    expect(readdirSync(dataDir)).toEqual([]);
  });

  test("of a store that it does not have; each that it has can be restored alone", async () => {
    const { to } = await backedUp();
    const dataDir = storageDir();
    const only = (...names: readonly string[]) =>
      restoreBackup({ from: to, dataDir, only: names, moveAside: false, clock: systemClock });
    expect(await only("commit.sqlite", "events.sqlite")).toMatchObject({
      ok: false,
      error: { type: "no-store", message: `${to} has no events.sqlite; it has commit.sqlite, workflow.sqlite` },
    });
    expect(readdirSync(dataDir)).toEqual([]);
    expect(await only("workflow.sqlite")).toMatchObject({ ok: true, value: { stores: [{ file: "workflow.sqlite" }] } });
    expect(readdirSync(dataDir)).toEqual(["workflow.sqlite"]);
    expect(await only("workflow.sqlite")).toMatchObject({ ok: false, error: { type: "in-the-way" } });
  });

  test("over stores; these are kept beside if that is said", async () => {
    const { folder, to } = await backedUp();
    const store = await opened(openSqliteWorkflowStore({ path: join(folder, "workflow.sqlite") }));
    await store.apply(creation("later"));
    expect(await restore(to, folder, true)).toMatchObject({ ok: false, error: { type: "locked" } });
    await store.close();
    expect(await restore(to, folder)).toMatchObject({
      ok: false,
      error: { type: "in-the-way", message: expect.stringContaining("commit.sqlite, workflow.sqlite. To keep them") },
    });
    expect(workflowsIn(join(folder, "workflow.sqlite"))).toBe(4);
    const restored = await restore(to, folder, true);
    const aside = restored.ok ? (restored.value.aside ?? "") : "";
    expect(workflowsIn(join(folder, "workflow.sqlite"))).toBe(3);
    expect(workflowsIn(join(aside, "workflow.sqlite"))).toBe(4);
    // Its lock is of a store that is not there any more.
    expect(readdirSync(folder).sort()).toEqual([basename(aside), "commit.sqlite", "workflow.sqlite"].sort());
  });
});

test("a backup that is kept read-only is restored to what can be written", async () => {
  const { to } = await backedUp();
  for (const name of readdirSync(to)) chmodSync(join(to, name), 0o444);
  const dataDir = storageDir();
  expect(await restore(to, dataDir)).toMatchObject({ ok: true });
  const store = await opened(openSqliteWorkflowStore({ path: join(dataDir, "workflow.sqlite") }));
  expect(await store.apply(creation("later"))).toMatchObject({ ok: true });
  await store.close();
});

describe("kill -9", () => {
  const child = fileURLToPath(new URL("../support/storage-backup-child.ts", import.meta.url));

  test.each([unfinishedBackup, "commit.sqlite", "workflow.sqlite", manifestName])(
    "of a backup when %s is there: it is whole, or is none, and the next try makes one",
    async (name) => {
      const folder = await folderOfStores(500);
      const to = join(storageDir(), "backup");
      const program = spawn(process.execPath, [child, folder, to], { stdio: "inherit" });
      const ended = once(program, "exit");
      await until(() => existsSync(join(to, name)) || program.exitCode !== null, `${name} is there`);
      program.kill("SIGKILL");
      await ended;
      const first = await restore(to, join(storageDir(), "first"));
      if (!first.ok) {
        expect(first.error.type).toBe("no-backup");
        expect(await take(folder, to)).toMatchObject({ ok: true });
      }
      const dataDir = storageDir();
      expect(await restore(to, dataDir)).toMatchObject({ ok: true });
      expect(workflowsIn(join(dataDir, "workflow.sqlite"))).toBe(500);
    },
  );

  test("of a restore half done: the next one finishes it, and deletes nothing", async () => {
    const { to } = await backedUp();
    const dataDir = storageDir();
    // As it is left after the first of two stores is in its place.
    expect(await restore(to, dataDir)).toMatchObject({ ok: true });
    writeFileSync(join(dataDir, unfinishedRestore), JSON.stringify({ names: ["commit.sqlite", "workflow.sqlite"] }));
    rmSync(join(dataDir, "workflow.sqlite"));
    writeFileSync(join(dataDir, "workflow.sqlite.restoring"), "half");
    const only = ["workflow.sqlite"];
    expect(await restoreBackup({ from: to, dataDir, only, moveAside: true, clock: systemClock })).toMatchObject({
      ok: false,
      error: { type: "in-the-way", message: expect.stringContaining("restore commit.sqlite too") },
    });
    const again = await restore(to, dataDir);
    expect(again).toMatchObject({ ok: true });
    const aside = again.ok ? (again.value.aside ?? "") : "";
    expect(readdirSync(aside)).toContain("commit.sqlite");
    expect(readdirSync(dataDir).sort()).toEqual([basename(aside), "commit.sqlite", "workflow.sqlite"].sort());
  });
});

const small = mountTmpfs(512);
afterAll(() => small?.unmount());

test.skipIf(small === undefined)("a full disk is said, and leaves nothing half made [needs root, to mount a tmpfs]", async () => {
  const dir = small?.dir ?? "";
  const folder = await folderOfStores(1_500);
  expect(await take(folder, join(dir, "backup"))).toMatchObject({ ok: false, error: { type: "no-space" } });
  expect(readdirSync(dir)).toEqual([]);
  const to = join(storageDir(), "backup");
  await take(folder, to);
  expect(await restore(to, dir)).toMatchObject({ ok: false, error: { type: "no-space" } });
  expect(readdirSync(dir)).toEqual([]);
});
