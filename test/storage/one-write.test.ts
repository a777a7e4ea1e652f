import { expect, test } from "vitest";
import type { TransactionId } from "../../src/kernel/ids.ts";
import { decisionLogSchema, sqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { encodeOperations, keyValueSchema, sqliteKeyValueResource } from "../../src/storage/sqlite/key-value-resource.ts";
import { ruleSchema, sqliteRuleStore } from "../../src/storage/sqlite/rule-store.ts";
import { sinkSchema, sqliteSinkStore } from "../../src/storage/sqlite/sink-store.ts";
import type { SqliteEngine, StoreSchema } from "../../src/storage/sqlite/statement.ts";
import { sqliteVerdictLog, verdictSchema } from "../../src/storage/sqlite/verdict-log.ts";
import { sqliteWorkflowStore, workflowSchema } from "../../src/storage/sqlite/workflow-store.ts";
import type { BulkOperation } from "../../src/workflow/bulk-ports.ts";
import type { WorkflowBatch } from "../../src/workflow/ports.ts";
import { draft, request } from "../support/rule-batches.ts";
import { createStoreWorld, flushMs, watched } from "../support/simulated-store.ts";
import { deadLetter, sinkRecord } from "../support/sink-values.ts";
import { answering, creation, event, put, requestId, workflow, workflowId } from "../support/storage-values.ts";
import { unhurried } from "../support/unhurried.ts";
import { recordAt } from "../support/verdict-values.ts";
import { begun } from "../unit/commit/support.ts";

// What must be one write: whatever is durable at the end of any commit is what the next process finds, if this one dies then.

test("a key-value store never has a change without its receipt, nor a promise or a held key beside it", async () => {
  const world = createStoreWorld(keyValueSchema);
  const { engine } = world.open();
  const store = sqliteKeyValueResource(engine);
  const seen: unknown[] = [];
  world.disk.onCommit(() => {
    const count = (table: string): number => Number(world.disk.rows(`SELECT count(*) AS n FROM ${table}`)[0]?.["n"]);
    const [promises, heldKeys, receipts, entries] = ["promises", "held_keys", "receipts", "entries"].map(count);
    seen.push({ promises, heldKeys, receipts, entries });
  });
  const work = {
    transactionId: "t1" as TransactionId,
    payload: encodeOperations(["a", "b"].map((key) => ({ type: "put", key, value: 1 }))),
    ...{ logId: "log", voteWithinMs: 1_000, coordinatorId: "c", coordinatorEpoch: 1 },
  };
  expect(await world.until(store.prepare(work))).toMatchObject({ value: "commit" });
  await world.until(store.commit(work));
  const [prepared, committed] = [
    { promises: 1, heldKeys: 2, receipts: 0, entries: 0 },
    { promises: 0, heldKeys: 0, receipts: 1, entries: 2 },
  ];
  expect(seen).toStrictEqual([prepared, committed]);
});

const move = put(workflow("w"), { state: "ACTIVE" });
const ended = creation("e", { state: "COMPLETED" });

const onWorkflows = (
  name: string,
  call: (store: ReturnType<typeof sqliteWorkflowStore>) => Promise<unknown>,
  ...before: readonly WorkflowBatch[]
) => ({
  name,
  async commits() {
    const world = createStoreWorld(workflowSchema);
    const store = sqliteWorkflowStore(world.open().engine);
    await world.until(store.bulk.add(operation, 8));
    for (const batch of before) await world.until(store.apply(batch));
    return commitsOf(world, call(store));
  },
});

const operation: BulkOperation = {
  ...{ id: "1", filter: "", isDryRun: false, ratePerSecond: 1, state: "RUNNING", doneCount: 0, refusedCount: 0, position: "" },
  ...{ reason: "", requestedBy: "", createdAtMs: 1, stateEnteredAtMs: 1, request: undefined },
  action: { type: "move", targetState: "PAUSED", mustRecover: false, context: {}, eventMetadata: {} },
};

const on = <Store>(
  name: string,
  schema: StoreSchema,
  storeOn: (engine: SqliteEngine) => Store,
  call: (store: Store) => Promise<unknown>,
) => ({
  name,
  commits() {
    const world = createStoreWorld(schema);
    return commitsOf(world, call(storeOn(world.open().engine)));
  },
});

async function commitsOf(world: ReturnType<typeof createStoreWorld>, call: Promise<unknown>): Promise<number> {
  let commits = 0;
  world.disk.onCommit(() => {
    commits += 1;
  });
  expect(await world.until(call)).toMatchObject({ ok: true });
  return commits;
}

const results = ["a", "b"].map((id) => ({ workflowId: workflowId(id), sequence: 1 }));
const purge = { workflows: [{ id: workflowId("e"), version: 1 }], beforeSequence: 9, eventCountMax: 9, freeIds: false, atMs: 1 };
const policy = {
  workflowType: "t",
  revision: 1,
  terms: { deadlines: [], indexedMetadata: [] },
  updatedAtMs: 1,
  updatedBy: "",
  reason: "",
};
const answer = { ...{ id: requestId("r"), digest: "d", atMs: 1 }, answer: policy };
const cursor = { puts: [sinkRecord("bus", { cursor: 3 })], deadLetters: [deadLetter()], request: { ...answer, answer: "" } };

test.each([
  onWorkflows(
    "a move, its event and its answer",
    (store) => store.apply({ puts: [move], events: [event(move.workflow)], ...answering("r") }),
    creation("w"),
  ),
  onWorkflows("a policy, with its revision and its answer", (store) =>
    store.applyPolicy({ expectedNewest: 0, newest: 1, workflowType: "t", policy, request: answer }),
  ),
  onWorkflows("what is purged, with its events", (store) => store.purgeWorkflows(purge), ended),
  onWorkflows("answers and outcomes that are purged", (store) => store.purge({ olderThanMs: 9, limit: 9 }), {
    ...ended,
    ...answering("r"),
  }),
  onWorkflows("the beginning of a bulk operation, with its answer", (store) =>
    store.bulk.add({ ...operation, id: "2", request: { id: requestId("r"), digest: "d" } }, 8),
  ),
  onWorkflows("results of a bulk operation, with how far it has come", (store) => store.bulk.advance("1", "b", results)),
  onWorkflows("a bulk operation that is dropped, with the last of its results", (store) => store.bulk.drop("1", 9)),
  on("a cursor, with dead letters and an answer", sinkSchema, sqliteSinkStore, (store) => store.apply(cursor)),
  on("verdicts", verdictSchema, sqliteVerdictLog, (store) => store.append([recordAt(1), recordAt(2)])),
  on(
    "a change of the rules, with its answer",
    ruleSchema,
    (engine) => sqliteRuleStore(engine, unhurried),
    (store) => store.apply({ ...draft(0, "a"), request: request("r") }),
  ),
  on("a claim of a decision log, with its id", decisionLogSchema, sqliteDecisionLog, (store) => store.claim("c")),
])("one write: $name", async ({ commits }) => {
  expect(await commits()).toBe(1);
});

// specs/TwoPhaseCommit.tla: LogAppendByOwnerOnly. The successor has read the log by the time it begins anew: what comes in later is decided
// by nobody that it knows.
test("however the two meet, nothing is written by a coordinator once another has claimed its log", async () => {
  let fenced = 0;
  const worlds = 100;
  for (let seed = 1; seed <= worlds; seed += 1) {
    const world = createStoreWorld(decisionLogSchema, { seed });
    const [old, next] = [sqliteDecisionLog(world.open("old").engine), sqliteDecisionLog(world.open("next").engine)];
    await world.until(old.claim("c"));
    const transactions = (): unknown => world.disk.rows("SELECT * FROM transactions");
    let atClaim: unknown;
    world.disk.onCommit(() => {
      const claimed = world.disk.rows("SELECT epoch FROM coordinator WHERE epoch = 2").length > 0;
      if (claimed) atClaim ??= transactions();
    });
    const forced = watched(old.force(begun(["a", "b"]).transaction));
    await world.pass(seed % (2 * flushMs));
    await world.until(next.claim("c"));
    await world.pass(100);
    expect(transactions()).toStrictEqual(atClaim);
    const isForced = forced.value !== "no answer" && forced.value.ok;
    expect(isForced).toBe((atClaim as unknown[]).length > 0);
    if (!isForced) fenced += 1;
  }
  // Both happen.
  expect(fenced).toBeGreaterThan(0);
  expect(fenced).toBeLessThan(worlds);
});
