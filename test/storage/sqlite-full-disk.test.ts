import { mkdtempSync, readdirSync, readlinkSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { openSqlite } from "../../src/storage/sqlite/engine.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";
import { startStorageProcess } from "../support/storage-process.ts";
import { mountTmpfs } from "../support/storage-tmpfs.ts";
import { answering, contents, creation, recount, workflowId } from "../support/storage-values.ts";

const tmpfs = mountTmpfs(8_192);
afterAll(() => tmpfs?.unmount());
const onDisk = test.skipIf(tmpfs === undefined);
const disk = tmpfs?.dir ?? "";

const kiB = 1_024;
const ballast = join(disk, "ballast");

/** A new place on the disk. */
function placeOnDisk(): string {
  return join(mkdtempSync(join(disk, "store-")), "workflows.db");
}

/** Fills the disk up to this many bytes. */
function leave(bytes: number): void {
  rmSync(ballast, { force: true });
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(ballast, Buffer.alloc(bavail * bsize - bytes));
}

afterEach(() => {
  vi.useRealTimers();
  if (tmpfs) for (const each of readdirSync(disk)) rmSync(join(disk, each), { recursive: true });
});

async function openStore(options: { readonly path: string; readonly pageCountMax?: number }): Promise<WorkflowStore> {
  const opened = await openSqliteWorkflowStore(options);
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

/** Writes until one write fails. Gives the ids that were acknowledged and the failure. */
async function fill(
  store: WorkflowStore,
  prefix: string,
): Promise<{ readonly ids: readonly string[]; readonly failure: unknown }> {
  const ids: string[] = [];
  for (;;) {
    const batch = Array.from({ length: 4 }, (_, index) => `${prefix}-${ids.length + index}`);
    const writes = batch.map((id) => {
      return store.apply({ ...sized(id, 4_000), ...answering(id) });
    });
    const results = await Promise.all(writes);
    ids.push(...batch.filter((_, index) => results[index]?.ok));
    const failed = results.find(({ ok }) => !ok);
    if (failed !== undefined) return { ids, failure: failed };
  }
}

const sized = (id: string, bytes: number) => creation(id, { metadata: { filler: "x".repeat(bytes) } });

const becomes = (store: WorkflowStore, wanted: boolean): Promise<void> =>
  new Promise((resolve) => {
    const unsubscribe = store.onWritableChange((writable) => {
      if (writable !== wanted) return;
      unsubscribe();
      resolve();
    });
  });

const full = { ok: false, error: { type: "storage-unavailable", cause: "database or disk is full", outcomeUnknown: false } };

/** Of this process. */
const openFiles = (): readonly string[] =>
  readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)];
    } catch {
      // That of the folder itself is closed.
      return [];
    }
  });

async function expectSound(store: WorkflowStore, ids: readonly string[]): Promise<void> {
  const found = await contents(store);
  expect(found.workflows.map(({ id }) => id).toSorted()).toStrictEqual(ids.toSorted());
  expect(found.events.map(({ sequence }) => sequence)).toStrictEqual(ids.map((_, index) => index + 1));
  expect(found.counts).toStrictEqual(recount(found));
}

onDisk(
  "a full disk: writes fail, reads go on, and without another write it is noticed that space is back [needs root, to mount a tmpfs]",
  async () => {
    const path = placeOnDisk();
    leave(3_500 * kiB);
    const store = await openStore({ path });
    const unwritable = becomes(store, false);
    const before = await fill(store, "before");
    expect(before.failure).toStrictEqual(full);
    await unwritable;
    expect(store.writable).toBe(false);
    expect(before.ids.length).toBeGreaterThan(0);
    await expectSound(store, before.ids);

    const writable = becomes(store, true);
    rmSync(ballast);
    await writable;
    const after = await fill(store, "after");
    expect(after.failure).toStrictEqual(full);
    expect(after.ids.length).toBeGreaterThan(0);
    await expectSound(store, [...before.ids, ...after.ids]);
    await store.close();

    const reopened = await openStore({ path });
    await expectSound(reopened, [...before.ids, ...after.ids]);
    await reopened.close();
  },
);

test("a file that may not grow: writes fail, reads go on, and a write that frees space makes it writable again", async () => {
  const store = await openStore({ path: join(storageDir(), "workflows.db"), pageCountMax: 1_000 });
  const { ids, failure } = await fill(store, "w");
  expect(failure).toStrictEqual(full);
  expect(store.writable).toBe(false);
  await expectSound(store, ids);
  const writable = becomes(store, true);
  expect(await store.purge({ olderThanMs: 2, limit: 1_000 })).toStrictEqual({ ok: true, value: ids.length });
  await writable;
  expect(await store.apply(creation("last"))).toMatchObject({ ok: true, value: [{ sequence: ids.length + 1 }] });
  await store.close();
});

/** One look for space, and what it finds: what is written after it waits for it. */
async function look(store: WorkflowStore, id: string): Promise<void> {
  vi.advanceTimersByTime(500);
  expect(await store.apply(creation(id))).toMatchObject({ ok: true });
}

onDisk("small writes that still fit do not make it writable while larger ones fail [needs root, to mount a tmpfs]", async () => {
  const path = placeOnDisk();
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  const store = await openStore({ path });
  const changes: boolean[] = [];
  store.onWritableChange((writable) => changes.push(writable));
  leave(800 * kiB);
  for (let round = 1; round <= 5; round += 1) {
    expect(await store.apply(sized("large", 900 * kiB))).toStrictEqual(full);
    await look(store, `small-${round}`);
  }
  expect(changes).toStrictEqual([false]);
  leave(2_000 * kiB);
  await look(store, "small-6");
  expect(changes).toStrictEqual([false, true]);
  expect(await store.apply(sized("large", 900 * kiB))).toMatchObject({ ok: true });
  await store.close();
});

onDisk("it is writable again when the largest write that has failed would fit [needs root, to mount a tmpfs]", async () => {
  const path = placeOnDisk();
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  const store = await openStore({ path });
  leave(2_000 * kiB);
  expect(await store.apply(sized("large", 3_000 * kiB))).toStrictEqual(full);
  // The write-ahead log has kept what it got.
  leave(500 * kiB);
  await look(store, "small-1");
  expect(store.writable).toBe(false);
  leave(4_000 * kiB);
  await look(store, "small-2");
  expect(store.writable).toBe(true);
  await store.close();
});

test.skipIf(tmpfs === undefined).each([
  [
    "closed",
    async (path: string) => {
      const store = await openStore({ path });
      await store.apply(creation("before"));
      await store.close();
    },
  ],
  [
    "killed",
    async (path: string) => {
      const child = startStorageProcess("load", path, "load");
      await child.printed(10);
      await child.kill();
    },
  ],
])(
  "opened again on a full disk after it was %s: reads go on, and it becomes writable by itself [needs root, to mount a tmpfs]",
  async (how, leaveBehind) => {
    const path = placeOnDisk();
    await leaveBehind(path);
    const id = workflowId(how === "closed" ? "before" : "load-0-left");
    leave(0);
    const store = await openStore({ path });
    expect(store.writable).toBe(false);
    expect(await store.get(id)).toMatchObject({ id });
    expect(await store.apply(sized("refused", 60_000))).toMatchObject({
      ok: false,
      error: { type: "storage-unavailable", outcomeUnknown: false },
    });
    const writable = becomes(store, true);
    rmSync(ballast);
    await writable;
    expect(await store.apply(creation("after"))).toMatchObject({ ok: true });
    await store.close();

    const reopened = await openStore({ path });
    for (const each of [id, workflowId("after")]) expect(await reopened.get(each)).toMatchObject({ id: each });
    await reopened.close();
  },
);

onDisk(
  "what needs space before it can be read is refused, and nothing is left behind [needs root, to mount a tmpfs]",
  async () => {
    const [fresh, old] = [placeOnDisk(), placeOnDisk()];
    const migrations = [{ version: 1, sql: "CREATE TABLE notes (text TEXT)" }];
    const engine = await openSqlite({ path: old, kind: "key-value", migrations });
    if (!engine.ok) throw new Error(engine.error.message);
    await engine.value.close();
    leave(0);
    const needsSpace = (path: string) => ({
      type: "no-space",
      message: expect.stringMatching(
        `^${path} cannot be made, opened or brought to the newest schema .+ Its disk is full: free some space\\.$`,
      ),
    });
    expect(await openSqliteWorkflowStore({ path: fresh })).toStrictEqual({ ok: false, error: needsSpace(fresh) });
    const newer = [...migrations, { version: 2, sql: "ALTER TABLE notes ADD COLUMN author TEXT" }];
    expect(await openSqlite({ path: old, kind: "key-value", migrations: newer })).toStrictEqual({
      ok: false,
      error: needsSpace(old),
    });
    expect(openFiles().filter((file) => [fresh, old].includes(file))).toEqual([]);

    rmSync(ballast);
    await (await openStore({ path: fresh })).close();
    const migrated = await openSqlite({ path: old, kind: "key-value", migrations: newer });
    expect(migrated.ok && migrated.value.read("SELECT author FROM notes")).toEqual([]);
    if (migrated.ok) await migrated.value.close();
  },
);
