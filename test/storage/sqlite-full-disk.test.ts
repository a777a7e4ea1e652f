import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";
import { mountTmpfs } from "../support/storage-tmpfs.ts";
import { contents, creation, recount, requestId } from "../support/storage-values.ts";

const tmpfs = mountTmpfs(8_192);
afterAll(() => tmpfs?.unmount());

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
      const request = { id: requestId(id), digest: "d", atMs: 1 };
      return store.apply({ ...creation(id, { metadata: { filler: "x".repeat(4_000) } }), request });
    });
    const results = await Promise.all(writes);
    ids.push(...batch.filter((_, index) => results[index]?.ok));
    const failed = results.find(({ ok }) => !ok);
    if (failed !== undefined) return { ids, failure: failed };
  }
}

const becomes = (store: WorkflowStore, wanted: boolean): Promise<void> =>
  new Promise((resolve) => {
    const unsubscribe = store.onWritableChange((writable) => {
      if (writable !== wanted) return;
      unsubscribe();
      resolve();
    });
  });

const full = { ok: false, error: { type: "storage-unavailable", cause: "database or disk is full", outcomeUnknown: false } };

async function expectSound(store: WorkflowStore, ids: readonly string[]): Promise<void> {
  const found = await contents(store);
  expect(found.workflows.map(({ id }) => id).toSorted()).toStrictEqual(ids.toSorted());
  expect(found.events.map(({ sequence }) => sequence)).toStrictEqual(ids.map((_, index) => index + 1));
  expect(found.counts).toStrictEqual(recount(found));
}

test.skipIf(tmpfs === undefined)(
  "a full disk: writes fail, reads go on, and without another write it is noticed that space is back [needs root, to mount a tmpfs]",
  async () => {
    const dir = tmpfs?.dir ?? "";
    const [path, ballast] = [join(dir, "workflows.db"), join(dir, "ballast")];
    writeFileSync(ballast, Buffer.alloc(4_096 * 1_024));
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
