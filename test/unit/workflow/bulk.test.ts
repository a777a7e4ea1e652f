import { afterEach, describe, expect, test } from "vitest";
import type { RequestId, WorkflowId } from "../../../src/kernel/ids.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { type BulkCommand, createBulk } from "../../../src/workflow/bulk.ts";
import {
  bulkAtOnceMax,
  bulkKeptMax,
  bulkPurgeIntervalMs,
  bulkResultsKeptMax,
  bulkRetentionMs,
  bulkUnderWayMax,
  bulkWaitMsMax,
} from "../../../src/workflow/bulk-limits.ts";
import type { BulkStore, WorkflowFilter } from "../../../src/workflow/bulk-ports.ts";
import { noTerms } from "../../../src/workflow/core/policy.ts";
import type { Workflow } from "../../../src/workflow/core/types.ts";
import type { PredicateClient, WorkflowStore } from "../../../src/workflow/ports.ts";
import { pausing } from "../../support/pausing.ts";
import { until } from "../../support/until.ts";
import { allowed, creation, managerOver, moveTo } from "../../support/workflow-manager.ts";

type Store = WorkflowStore & { readonly bulk: BulkStore };

/** Timers that go off when the test says so. */
function handClock() {
  let nowMs = 0;
  let timers: { readonly atMs: number; readonly run: () => void }[] = [];
  return {
    monotonicMs: () => nowMs,
    setTimer(delayMs: number, run: () => void) {
      const timer = { atMs: nowMs + delayMs, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
    /** The delays until those that wait. */
    get waiting() {
      return timers.map(({ atMs }) => atMs - nowMs).toSorted((a, b) => a - b);
    },
    pass(ms: number) {
      nowMs += ms;
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { run } of due) run();
    },
  };
}

const active: WorkflowFilter = { known: {}, matches: ({ state }: Workflow) => state === "ACTIVE" };
const command: BulkCommand = {
  filter: "active",
  action: { type: "move", targetState: "PAUSED", mustRecover: false, context: {}, eventMetadata: {} },
  isDryRun: false,
  ratePerSecond: 10_000,
  reason: "all of them",
  requestedBy: "ada",
  request: undefined,
};

const toCancelled = { type: "move", targetState: "CANCELLED", mustRecover: false, context: {}, eventMetadata: {} } as const;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Over a store with so many that are ACTIVE. */
async function bulkOver(count: number, store: Store = createMemoryWorkflowStore()) {
  const under = managerOver(store, { workflowCountMax: 10_000 });
  const ids = Array.from({ length: count }, (_, index) => `w-${String(index).padStart(3, "0")}` as WorkflowId);
  for (const workflowId of ids) {
    if ((await store.get(workflowId)) !== undefined) continue;
    await under.manager.create(creation(workflowId));
    await under.manager.move(moveTo("ACTIVE", { workflowId }));
  }
  const clock = handClock();
  const logged: string[] = [];
  const log = (_fields: object, message: string) => void logged.push(message);
  const predicates: PredicateClient = {
    check: (check) => under.engine.answer(check),
    checkMetadata: () => Promise.reject(new Error("no metadata is checked")),
    checkMoves: () => Promise.reject(new Error("no moves are asked for")),
  };
  let made = 0;
  const environment = {
    termsOf: () => noTerms,
    nowMs: () => 1_000_000_000_000,
    newId: () => `o-${String(++made).padStart(4, "0")}-${Math.random()}`,
  };
  const filters: Record<string, WorkflowFilter> = { active };
  const bulk = createBulk({
    store,
    bulk: store.bulk,
    predicates,
    environment,
    turns: pausing(),
    clock,
    filterOf: (text) => filters[text] ?? active,
    logger: { info: log, warn: log, error: log },
  });
  closers.push(bulk.close);
  const begin = async (changes: Partial<BulkCommand> = {}): Promise<string> => {
    const started = await bulk.start({ ...command, ...changes });
    if (!started.ok) throw new Error(started.error.type);
    return started.value.id;
  };
  const read = async (id: string) => {
    const found = await bulk.get(id);
    if (!found.ok) throw new Error(found.error.type);
    return found.value;
  };
  /** Time passes until it has ended. */
  const ended = (id: string) =>
    until(async () => {
      clock.pass(bulkWaitMsMax);
      const operation = await read(id);
      return operation.state === "COMPLETED" && operation;
    }, "it is complete");
  return { ...under, bulk, clock, filters, ids, store, logged, begin, read, ended };
}

const countOf = async ({ store }: { readonly store: WorkflowStore }, state: "ACTIVE" | "PAUSED") =>
  (await store.counts()).byState[state];

test("so many are acted on at a time, and in a second as its rate says", async () => {
  const under = await bulkOver(30);
  let now = 0;
  let most = 0;
  under.engine.answer = async () => {
    now += 1;
    most = Math.max(most, now);
    await new Promise(setImmediate);
    now -= 1;
    return allowed;
  };
  const id = await under.begin({ ratePerSecond: 100 });
  await until(() => under.clock.waiting.includes(100), "the first ten are done");
  expect(await under.read(id)).toMatchObject({ doneCount: 10, position: "w-009" });
  under.clock.pass(99);
  await new Promise(setImmediate);
  expect(await under.read(id)).toMatchObject({ doneCount: 10 });
  under.clock.pass(1);
  await until(async () => (await under.read(id)).doneCount === 20, "the next ten are done");
  expect(await under.ended(id)).toMatchObject({ doneCount: 30, refusedCount: 0 });
  expect(most).toBe(10);
  await under.ended(await under.begin({ action: toCancelled, filter: "all" }));
  expect(most).toBeLessThanOrEqual(bulkAtOnceMax);
});

test("of few in a second, each is acted on by itself", async () => {
  const under = await bulkOver(3);
  const id = await under.begin({ ratePerSecond: 5 });
  await until(() => under.clock.waiting.includes(200), "the first one is done");
  expect(await under.read(id)).toMatchObject({ doneCount: 1, position: "w-000" });
  expect(await under.ended(id)).toMatchObject({ doneCount: 3 });
});

describe("while it cannot be tried, it waits, says why, and goes on:", () => {
  test.each([
    {
      what: "the engine does not answer",
      failure: { type: "unavailable", cause: "away" } as const,
      says: "PREDICATE_LOGIC_UNAVAILABLE: the predicate engine does not answer",
    },
    {
      what: "the engine has too much to do",
      failure: { type: "overloaded", cause: "busy", retryAfterMs: 1 } as const,
      says: "OVERLOADED: more waits for its rules than can be judged in time",
    },
  ])("$what", async ({ failure, says }) => {
    const under = await bulkOver(3);
    under.engine.answer = async () => err(failure);
    const id = await under.begin();
    const waited: number[] = [];
    for (let count = 0; count < 8; count += 1) {
      await until(() => under.clock.waiting.length > 0, "it waits");
      const [delay = 0] = under.clock.waiting;
      waited.push(delay);
      under.clock.pass(delay);
    }
    expect(waited.slice(0, 4)).toEqual([100, 200, 400, 800]);
    expect(Math.max(...waited)).toBe(bulkWaitMsMax);
    expect(await under.read(id)).toMatchObject({ state: "RUNNING", waitingFor: says, doneCount: 0, refusedCount: 0 });
    under.engine.answer = async () => allowed;
    expect(await under.ended(id)).toMatchObject({ doneCount: 3, waitingFor: "" });
  });

  test("the store cannot be read", async () => {
    const under = await bulkOver(3);
    const { list } = under.store;
    under.store.list = () => Promise.reject(new Error("damaged"));
    const id = await under.begin();
    await until(async () => (await under.read(id)).waitingFor !== "", "it waits");
    under.store.list = list;
    expect(await under.ended(id)).toMatchObject({ doneCount: 3 });
    expect(under.logged).toContain("bulk operation interrupted; it begins again where it was");
  });
});

test("what others move out of the filter meanwhile is left alone, and what they change within it is acted on", async () => {
  const under = await bulkOver(3);
  const [first, second, third] = under.ids as [WorkflowId, WorkflowId, WorkflowId];
  const moved = Promise.withResolvers<void>();
  // All three are judged before the others move two of them.
  under.engine.answer = async ({ workflow, requestedBy }) => {
    if (requestedBy === "grace") return allowed;
    if (workflow.id !== first) await moved.promise;
    else {
      const by = { ...moveTo("PAUSED").move, requestedBy: "grace" };
      await under.manager.move(moveTo("PAUSED", { workflowId: second, move: by }));
      for (const targetState of ["PAUSED", "ACTIVE"] as const) {
        await under.manager.move(moveTo(targetState, { workflowId: third, move: { ...by, targetState } }));
      }
      moved.resolve();
    }
    return allowed;
  };
  const id = await under.begin({ action: toCancelled });
  expect(await under.ended(id)).toMatchObject({ doneCount: 2, refusedCount: 0 });
  const states = await Promise.all([first, second, third].map(async (each) => (await under.store.get(each))?.state));
  expect(states).toEqual(["CANCELLED", "PAUSED", "CANCELLED"]);
});

describe("while it waits for the engine,", () => {
  async function waiting() {
    const under = await bulkOver(2);
    let isThere = false;
    under.engine.answer = async ({ requestedBy }) =>
      isThere || requestedBy === "grace" ? allowed : err({ type: "unavailable", cause: "away" });
    const id = await under.begin();
    await until(async () => (await under.read(id)).waitingFor !== "", "it waits");
    const workflowId = under.ids[0] as WorkflowId;
    const move = { ...moveTo("COMPLETED").move, requestedBy: "grace" };
    expect(await under.manager.move(moveTo("COMPLETED", { workflowId, move }))).toMatchObject({ ok: true });
    const back = () => {
      isThere = true;
      return under.ended(id);
    };
    return { ...under, workflowId, back };
  }

  test("what ends is no longer in the filter, and so refuses nothing", async () => {
    const under = await waiting();
    expect(await under.back()).toMatchObject({ doneCount: 1, refusedCount: 0 });
  });

  // It is created later than the operation, and nobody who has started that has meant it. Its version is the one that was found.
  test("what is created anew, under the id of one that was purged, is left alone", async () => {
    const { store, workflowId, back } = await waiting();
    const workflows = [{ id: workflowId, version: 3 }];
    const purge = { workflows, beforeSequence: 99, eventCountMax: 99, freeIds: true, atMs: 1 };
    expect(await store.purgeWorkflows(purge)).toMatchObject({ value: { workflows: [workflowId] } });
    const later = managerOver(store, {}, () => 1_000_000_000_001);
    await later.manager.create(creation(workflowId));
    await later.manager.move(moveTo("ACTIVE", { workflowId }));
    expect(await back()).toMatchObject({ doneCount: 1, refusedCount: 0 });
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2 });
  });
});

test("a move is told as one by hand would be, by whom and why", async () => {
  const under = await bulkOver(1);
  const action = { ...toCancelled, eventMetadata: { ticket: "T-1" } };
  await under.ended(await under.begin({ action }));
  expect(await under.store.getWithLastEvent("w-000" as WorkflowId)).toMatchObject({
    workflow: { state: "CANCELLED", version: 3 },
    lastEvent: {
      type: "TRANSITION",
      toState: "CANCELLED",
      reason: "all of them",
      requestedBy: "ada",
      metadata: { ticket: "T-1" },
    },
  });
});

test("a dry run says what would be refused, and changes nothing", async () => {
  const under = await bulkOver(3);
  under.engine.answer = async ({ workflow }) =>
    workflow.id === "w-001" ? ok({ type: "rule-denied", ruleSetRevision: 1, violations: [] }) : allowed;
  const id = await under.begin({ isDryRun: true });
  expect(await under.ended(id)).toMatchObject({ doneCount: 2, refusedCount: 1 });
  expect(await countOf(under, "ACTIVE")).toBe(3);
});

test("what a list gives in stretches is acted on to its end, in chunks of as many as are acted on at a time", async () => {
  const store = createMemoryWorkflowStore();
  const under = await bulkOver(2 * bulkAtOnceMax + 3, {
    ...store,
    list: (page) => store.list({ ...page, limit: Math.min(page.limit, 5) }),
  });
  const positions: string[] = [];
  const { advance } = under.store.bulk;
  under.store.bulk.advance = (id, position, results) => {
    positions.push(position);
    return advance(id, position, results);
  };
  expect(await under.ended(await under.begin())).toMatchObject({ doneCount: 2 * bulkAtOnceMax + 3 });
  expect(positions).toEqual([under.ids[bulkAtOnceMax - 1], under.ids[2 * bulkAtOnceMax - 1], under.ids.at(-1)]);
});

test("what is gone by the time that it is acted on is no refusal", async () => {
  const store = createMemoryWorkflowStore();
  let gone = "";
  const under = await bulkOver(3, {
    ...store,
    get: async (id) => (id === gone ? undefined : store.get(id)),
    getWithLastEvent: async (id) => (id === gone ? undefined : store.getWithLastEvent(id)),
  });
  gone = "w-001";
  expect(await under.ended(await under.begin())).toMatchObject({ doneCount: 2, refusedCount: 0 });
});

test("an update of metadata is judged and told as one by hand would be, by whom and why", async () => {
  const under = await bulkOver(2);
  const action = { type: "update", patch: { tray: 4 }, context: { shift: "late" }, eventMetadata: { ticket: "T-1" } } as const;
  expect(await under.ended(await under.begin({ action }))).toMatchObject({ doneCount: 2, refusedCount: 0 });
  for (const id of under.ids) {
    expect(await under.store.getWithLastEvent(id)).toMatchObject({
      workflow: { state: "ACTIVE", version: 3, metadata: { tray: 4 } },
      lastEvent: { type: "UPDATED", reason: "all of them", requestedBy: "ada", metadata: { ticket: "T-1" } },
    });
  }
});

test("what was created after it was started is left out", async () => {
  const under = await bulkOver(2);
  under.filters["late"] = { known: {}, matches: () => true };
  const early = await under.store.get(under.ids[0] as WorkflowId);
  const late = {
    ...early,
    id: "w-late" as WorkflowId,
    createdAtMs: 2_000_000_000_000,
    updatedAtMs: 2_000_000_000_000,
    stateEnteredAtMs: 2_000_000_000_000,
  };
  await under.store.apply({ puts: [{ workflow: late as Workflow, expected: "absent" }], events: [] });
  const id = await under.begin({ filter: "late" });
  expect(await under.ended(id)).toMatchObject({ doneCount: 2, refusedCount: 0 });
});

test("cut short anywhere, it goes on in another process, and acts on each once", async () => {
  for (let writes = 0; writes < 12; writes += 1) {
    const store = createMemoryWorkflowStore();
    const before = await bulkOver(6, store);
    const { apply } = store;
    const { advance } = store.bulk;
    let left = writes;
    const died = Promise.withResolvers<void>();
    /** The process is gone: nothing more is written, and nobody hears of it. */
    const dying =
      <Args extends unknown[], Answer>(write: (...args: Args) => Promise<Answer>) =>
      async (...args: Args): Promise<Answer> => {
        left -= 1;
        if (left < 0) {
          died.resolve();
          return new Promise(() => {});
        }
        return write(...args);
      };
    before.engine.answer = async ({ workflow }) =>
      workflow.id === "w-001" ? ok({ type: "rule-denied", ruleSetRevision: 1, violations: [] }) : allowed;
    store.apply = dying(apply);
    store.bulk.advance = dying(advance);
    const id = await before.begin({ filter: "both", ratePerSecond: 20 });
    before.filters["both"] = { known: {}, matches: ({ state }) => state !== "CANCELLED" };
    await Promise.race([died.promise, before.ended(id)]);
    closers.pop();
    store.apply = apply;
    store.bulk.advance = advance;
    const after = await bulkOver(6, store);
    after.filters["both"] = { known: {}, matches: ({ state }) => state !== "CANCELLED" };
    after.engine.answer = before.engine.answer;
    await after.bulk.resumeAll();
    expect(await after.ended(id)).toMatchObject({ doneCount: 5, refusedCount: 1 });
    expect(await countOf(after, "PAUSED")).toBe(5);
    expect((await store.counts()).events).toBe(6 * 2 + 5);
    expect((await store.bulk.results({ id, afterId: undefined, limit: 99 })).rows).toHaveLength(6);
  }
});

/** Its first checks are under way until the gate opens. */
async function heldAtTheRules(count: number) {
  const under = await bulkOver(count);
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  under.engine.answer = async () => {
    asked.resolve();
    await gate.promise;
    return allowed;
  };
  const id = await under.begin();
  await asked.promise;
  return { under, id, gate };
}

test("one that is resumed while what was under way at its pause is finished goes on", async () => {
  const { under, id, gate } = await heldAtTheRules(40);
  const paused = under.bulk.pause(id);
  await until(async () => (await under.store.bulk.get(id))?.state === "PAUSED", "it is paused in the store");
  expect(await under.bulk.resume(id)).toMatchObject({ value: { state: "RUNNING" } });
  gate.resolve();
  await paused;
  expect(await under.ended(id)).toMatchObject({ doneCount: 40 });
});

test("a pause finishes what is under way, writes what became of it, and nothing is done until it is resumed", async () => {
  const { under, id, gate } = await heldAtTheRules(40);
  let isAnswered = false;
  const pausing = under.bulk.pause(id).finally(() => {
    isAnswered = true;
  });
  await until(async () => (await under.store.bulk.get(id))?.state === "PAUSED", "it is paused in the store");
  await new Promise(setImmediate);
  // Whoever is told of the pause relies on it: what is under way is written first.
  expect(isAnswered).toBe(false);
  gate.resolve();
  const paused = await pausing;
  expect(paused).toMatchObject({ value: { state: "PAUSED" } });
  const done = paused.ok ? paused.value.doneCount : -1;
  expect(done).toBeLessThanOrEqual(bulkAtOnceMax);
  under.clock.pass(60_000);
  await new Promise(setImmediate);
  expect(await countOf(under, "PAUSED")).toBe(done);
  await under.bulk.resume(id);
  expect(await under.ended(id)).toMatchObject({ doneCount: 40 });
});

/** Its next write of this kind is durable, and fails for all that the server is told. */
function unsure(): { readonly store: Store; readonly failNext: (what: "add" | "enter") => void } {
  const store = createMemoryWorkflowStore();
  let failing = "";
  const lost = <T>(what: string, written: T): T => {
    if (what !== failing) return written;
    failing = "";
    return err({ type: "storage-unavailable", cause: "the disk", outcomeUnknown: true }) as T;
  };
  const bulk: BulkStore = {
    ...store.bulk,
    add: async (...what) => lost("add", await store.bulk.add(...what)),
    enter: async (...what) => lost("enter", await store.bulk.enter(...what)),
  };
  return {
    store: { ...store, bulk },
    failNext: (what) => {
      failing = what;
    },
  };
}

test("a retry is answered also when no other operation may be started", async () => {
  const under = await bulkOver(1);
  const request = { id: "r" as RequestId, digest: "d" };
  const first = await under.begin({ ratePerSecond: 1, request });
  await under.bulk.pause(first);
  for (let count = 1; count < bulkUnderWayMax; count += 1) await under.bulk.pause(await under.begin({ ratePerSecond: 1 }));
  expect(await under.bulk.start(command)).toMatchObject({ error: { type: "bulk-operation-limit" } });
  expect(await under.bulk.start({ ...command, request })).toMatchObject({ ok: true, value: { id: first } });
});

describe("a write that failed, and is durable all the same", () => {
  const unavailable = { error: { type: "storage-unavailable" } };

  test("has started an operation, which runs from the retry on", async () => {
    const { store, failNext } = unsure();
    const under = await bulkOver(3, store);
    const request = { id: "r" as RequestId, digest: "d" };
    failNext("add");
    expect(await under.bulk.start({ ...command, request })).toMatchObject(unavailable);
    expect(await under.ended(await under.begin({ request }))).toMatchObject({ doneCount: 3 });
  });

  test("has paused one, which does nothing from the retry on", async () => {
    const { store, failNext } = unsure();
    const under = await bulkOver(40, store);
    const id = await under.begin({ ratePerSecond: 10 });
    failNext("enter");
    expect(await under.bulk.pause(id)).toMatchObject(unavailable);
    const paused = await under.bulk.pause(id);
    const done = paused.ok ? paused.value.doneCount : -1;
    under.clock.pass(60_000);
    await new Promise(setImmediate);
    expect(await countOf(under, "PAUSED")).toBe(done);
  });

  test("has resumed one, which runs from the retry on", async () => {
    const { store, failNext } = unsure();
    const under = await bulkOver(40, store);
    const id = await under.begin({ ratePerSecond: 10 });
    await under.bulk.pause(id);
    failNext("enter");
    expect(await under.bulk.resume(id)).toMatchObject(unavailable);
    await under.bulk.resume(id);
    expect(await under.ended(id)).toMatchObject({ doneCount: 40 });
  });
});

// It would be told as complete, and what it had not acted on would be left as it was.
test.each([
  { what: "the last ones", count: 3 },
  { what: "some in the middle", count: 3 * bulkAtOnceMax },
])("one whose server ends while $what cannot be tried is not complete", async ({ count }) => {
  const under = await bulkOver(count);
  under.engine.answer = async () => err({ type: "unavailable", cause: "away" });
  const id = await under.begin();
  await until(() => under.clock.waiting.length > 0, "it waits");
  await under.bulk.close();
  expect(await under.store.bulk.get(id)).toMatchObject({ state: "RUNNING", doneCount: 0, position: "" });
});

describe("what has ended is dropped", () => {
  test("when it is old, with its results", async () => {
    const under = await bulkOver(3);
    let nowMs = 1_000_000_000_000;
    under.store.keptBeforeMs = (retentionMs) => nowMs - retentionMs;
    const id = await under.begin();
    await under.ended(id);
    await under.bulk.resumeAll();
    under.clock.pass(bulkPurgeIntervalMs);
    expect(await under.bulk.get(id)).toMatchObject({ ok: true });
    nowMs += bulkRetentionMs + 1;
    await until(async () => {
      under.clock.pass(bulkPurgeIntervalMs);
      return !(await under.bulk.get(id)).ok;
    }, "it is dropped");
    expect((await under.store.bulk.results({ id, afterId: undefined, limit: 9 })).rows).toEqual([]);
  });

  test("of those that are kept none is dropped, and each beyond them is", async () => {
    const under = await bulkOver(0);
    under.store.keptBeforeMs = () => 0;
    const named = (index: number) => `o-${String(index).padStart(3, "0")}`;
    under.store.bulk.standing = async () =>
      Array.from({ length: bulkKeptMax + 2 }, (_, index) => ({
        ...{ id: named(index), state: index === 3 ? "PAUSED" : "COMPLETED", stateEnteredAtMs: 1, resultCount: 0 },
      })) as Awaited<ReturnType<BulkStore["standing"]>>;
    const dropped: string[] = [];
    under.store.bulk.drop = async (id) => {
      dropped.push(id);
      return ok(0);
    };
    await under.bulk.resumeAll();
    under.clock.pass(bulkPurgeIntervalMs);
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    expect(dropped).toEqual([bulkKeptMax, bulkKeptMax + 1].map(named));
  });

  test("a minute later, if the store cannot be read when it is time", async () => {
    const under = await bulkOver(0);
    const id = await under.begin();
    await under.ended(id);
    under.store.keptBeforeMs = () => 2_000_000_000_000;
    await under.bulk.resumeAll();
    const { standing } = under.store.bulk;
    under.store.bulk.standing = () => Promise.reject(new Error("damaged"));
    under.clock.pass(bulkPurgeIntervalMs);
    await until(() => under.logged.includes("old bulk operations cannot be dropped"), "it has failed");
    under.store.bulk.standing = standing;
    await until(async () => {
      under.clock.pass(bulkPurgeIntervalMs);
      return !(await under.bulk.get(id)).ok;
    }, "it is dropped");
  });

  test("when there are too many results, the oldest first; but the newest stays, however many it has", async () => {
    const under = await bulkOver(0);
    const ids = [await under.begin(), await under.begin()];
    for (const id of ids) await under.ended(id);
    under.store.keptBeforeMs = () => 0;
    const { standing } = under.store.bulk;
    let counts: readonly number[] = [bulkResultsKeptMax, 1];
    under.store.bulk.standing = async () =>
      (await standing()).map((each, newerCount) => ({ ...each, resultCount: counts[newerCount] ?? 0 }));
    const dropped: string[] = [];
    const { drop } = under.store.bulk;
    under.store.bulk.drop = (id, countMax) => {
      dropped.push(id);
      return drop(id, countMax);
    };
    await under.bulk.resumeAll();
    const passed = async () => {
      under.clock.pass(bulkPurgeIntervalMs);
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
      return dropped;
    };
    counts = [bulkResultsKeptMax - 1, 1];
    expect(await passed()).toEqual([]);
    counts = [bulkResultsKeptMax + 1, 0];
    expect(await passed()).toEqual([ids[0]]);
  });

  test("when there are too many, the oldest first; what is under way stays", async () => {
    const under = await bulkOver(0);
    const first = await under.begin();
    await under.ended(first);
    for (let count = 0; count < bulkKeptMax; count += 1) await under.ended(await under.begin());
    await under.begin();
    expect(await under.bulk.get(first)).toMatchObject({ error: { type: "bulk-operation-not-found" } });
    expect((await under.bulk.list({ beforeId: undefined, limit: 999 })).rows.length).toBeLessThanOrEqual(bulkKeptMax + 2);
  });
});
