import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sortedRowsMax, stretchLookMax } from "../../src/kernel/limits.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import { openSqliteWorkflowStore, sqliteWorkflowStore, workflowSchema } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowPlace, WorkflowStore } from "../../src/workflow/ports.ts";
import { createStoreWorld, openOnSimulatedDisk, watched } from "../support/simulated-store.ts";
import { storageDir } from "../support/storage-dir.ts";
import { contents, creation, event, everyWorkflow, workflowId } from "../support/storage-values.ts";
import { workflowListsSuite } from "./workflow-lists-suite.ts";
import { rounds, toBatches, workflowStoreSuite } from "./workflow-store-suite.ts";

async function openSqlite(): Promise<WorkflowStore> {
  const opened = await openSqliteWorkflowStore({ path: join(storageDir(), "workflows.db") });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

const openSimulated = (): WorkflowStore => openOnSimulatedDisk(workflowSchema, sqliteWorkflowStore);

workflowStoreSuite("sqlite", openSqlite);
workflowStoreSuite("sqlite on a simulated disk", async () => openSimulated());
workflowStoreSuite("memory", async () => createMemoryWorkflowStore());

workflowListsSuite("sqlite", openSqlite);
workflowListsSuite("sqlite on a simulated disk", async () => openSimulated());
workflowListsSuite("memory", async () => createMemoryWorkflowStore());

test("sqlite and memory answer alike, whatever is written together", async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (wanted) => {
      const stores = [await openSqlite(), createMemoryWorkflowStore()];
      const [sqlite, memory] = await Promise.all(
        stores.map(async (store) => {
          const results: unknown[] = [];
          for (const round of wanted) {
            results.push(await Promise.all((await toBatches(round, store)).map((batch) => store.apply(batch))));
            results.push(await Promise.all((await everyWorkflow(store)).map(({ id }) => store.getWithLastEvent(id))));
          }
          return { results, ...(await contents(store)) };
        }),
      );
      for (const store of stores) await store.close();
      expect(sqlite).toStrictEqual(memory);
    }),
    { numRuns: 20 },
  );
});

test("what a list passes over is bounded, and so is the text that it reads in one go", async () => {
  const store = await openSqlite();
  const count = 2 * stretchLookMax;
  const puts = Array.from({ length: count }, (_, index) => creation(`w-${String(index).padStart(5, "0")}`).puts).flat();
  await store.apply({ puts, events: puts.map((each) => event(each.workflow)) });
  const nothing = { createdBy: { oneOf: ["nobody"] } };
  const first = await store.list({ afterId: undefined, limit: 9, ranges: nothing });
  expect(first).toMatchObject({ rows: [], upTo: "w-01999", looked: stretchLookMax });
  expect(await store.list({ afterId: workflowId("w-01999"), limit: 9, ranges: nothing })).toMatchObject({ upTo: "w-03999" });
  expect(await store.list({ afterId: workflowId("w-03999"), limit: 9, ranges: nothing })).toMatchObject({ upTo: undefined });
  // Passing over them, it goes on where it was, in either direction, and finds whatever is behind.
  for (const descending of [false, true]) {
    const places: string[] = [];
    const order = { by: "created", descending } as const;
    for (let after: WorkflowPlace | undefined; ; ) {
      const { rows, upTo, looked } = await store.listSorted({ order, after, limit: 9, ranges: nothing });
      expect([rows, looked]).toEqual([[], stretchLookMax]);
      if (upTo === undefined) break;
      places.push(upTo.id);
      after = upTo;
    }
    expect(places).toEqual(descending ? ["w-02000", "w-00000"] : ["w-01999", "w-03999"]);
  }
  // An id or a prefix of ids is found without a look at the others.
  const ranges = { id: { min: "w-0399", max: "w-0399z" }, ...nothing };
  expect(await store.list({ afterId: undefined, limit: 9, ranges })).toMatchObject({ rows: [], upTo: undefined });

  // So is the one type that is wanted.
  await store.apply(creation("w-99999", { type: "rare" }));
  const rare = { type: { oneOf: ["rare"] } };
  expect(await store.list({ afterId: undefined, limit: 9, ranges: rare })).toMatchObject({
    rows: [{ id: "w-99999" }],
    upTo: undefined,
  });
  expect(await store.list({ afterId: undefined, limit: 9, ranges: { ...rare, ...nothing } })).toMatchObject({
    rows: [],
    upTo: undefined,
  });

  const byNobody = { requestedBy: { oneOf: ["nobody"] } };
  expect(await store.listEvents({ afterSequence: 0, limit: 9, ranges: byNobody })).toMatchObject({
    rows: [],
    upTo: stretchLookMax,
  });
  const ofOne = { ...byNobody, workflowId: { oneOf: ["w-03999"] } };
  expect(await store.listEvents({ afterSequence: 0, limit: 9, ranges: ofOne })).toMatchObject({ rows: [], upTo: undefined });

  const metadata = { text: "x".repeat(60_000) };
  const large = Array.from({ length: 9 }, (_, index) => creation(`x-${index}`, { metadata }).puts).flat();
  await store.apply({ puts: large, events: [] });
  const { rows, upTo } = await store.list({ afterId: workflowId("w-99999"), limit: 9 });
  expect([rows.length, upTo]).toEqual([5, "x-4"]);
  await store.close();
});

test("of as few as are sorted an index leads to all; of more the order is followed", async () => {
  const store = await openSqlite();
  const ofType = (type: string, count: number) =>
    Array.from({ length: count }, (_, index) => creation(`${type}-${index}`, { type, createdAtMs: index % 7 }).puts).flat();
  await store.apply({ puts: [...ofType("few", sortedRowsMax), ...ofType("many", sortedRowsMax + 1)], events: [] });
  const listed = async (type: string, createdBy: string) => {
    const ranges = { type: { oneOf: [type] }, createdBy: { oneOf: [createdBy] } };
    const { rows, looked } = await store.listSorted({
      order: { by: "version", descending: true },
      after: undefined,
      limit: 3,
      ranges,
    });
    return [rows.length, looked];
  };
  expect(await listed("few", "creator")).toEqual([3, sortedRowsMax]);
  expect(await listed("many", "creator")).toEqual([3, stretchLookMax]);
  expect(await listed("few", "nobody")).toEqual([0, sortedRowsMax]);
  const ids = ["few-1", "few-3", "many-2"].map(workflowId);
  const page = { order: { by: "created", descending: true } as const, after: undefined, limit: 2 };
  const some = await store.listSorted({ ...page, ranges: { id: { oneOf: ids }, createdBy: { oneOf: ["creator"] } } });
  expect(some).toMatchObject({ rows: [{ id: "few-3" }, { id: "many-2" }], upTo: { key: 2, id: "many-2" }, looked: 3 });
  await store.close();
});

test.each(["commit fails, durable", "writer dies, durable"] as const)(
  "who waits for events and deadlines is told of those whose write has failed though it is durable (%s)",
  async (fault) => {
    const world = createStoreWorld(workflowSchema, { fault });
    const store = sqliteWorkflowStore(world.open().engine);
    const told: string[] = [];
    store.onAppend((newest) => void told.push(`event ${newest}`));
    store.onDeadline((atMs) => void told.push(`deadline at ${atMs}`));
    const creationDue = (id: string, atMs: number) =>
      creation(id, { deadline: { atMs, targetState: "ACTIVE", reason: "r", setBy: "ada", setAtMs: 1 } });
    const first = watched(store.apply(creationDue("a", 20)));
    // While the store cannot be written, what can be read is told.
    await world.pass(100);
    expect(first.value).toMatchObject({ ok: false, error: { outcomeUnknown: true } });
    expect(told).toEqual(["event 1", "deadline at 20"]);
    const second = watched(store.apply(creationDue("b", 10)));
    await world.pass(100);
    const isDurable = (await store.sequences()).newest === 2;
    expect([second.value, isDurable]).toMatchObject([
      { ok: false, error: { outcomeUnknown: isDurable } },
      // A writer that has died writes nothing.
      fault === "commit fails, durable",
    ]);
    world.calm();
    await world.pass(30_000);
    expect(store.writable).toBe(true);
    expect(told.slice(2)).toEqual(isDurable ? ["event 2", "deadline at 10"] : ["deadline at 20"]);
  },
);

test("who waits for events and deadlines is told to look when it cannot be read what was written", async () => {
  const world = createStoreWorld(workflowSchema, { fault: "commit fails, durable" });
  const store = sqliteWorkflowStore(world.open().engine);
  const told: string[] = [];
  store.onAppend((newest) => void told.push(`event ${newest}`));
  store.onDeadline((atMs) => void told.push(`deadline at ${atMs}`));
  world.failReads();
  void store.apply(creation("a", { deadline: { atMs: 20, targetState: "ACTIVE", reason: "r", setBy: "ada", setAtMs: 1 } }));
  await world.pass(100);
  expect(told).toEqual(["event 0", "deadline at 0"]);
});
