import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { BulkOperation, BulkResult, BulkStore } from "../../src/workflow/bulk-ports.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";
import { answering, contents, creation, event, put, requestId, workflow, workflowId } from "../support/storage-values.ts";

type Store = WorkflowStore & { readonly bulk: BulkStore };

async function openSqlite(): Promise<Store> {
  const opened = await openSqliteWorkflowStore({ path: join(storageDir(), "workflows.db") });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

const operation = (id: string, fields: Partial<BulkOperation> = {}): BulkOperation => ({
  id,
  filter: 'workflow.state == "ACTIVE"',
  action: { type: "move", targetState: "PAUSED", mustRecover: false, context: { a: 1 }, eventMetadata: { note: "ü" } },
  isDryRun: false,
  ratePerSecond: 100,
  state: "RUNNING",
  doneCount: 0,
  refusedCount: 0,
  position: "",
  reason: "because",
  requestedBy: "ada",
  request: { id: requestId(`of ${id}`), digest: "d" },
  createdAtMs: 1,
  stateEnteredAtMs: 2,
  ...fields,
});

const refused = (id: string): BulkResult => ({
  workflowId: workflowId(id),
  error: { type: "terminal-state", workflowId: workflowId(id), state: "COMPLETED", version: 3 },
});

const changeOf = (id: string, bulkOperationId: string, from = 1) => {
  const moved = put(workflow(id, { version: from }), { state: "ACTIVE" });
  return { puts: [moved], events: [{ ...event(moved.workflow), bulkOperationId }] };
};

describe.each([
  { kind: "sqlite", open: openSqlite },
  { kind: "memory", open: async (): Promise<Store> => createMemoryWorkflowStore() },
])("bulk operations: $kind", ({ open }) => {
  const opened: Store[] = [];
  const openStore = async (): Promise<Store> => {
    const store = await open();
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  test("it says who was proved to have started it", async () => {
    const { bulk } = await openStore();
    await bulk.add(operation("a", { authenticatedAs: "spiffe://lab/ada" }), 2);
    expect(await bulk.get("a")).toStrictEqual(operation("a", { authenticatedAs: "spiffe://lab/ada" }));
  });

  test("one is read as it was added, by its id and by its request", async () => {
    const { bulk, answer } = await openStore();
    const all = [operation("a"), operation("b", { isDryRun: true, request: undefined, position: "w" })];
    for (const each of all) expect(await bulk.add(each, 8)).toMatchObject({ ok: true });
    expect(await bulk.get("a")).toStrictEqual(all[0]);
    expect(await bulk.get("b")).toStrictEqual(all[1]);
    expect(await bulk.get("c")).toBeUndefined();
    expect(await bulk.byRequest(requestId("of a"))).toStrictEqual(all[0]);
    expect(await bulk.byRequest(requestId("of b"))).toBeUndefined();
    expect(await answer(requestId("of a"))).toStrictEqual({ digest: "d", bulkOperationId: "a" });
    const again = await bulk.add(operation("c", { request: { id: requestId("of a"), digest: "other" } }), 8);
    expect(again).toEqual({ ok: false, error: { type: "conflict", conflict: { type: "request-exists" } } });
  });

  test("a request that has led to something else starts none", async () => {
    const store = await openStore();
    await store.apply({ ...creation("w"), ...answering("r") });
    const added = await store.bulk.add(operation("a", { request: { id: requestId("r"), digest: "d" } }), 8);
    expect(added).toEqual({ ok: false, error: { type: "conflict", conflict: { type: "request-exists" } } });
    expect(await store.bulk.get("a")).toBeUndefined();
    expect(await store.answer(requestId("r"))).toMatchObject({ workflow: { id: "w" } });
  });

  test("they are listed, the newest first, page by page", async () => {
    const { bulk } = await openStore();
    for (const id of ["1", "3", "2"]) await bulk.add(operation(id), 8);
    const ids = async (beforeId: string | undefined, limit: number) =>
      (await bulk.list({ beforeId, limit })).rows.map(({ id }) => id);
    expect(await ids(undefined, 9)).toEqual(["3", "2", "1"]);
    expect(await ids("3", 1)).toEqual(["2"]);
    expect(await ids("1", 9)).toEqual([]);
    expect((await bulk.list({ beforeId: undefined, limit: 2 })).upTo).toBe("2");
    await bulk.advance("3", "", ["a", "b"].map(refused));
    await bulk.enter("1", ["RUNNING"], "PAUSED", 7);
    expect(await bulk.standing()).toStrictEqual([
      { id: "3", state: "RUNNING", stateEnteredAtMs: 2, resultCount: 2 },
      { id: "2", state: "RUNNING", stateEnteredAtMs: 2, resultCount: 0 },
      { id: "1", state: "PAUSED", stateEnteredAtMs: 7, resultCount: 0 },
    ]);
  });

  test("so many are under way, and no more; one that has ended leaves its place", async () => {
    const { bulk } = await openStore();
    await bulk.add(operation("1"), 2);
    await bulk.add(operation("2", { state: "PAUSED" }), 2);
    expect(await bulk.add(operation("3"), 2)).toEqual({ ok: false, error: { type: "conflict", conflict: { type: "limit" } } });
    // Whoever asks again hears what it has done, and not that there is no room for it.
    const again = { ...operation("4"), request: operation("1").request };
    expect(await bulk.add(again, 2)).toMatchObject({ ok: false, error: { conflict: { type: "request-exists" } } });
    await bulk.enter("2", ["RUNNING", "PAUSED"], "CANCELLED", 9);
    expect(await bulk.add(operation("3"), 2)).toMatchObject({ ok: true });
  });

  test("it enters a state from those that are named, and from no other", async () => {
    const { bulk } = await openStore();
    await bulk.add(operation("1"), 8);
    const other = { ok: false, error: { type: "conflict", conflict: { type: "other-state" } } };
    expect(await bulk.enter("1", ["PAUSED"], "RUNNING", 9)).toEqual(other);
    expect(await bulk.enter("nothing", ["RUNNING"], "PAUSED", 9)).toEqual(other);
    expect(await bulk.enter("1", ["RUNNING"], "PAUSED", 9)).toMatchObject({ ok: true });
    expect(await bulk.get("1")).toMatchObject({ state: "PAUSED", stateEnteredAtMs: 9 });
  });

  test("a change has its result in the same batch, once: a second one of the same workflow is rejected, whole", async () => {
    const store = await openStore();
    const { bulk } = store;
    for (const id of ["1", "2"]) await bulk.add(operation(id), 8);
    await store.apply(creation("w"));
    expect(await store.apply(changeOf("w", "1"))).toMatchObject({ ok: true });
    const before = await contents(store);
    expect(await store.apply(changeOf("w", "1", 2))).toEqual({
      ok: false,
      error: { type: "conflict", conflict: { type: "request-exists" } },
    });
    expect(await contents(store)).toEqual(before);
    expect(await bulk.get("1")).toMatchObject({ doneCount: 1, refusedCount: 0 });
    expect(await bulk.get("2")).toMatchObject({ doneCount: 0 });
    expect((await bulk.results({ id: "1", afterId: undefined, limit: 9 })).rows).toStrictEqual([
      { workflowId: "w", sequence: 2 },
    ]);
    const { rows } = await store.listEvents({ afterSequence: 1, limit: 9 });
    expect(rows).toMatchObject([{ bulkOperationId: "1" }]);
    expect(await store.apply(changeOf("w", "2", 2))).toMatchObject({ ok: true });
  });

  test("results that are no changes are written with how far it has come; what is known stays as it is", async () => {
    const store = await openStore();
    const { bulk } = store;
    await bulk.add(operation("1"), 8);
    await store.apply(creation("b"));
    await store.apply(changeOf("b", "1"));
    await bulk.advance("1", "c", [refused("c"), refused("b"), { workflowId: workflowId("a"), sequence: 7 }]);
    expect(await bulk.get("1")).toMatchObject({ position: "c", doneCount: 2, refusedCount: 1 });
    const page = async (afterId: string | undefined, limit: number, refusedOnly = false) =>
      bulk.results({ id: "1", afterId, limit, refusedOnly });
    expect((await page(undefined, 9)).rows).toStrictEqual([
      { workflowId: "a", sequence: 7 },
      { workflowId: "b", sequence: 2 },
      refused("c"),
    ]);
    expect(await page("a", 1)).toMatchObject({ rows: [{ workflowId: "b" }], upTo: "b" });
    expect((await page(undefined, 9, true)).rows).toStrictEqual([refused("c")]);
    expect((await page("c", 9)).upTo).toBeUndefined();
  });

  test("it is dropped bit by bit, itself with the last of its results", async () => {
    const { bulk } = await openStore();
    await bulk.add(operation("1"), 8);
    await bulk.advance("1", "", ["a", "b", "c"].map(refused));
    expect(await bulk.drop("1", 2)).toMatchObject({ value: 2 });
    expect(await bulk.get("1")).toBeDefined();
    const left = async () => (await bulk.results({ id: "1", afterId: undefined, limit: 9 })).rows;
    expect(await left()).toStrictEqual([refused("c")]);
    expect(await bulk.drop("1", 2)).toMatchObject({ value: 1 });
    expect(await bulk.get("1")).toBeUndefined();
    expect(await bulk.drop("1", 2)).toMatchObject({ value: 0 });
    expect(await left()).toEqual([]);
  });
});
