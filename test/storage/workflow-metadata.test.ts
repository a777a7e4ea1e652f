import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test } from "vitest";
import { ok } from "../../src/kernel/result.ts";
import { workflowFilter } from "../../src/rpc/filter.ts";
import type { SqliteEngine } from "../../src/storage/sqlite/statement.ts";
import { branchCountMax } from "../../src/storage/sqlite/workflow-indexes.ts";
import { indexMetadata } from "../../src/storage/sqlite/workflow-metadata.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";
import { creation, put, workflow, workflowId } from "../support/storage-values.ts";

let path = "";
let store: WorkflowStore | undefined;

async function reopened(): Promise<WorkflowStore> {
  await store?.close();
  const opened = await openSqliteWorkflowStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  store = opened.value;
  return store;
}

function openNew(): Promise<WorkflowStore> {
  path = join(storageDir(), "workflows.db");
  return reopened();
}

afterEach(async () => {
  await store?.close();
  store = undefined;
});

async function setPolicy(on: WorkflowStore, workflowType: string, keys: readonly string[] | undefined): Promise<void> {
  const { newest: expectedNewest } = await on.policies();
  const newest = expectedNewest + 1;
  const terms = { deadlines: [], indexedMetadata: keys ?? [] };
  const policy = { workflowType, revision: newest, terms, updatedAtMs: 1, updatedBy: "ada", reason: "because" };
  await on.applyPolicy({ expectedNewest, newest, workflowType, policy: keys && policy });
}

const fill = async (on: WorkflowStore, from: number, to: number, type = ""): Promise<void> => {
  const puts = Array.from({ length: to - from }, (_, index) => {
    const number = from + index;
    return creation(`w-${String(number).padStart(4, "0")}`, { type, metadata: { site: `S-${number % 10}`, number } }).puts;
  });
  await on.apply({ puts: puts.flat(), events: [] });
};

async function makeAll(on: WorkflowStore, limit = 250): Promise<number> {
  for (let slices = 0; ; slices += 1) {
    const indexed = await on.indexMetadata({ limit });
    if (!indexed.ok) throw new Error("it cannot be written");
    if (!indexed.value) return slices;
  }
}

async function found(
  on: WorkflowStore,
  expression: string,
): Promise<{ readonly count: number; readonly led: readonly string[] }> {
  const filter = workflowFilter(expression);
  const order = { by: "id", descending: false } as const;
  const { rows, led } = await on.listSorted({ order, after: undefined, limit: 1_000, ranges: filter?.known ?? {} });
  return { count: rows.filter((row) => filter?.matches(row)).length, led };
}

/** What the index has, as SQLite says it. */
function entries(): number {
  const db = new DatabaseSync(path, { readOnly: true });
  const row = db.prepare("SELECT count(*) AS count FROM workflow_metadata").get();
  db.close();
  return Number(row?.["count"]);
}

const ofSite = 'workflow.metadata.site == "S-3"';

test("an index of a key is made in slices, goes on after a restart, and is used when it knows of all", async () => {
  let on = await openNew();
  await fill(on, 0, 100);
  await setPolicy(on, "", ["site"]);
  expect(await on.metadataIndexes()).toEqual([{ workflowType: "", key: "site", ready: false }]);
  for (let slice = 0; slice < 4; slice += 1) await on.indexMetadata({ limit: 20 });
  await fill(on, 100, 110);
  expect(await found(on, ofSite)).toEqual({ count: 11, led: [] });
  on = await reopened();
  expect(entries()).toBe(60 + 10);
  // What was walked before is not walked again.
  expect(await makeAll(on, 20)).toBe(3);
  expect(await on.metadataIndexes()).toEqual([{ workflowType: "", key: "site", ready: true }]);
  expect(await found(on, ofSite)).toEqual({ count: 11, led: ["metadata.site"] });
  expect(await found(on, `workflow.metadata.number == 3 && ${ofSite}`)).toEqual({ count: 1, led: ["metadata.site"] });
});

test("an index is used for no more values than are merged, and for none where nobody is sure where it ends", async () => {
  const on = await openNew();
  await fill(on, 0, 100);
  await setPolicy(on, "", ["site"]);
  await makeAll(on);
  const ofSites = (count: number, ...more: readonly string[]): string =>
    `workflow.metadata.site in [${[...Array.from({ length: count }, (_, index) => `"S-${index}"`), ...more].join(", ")}]`;
  expect(await found(on, ofSites(branchCountMax))).toEqual({ count: 100, led: ["metadata.site"] });
  expect(await found(on, ofSites(branchCountMax + 1))).toEqual({ count: 100, led: [] });
  expect(await found(on, ofSites(1, '"S-1\\u0000"'))).toEqual({ count: 10, led: [] });
  for (const bound of ['>= "S-1\\u0000"', '<= "S-1\\u0000"'])
    expect((await found(on, `workflow.metadata.site ${bound}`)).led).toEqual([]);
});

test("what was there before is walked to the last one, however the slices fall", async () => {
  for (const limit of [1, 7, 20, 50, 100]) {
    const on = await openNew();
    await fill(on, 0, 100);
    await setPolicy(on, "", ["site"]);
    expect(await makeAll(on, limit)).toBe(1 + Math.ceil(100 / limit));
    expect([entries(), await found(on, ofSite)]).toEqual([100, { count: 10, led: ["metadata.site"] }]);
  }
});

// Of two writes, a workflow that is purged between them would let the second pass over one that the first has not come to.
test("a slice is indexed, and passed, in one write", async () => {
  const batches: (readonly unknown[])[] = [];
  const engine = {
    read: () => [{ progress: "walking" }],
    apply: async (batch: readonly unknown[]) => {
      batches.push(batch);
      return ok([[], [{ follows: "w-0002" }]]);
    },
  } as unknown as SqliteEngine;
  expect(await indexMetadata(engine, { limit: 2 })).toEqual(ok(true));
  expect(batches.map(({ length }) => length)).toEqual([2]);
});

test("what changes, comes and goes is in the index with the same write", async () => {
  const on = await openNew();
  await setPolicy(on, "", ["site"]);
  await makeAll(on);
  await fill(on, 0, 10);
  const { workflow: changed, expected } = put(workflow("w-0003", { metadata: { site: "S-3" } }), { metadata: { site: "S-4" } });
  await on.apply({ puts: [{ workflow: changed, expected }], events: [] });
  expect([await found(on, ofSite), await found(on, 'workflow.metadata.site == "S-4"')]).toMatchObject([
    { count: 0 },
    { count: 2 },
  ]);
  await on.apply({ puts: [put(changed, { metadata: {} })], events: [] });
  expect(await found(on, 'workflow.metadata.site == "S-4"')).toMatchObject({ count: 1 });
  expect(entries()).toBe(9);
  expect((await on.get(workflowId("w-0003")))?.metadata).toEqual({});
});

test("when a type has no policy any more, those of the one for all hold for it, and are made anew", async () => {
  const on = await openNew();
  await setPolicy(on, "", ["site"]);
  await setPolicy(on, "order", []);
  await fill(on, 0, 20);
  await fill(on, 20, 40, "order");
  await makeAll(on);
  await setPolicy(on, "order", undefined);
  expect(await on.metadataIndexes()).toEqual([{ workflowType: "", key: "site", ready: false }]);
  await makeAll(on);
  expect([await on.metadataIndexes(), entries()]).toEqual([[{ workflowType: "", key: "site", ready: true }], 40]);
  expect(await found(on, ofSite)).toEqual({ count: 4, led: ["metadata.site"] });
});

test("a filter without a type uses a key only if every policy has it, one with types if those have it", async () => {
  const on = await openNew();
  await fill(on, 0, 10);
  await fill(on, 10, 20, "order");
  await fill(on, 20, 30, "sample");
  await setPolicy(on, "order", ["site"]);
  await makeAll(on);
  const led = async (expression: string) => (await found(on, expression)).led.includes("metadata.site");
  const ofOrders = `workflow.type == "order" && ${ofSite}`;
  const ofBoth = `workflow.type in ["order", "sample"] && ${ofSite}`;
  expect([await led(ofSite), await led(ofOrders), await led(ofBoth)]).toEqual([false, true, false]);
  await setPolicy(on, "", ["site"]);
  expect(await led(ofBoth)).toBe(false);
  await makeAll(on);
  expect([await led(ofSite), await led(ofOrders), await led(ofBoth)]).toEqual([true, true, true]);
  expect((await found(on, ofSite)).count).toBe(3);
  await setPolicy(on, "sample", []);
  expect([await led(ofSite), await led(ofOrders), await led(ofBoth)]).toEqual([false, true, false]);
  // Without a policy of its own, what it has is under the one for all, whose index may not know of it.
  await setPolicy(on, "sample", undefined);
  expect([await led(ofSite), await led(ofOrders), await led(ofBoth)]).toEqual([false, true, false]);
  await makeAll(on);
  expect([await led(ofSite), await led(ofOrders), await led(ofBoth)]).toEqual([true, true, true]);
});

test("what no policy asks for any more is dropped, in slices", async () => {
  const on = await openNew();
  await setPolicy(on, "", ["site", "number"]);
  await fill(on, 0, 100);
  await makeAll(on);
  expect(entries()).toBe(200);
  await setPolicy(on, "", ["number"]);
  expect((await found(on, ofSite)).led).toEqual([]);
  expect(await makeAll(on, 30)).toBe(4);
  expect(entries()).toBe(100);
  await setPolicy(on, "", undefined);
  await makeAll(on);
  expect(entries()).toBe(0);
});

test("of many that have a value, a list goes on where it was, in both directions", async () => {
  const on = await openNew();
  await setPolicy(on, "", ["site"]);
  await makeAll(on);
  const count = 1_500;
  const puts = Array.from(
    { length: count },
    (_, index) => creation(`w-${String(index).padStart(4, "0")}`, { metadata: { site: "A" } }).puts,
  );
  await on.apply({ puts: puts.flat(), events: [] });
  const ranges = workflowFilter('workflow.metadata.site in ["A", "B"]')?.known ?? {};
  for (const descending of [false, true]) {
    const ids: string[] = [];
    for (let after: { readonly key: number; readonly id: ReturnType<typeof workflowId> } | undefined; ; ) {
      const { rows, upTo, led } = await on.listSorted({ order: { by: "id", descending }, after, limit: 400, ranges });
      expect(led).toEqual(["metadata.site"]);
      ids.push(...rows.map(({ id }) => id));
      if (upTo === undefined) break;
      after = upTo;
    }
    expect(ids).toEqual(descending ? ids.toSorted().toReversed() : ids.toSorted());
    expect(new Set(ids).size).toBe(count);
  }
});

test.each([
  ["workflow.metadata.v < 3", 3],
  ["workflow.metadata.v >= 3", 2],
  ["workflow.metadata.v > -1 && workflow.metadata.v <= 3", 3],
  ["workflow.metadata.v > 'b'", 2],
  ["workflow.metadata.v <= 'b'", 2],
  ["workflow.metadata.v.startsWith('b')", 2],
  ["workflow.metadata.v == true", 1],
  ["workflow.metadata.v in [3, 'b', false]", 3],
  ["workflow.metadata.v > 0 && workflow.state == 'PAUSED'", 0],
])("of values of all types, the index leads to what lies between two of one: %s", async (expression, count) => {
  const on = await openNew();
  await setPolicy(on, "", ["v"]);
  await makeAll(on);
  const values = [-1, 0, 1.5, 3, 40, "", "b", "ba", "c", true, false, null, [1], { v: 1 }];
  const puts = values.map((v, index) => creation(`w-${index}`, { metadata: { v } }).puts);
  await on.apply({ puts: puts.flat(), events: [] });
  expect(await found(on, expression)).toMatchObject({ count, led: expect.arrayContaining(["metadata.v"]) });
});
