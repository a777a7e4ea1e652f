import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { assert } from "../../src/kernel/assert.ts";
import type { WorkflowId } from "../../src/kernel/ids.ts";
import { workflowStates } from "../../src/kernel/lifecycle.ts";
import { isWithin, type Range } from "../../src/kernel/range.ts";
import type { TypePolicy } from "../../src/workflow/core/policy.ts";
import type { Workflow, WorkflowEvent } from "../../src/workflow/core/types.ts";
import type {
  DeadlinePlace,
  EventRanges,
  PolicyChange,
  TypeCount,
  WorkflowBatch,
  WorkflowPut,
  WorkflowRanges,
  WorkflowStore,
} from "../../src/workflow/ports.ts";
import {
  answering,
  contents,
  creation,
  event,
  everyWorkflow,
  hold,
  put,
  recount,
  requestId,
  transactionId,
  workflow,
  workflowId,
} from "../support/storage-values.ts";

/** What every workflow store must do. `open` gives a new, empty store. */
export function workflowStoreSuite(name: string, open: () => Promise<WorkflowStore>): void {
  const opened: WorkflowStore[] = [];
  const openStore = async (): Promise<WorkflowStore> => {
    const store = await open();
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  describe(`workflow store: ${name}`, () => {
    test("a workflow and its event are read as they were written, every field", async () => {
      const store = await openStore();
      const held = workflow("w", {
        type: "sample",
        state: "FAILED",
        previousState: "ACTIVE",
        version: 7,
        retryCount: 2,
        hold: hold("tx", { request: { id: requestId("r"), digest: "d" }, authenticatedAs: "spiffe://lab/ada" }),
      });
      const failed = event(held, { type: "FAILED", transactionId: transactionId("tx"), authenticatedAs: "spiffe://lab/ada" });
      const stored = { ...failed, sequence: 1 };
      expect(await store.apply({ puts: [{ workflow: held, expected: "absent" }], events: [failed] })).toStrictEqual({
        ok: true,
        value: [stored],
      });
      expect(await store.get(held.id)).toStrictEqual(held);
      expect((await store.listEvents({ afterSequence: 0, limit: 10 })).rows).toStrictEqual([stored]);
      expect(await store.get(workflowId("x"))).toBeUndefined();
    });

    test("deadlines that are due are read in their order, page by page, and not those of what is held", async () => {
      const store = await openStore();
      const told: number[] = [];
      store.onDeadline((atMs) => void told.push(atMs));
      const deadline = (atMs: number) => ({ atMs, targetState: "ACTIVE", reason: "r", setBy: "ada", setAtMs: 1 }) as const;
      const times: Readonly<Record<string, number>> = { b: 20, a: 20, c: 10, d: 30, e: 40 };
      for (const [id, atMs] of Object.entries(times)) {
        const created = workflow(id, { deadline: deadline(atMs), recoverableAtMs: atMs });
        const changed = event(created, { deadline: deadline(atMs) });
        await store.apply({ puts: [{ workflow: created, expected: "absent" }], events: [changed] });
        expect(await store.get(created.id)).toStrictEqual(created);
      }
      expect((await store.listEvents({ afterSequence: 0, limit: 1 })).rows[0]?.deadline).toEqual(deadline(20));
      await store.apply(creation("none"));
      const due = async (upToMs: number, after?: DeadlinePlace, limit = 10) =>
        (await store.due({ upToMs, after, limit })).map(({ workflowId: id }) => id);
      expect(await store.due({ upToMs: 10, after: undefined, limit: 10 })).toStrictEqual([
        { workflowId: "c", version: 1, deadline: deadline(10) },
      ]);
      expect(await due(30)).toEqual(["c", "a", "b", "d"]);
      expect(await due(30, undefined, 2)).toEqual(["c", "a"]);
      expect(await due(30, { atMs: 20, workflowId: workflowId("a") })).toEqual(["b", "d"]);
      expect(told).toEqual([20, 20, 10, 30, 40]);

      const c = await store.get(workflowId("c"));
      if (c === undefined) throw new Error("c is not there");
      const held = { ...c, hold: hold("tx") };
      await store.apply({ puts: [{ workflow: held, expected: { version: 1, heldBy: undefined } }], events: [] });
      expect(await due(30)).toEqual(["a", "b", "d"]);
      expect(told).toHaveLength(5);
      await store.apply({ puts: [{ workflow: c, expected: { version: 1, heldBy: transactionId("tx") } }], events: [] });
      expect(await due(30)).toEqual(["c", "a", "b", "d"]);
      expect(told.at(-1)).toBe(10);
      await store.apply({ puts: [put(c, { deadline: undefined, recoverableAtMs: undefined })], events: [] });
      expect(await due(30)).toEqual(["a", "b", "d"]);
    });

    test("policies are read as they were written, and a change that others were faster than writes nothing", async () => {
      const store = await openStore();
      expect(await store.policies()).toEqual({ newest: 0, policies: [] });
      const termsOf = (revision: number): TypePolicy["terms"] => ({
        deadlines: [{ state: "ACTIVE", afterMs: 5 + revision, targetState: "FAILED", reason: "slow" }],
        recovery: { maxAttempts: 3, initialBackoffMs: 1, multiplier: 1.5, maxBackoffMs: 9 },
      });
      // No two revisions have anything in common: what is replaced is replaced whole.
      const policy = (workflowType: string, revision: number): TypePolicy => ({
        ...{ workflowType, revision, terms: termsOf(revision) },
        ...{ updatedAtMs: 7 + revision, updatedBy: `ada ${revision}`, reason: `because ${revision}` },
      });
      const set = (workflowType: string, newest: number, request?: PolicyChange["request"]) =>
        store.applyPolicy({
          ...{ expectedNewest: newest - 1, newest, workflowType, policy: policy(workflowType, newest) },
          ...(request && { request }),
        });
      const request = { id: requestId("r"), digest: "d", atMs: 1, answer: policy("sample", 1) };
      const [written, before] = await Promise.all([set("sample", 1, request), store.policies()]);
      expect([written, before]).toEqual([
        { ok: true, value: undefined },
        { newest: 0, policies: [] },
      ]);
      expect(await store.answer(request.id)).toEqual({ digest: "d", policy: policy("sample", 1) });
      expect(await set("", 2, request)).toMatchObject({ error: { conflict: { type: "request-exists" } } });
      expect(await set("other", 1)).toMatchObject({ error: { conflict: { type: "stale" } } });
      expect(await set("", 2)).toMatchObject({ ok: true });
      expect(await store.policies()).toEqual({ newest: 2, policies: [policy("", 2), policy("sample", 1)] });
      expect(await set("sample", 3)).toMatchObject({ ok: true });
      await store.applyPolicy({ expectedNewest: 3, newest: 4, workflowType: "", policy: undefined });
      expect(await store.policies()).toEqual({ newest: 4, policies: [policy("sample", 3)] });
      // Request ids are of one kind.
      const ofWorkflow = { ...creation("w"), ...answering(request.id, "d", 2) };
      expect(await store.apply(ofWorkflow)).toMatchObject({ error: { conflict: { type: "request-exists" } } });
    });

    // A retry that is not counted, or a time of recovery that stays, is seen long after the move that lost it.
    test.each([{}, { keeps: "metadata" }] as const)("a move writes every field that it can change: %j", async (stays) => {
      const store = await openStore();
      const created = workflow("w", { type: "sample" });
      await store.apply({ puts: [{ workflow: created, expected: "absent" }], events: [event(created)] });
      const failed: Workflow = {
        ...created,
        ...{ state: "FAILED", previousState: "ACTIVE", version: 2, updatedAtMs: 1_700_000_000_002, updatedBy: "ada" },
        ...{ stateEnteredAtMs: 1_700_000_000_003, retryCount: 4, recoverableAtMs: 1_700_000_000_004, hold: hold("tx") },
        deadline: { atMs: 1_700_000_000_005, targetState: "CANCELLED", reason: "late", setBy: "ada", setAtMs: 1_700_000_000_002 },
      };
      await store.apply({ puts: [{ ...put(created, failed), ...stays }], events: [event(failed)] });
      expect(await store.get(failed.id)).toStrictEqual(failed);
      const back: Workflow = {
        ...created,
        previousState: "FAILED",
        version: 3,
        updatedBy: "bob",
        stateEnteredAtMs: 1_700_000_000_006,
      };
      await store.apply({ puts: [{ ...put(failed, back), ...stays }], events: [event(back)] });
      expect(await store.get(back.id)).toStrictEqual(back);
    });

    test("an update is read as it was written: its patch, also an empty one, and metadata that is new", async () => {
      const store = await openStore();
      const created = workflow("w");
      const updated = { ...created, version: 2, metadata: { note: null, text: "ä" } };
      const told = { type: "UPDATED", fromState: "CREATED" } as const;
      const events = [
        event(created),
        event(updated, { ...told, metadataPatch: { gone: null, text: "ä" } }),
        event({ ...updated, version: 3 }, { ...told, metadataPatch: {} }),
      ];
      await store.apply({ puts: [{ workflow: created, expected: "absent" }], events: events.slice(0, 1) });
      await store.apply({
        puts: [{ workflow: { ...updated, version: 3 }, expected: { version: 1, heldBy: undefined } }],
        events: events.slice(1),
      });
      expect((await store.listEvents({ afterSequence: 0, limit: 9 })).rows).toStrictEqual(
        events.map((each, index) => ({ ...each, sequence: index + 1 })),
      );
      expect((await store.get(created.id))?.metadata).toStrictEqual(updated.metadata);
      expect((await store.counts()).byState.CREATED).toBe(1);
    });

    test("a workflow is read with its last event, or without one that was purged", async () => {
      const store = await openStore();
      await store.apply(creation("w"));
      await store.apply(creation("other"));
      const moved = put(workflow("w"), { state: "ACTIVE" });
      const fields = { occurredAtMs: 5, requestedBy: "ada", authenticatedAs: "a", reason: "go", metadata: { tray: 4 } };
      await store.apply({ puts: [moved], events: [event(moved.workflow, fields)] });
      const lastEvent = { ...fields, type: "TRANSITION", fromState: "CREATED", toState: "ACTIVE" };
      expect(await store.getWithLastEvent(workflowId("w"))).toStrictEqual({ workflow: moved.workflow, lastEvent });
      await store.apply({ puts: creation("silent").puts, events: [] });
      const silent = { workflow: workflow("silent"), lastEvent: undefined };
      expect(await store.getWithLastEvent(workflowId("silent"))).toStrictEqual(silent);
      expect(await store.getWithLastEvent(workflowId("x"))).toBeUndefined();
    });

    test("what is being written cannot be read yet, and what is being purged still can", async () => {
      const store = await openStore();
      expect(store.writable).toBe(true);
      const ended = creation("w", { state: "COMPLETED" });
      const [written, before] = await Promise.all([store.apply(ended), store.get(workflowId("w"))]);
      expect([written.ok, before]).toEqual([true, undefined]);
      const wanted = {
        workflows: [{ id: workflowId("w"), version: 1 }],
        beforeSequence: 9,
        eventCountMax: 9,
        freeIds: true,
        atMs: 1,
      };
      const [purged, still] = await Promise.all([store.purgeWorkflows(wanted), store.get(workflowId("w"))]);
      expect([purged, still?.id]).toEqual([{ ok: true, value: { workflows: ["w"], events: 1 } }, "w"]);
    });

    test("compare-and-set: absent", async () => {
      const store = await openStore();
      await store.apply(creation("w"));
      expect(await store.apply(creation("w", { metadata: {} }))).toStrictEqual(stale("w"));
      expect(await store.get(workflowId("w"))).toStrictEqual(workflow("w"));
    });

    test("compare-and-set: version", async () => {
      const store = await openStore();
      await store.apply(creation("w"));
      const moved = put(workflow("w"), { state: "ACTIVE" });
      expect(await store.apply({ puts: [moved], events: [] })).toStrictEqual({ ok: true, value: [] });
      expect(await store.apply({ puts: [moved], events: [] })).toStrictEqual(stale("w"));
      expect(await store.apply({ puts: [put(workflow("nowhere"), {})], events: [] })).toStrictEqual(stale("nowhere"));
      expect(await store.get(workflowId("w"))).toStrictEqual(moved.workflow);
    });

    test("compare-and-set: held by this transaction or by none", async () => {
      const store = await openStore();
      await store.apply(creation("w"));
      const taken = put(workflow("w"), { version: 1, hold: hold("tx-1") });
      expect(await store.apply({ puts: [taken], events: [] })).toMatchObject({ ok: true });
      expect(await store.apply({ puts: [taken], events: [] })).toStrictEqual(stale("w"));
      const released = put(taken.workflow, { version: 1, hold: undefined });
      const byOther: WorkflowPut = { ...released, expected: { version: 1, heldBy: transactionId("tx-2") } };
      expect(await store.apply({ puts: [byOther], events: [] })).toStrictEqual(stale("w"));
      expect(await store.apply({ puts: [released], events: [] })).toMatchObject({ ok: true });
      expect(await store.apply({ puts: [released], events: [] })).toStrictEqual(stale("w"));
    });

    test("a conflict rejects its own batch only, among batches written together", async () => {
      const store = await openStore();
      const results = await Promise.all(["a", "b", "a", "c", "b", "d"].map((id) => store.apply(creation(id))));
      expect(results.map(({ ok }) => ok)).toStrictEqual([true, true, false, true, false, true]);
      expect((await contents(store)).events.map((each) => [each.sequence, each.workflowId])).toStrictEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
        [4, "d"],
      ]);
    });

    test("nothing of a rejected batch is written", async () => {
      const store = await openStore();
      await store.apply(creation("w"));
      const before = await contents(store);
      const rejected: WorkflowBatch = {
        puts: [...creation("new").puts, put(workflow("w"), { state: "ACTIVE" }), put(workflow("nowhere"), {})],
        events: [event(workflow("new")), event(workflow("w"))],
        ...answering("r"),
        outcome: { transactionId: transactionId("tx"), coordinatorId: "c", outcome: "committed", atMs: 1 },
      };
      expect(await store.apply(rejected)).toStrictEqual(stale("nowhere"));
      expect(await contents(store)).toStrictEqual(before);
      expect(await store.answer(requestId("r"))).toBeUndefined();
      expect(await store.outcome(transactionId("tx"))).toBeUndefined();
      expect(await store.apply(creation("next"))).toMatchObject({ value: [{ sequence: 2 }] });
    });

    test("several workflows move in one batch", async () => {
      const store = await openStore();
      await store.apply(creation("a"));
      await store.apply(creation("b"));
      const puts = ["a", "b"].map((id) => put(workflow(id), { state: "ACTIVE" }));
      const applied = await store.apply({ puts, events: puts.map((each) => event(each.workflow)) });
      expect(applied).toMatchObject({
        value: [
          { sequence: 3, workflowId: "a" },
          { sequence: 4, workflowId: "b" },
        ],
      });
      expect((await contents(store)).counts).toMatchObject({ events: 4, byState: { CREATED: 0, ACTIVE: 2 } });
    });

    test("a request id is answered once, with the workflow and event of its batch, also after later changes", async () => {
      const store = await openStore();
      await store.apply(creation("other"));
      const [first, second] = await Promise.all([
        store.apply({ ...creation("w", { hold: hold("tx") }), ...answering("r") }),
        store.apply({ ...creation("w"), ...answering("r") }),
      ]);
      expect(first.ok).toBe(true);
      // Not `stale`: the caller repeated itself.
      expect(second).toStrictEqual({ ok: false, error: { type: "conflict", conflict: { type: "request-exists" } } });
      const created = workflow("w", { hold: hold("tx") });
      await store.apply({ puts: [put(created, { state: "ACTIVE", hold: undefined })], events: [] });
      expect(await store.answer(requestId("r"))).toStrictEqual({
        digest: "d",
        workflow: created,
        event: { ...event(created), sequence: 2 },
      });
    });

    test("a batch answers several requests, each with its own workflow and event, and none if one is answered already", async () => {
      const store = await openStore();
      await store.apply({ ...creation("first"), ...answering("taken") });
      const created = ["a", "b", "c"].map((id) => workflow(id));
      const puts = created.map((each): WorkflowPut => ({ workflow: each, expected: "absent" }));
      const events = created.map((each) => event(each));
      const answer = (id: string, at: number) => ({ id: requestId(id), digest: "d", atMs: 1, put: at, event: at });
      expect(await store.apply({ puts, events, answers: [answer("x", 0), answer("taken", 1)] })).toMatchObject({
        error: { conflict: { type: "request-exists" } },
      });
      expect(await store.answer(requestId("x"))).toBeUndefined();
      const applied = await store.apply({ puts, events, answers: [answer("x", 0), { ...answer("y", 1), put: 2, event: 1 }] });
      expect(applied.ok).toBe(true);
      expect(await store.answer(requestId("x"))).toMatchObject({
        workflow: { id: "a" },
        event: { workflowId: "a", sequence: 2 },
      });
      expect(await store.answer(requestId("y"))).toMatchObject({
        workflow: { id: "c" },
        event: { workflowId: "b", sequence: 3 },
      });
    });

    test("the first answer of a shared request stays; the same request again is no conflict, another one is", async () => {
      const store = await openStore();
      const shared = (digest: string) => ({
        answers: answering("r", digest).answers.map((each) => ({ ...each, shared: true as const })),
      });
      expect(await store.apply({ ...creation("a"), ...shared("d") })).toMatchObject({ ok: true });
      expect(await store.apply({ ...creation("b"), ...shared("d") })).toMatchObject({ ok: true });
      const misused = await store.apply({ ...creation("c"), ...shared("other") });
      expect(misused).toMatchObject({ error: { conflict: { type: "request-exists" } } });
      expect(await store.apply({ ...creation("c"), ...answering("r") })).toMatchObject({ ok: false });
      expect(await store.answer(requestId("r"))).toMatchObject({ digest: "d", workflow: { id: "a" }, event: { sequence: 1 } });
      expect((await contents(store)).counts).toMatchObject({ workflows: 2 });
    });

    test("metadata that stays is not written, whatever the put has", async () => {
      const store = await openStore();
      const created = workflow("w", { hold: hold("tx") });
      await store.apply(creation("w", { hold: hold("tx") }));
      const moved = put(created, { state: "ACTIVE", hold: undefined, metadata: {} });
      await store.apply({ puts: [{ ...moved, keeps: "metadata" }], events: [] });
      expect(await store.get(workflowId("w"))).toStrictEqual({ ...moved.workflow, metadata: created.metadata });
    });

    test("of a put that keeps all but the hold, the hold alone is written", async () => {
      const store = await openStore();
      const deadline = { atMs: 9, targetState: "CANCELLED", reason: "late", setBy: "ada", setAtMs: 1 } as const;
      const created = workflow("w", { type: "sample", metadata: { tray: 4 }, deadline });
      await store.apply({ puts: [{ workflow: created, expected: "absent" }], events: [event(created)] });
      const others = {
        state: "ACTIVE",
        version: 2,
        updatedAtMs: created.updatedAtMs + 1,
        metadata: {},
        deadline: undefined,
      } as const;
      const keeps = "all but the hold";
      const held = { ...created, hold: hold("tx") };
      await store.apply({ puts: [{ ...put(created, { ...others, hold: held.hold }), keeps }], events: [] });
      expect(await store.get(created.id)).toStrictEqual(held);
      expect(await store.due({ upToMs: 9, after: undefined, limit: 9 })).toStrictEqual([]);
      expect(await store.counts()).toMatchObject({ held: 1, byState: { CREATED: 1 } });
      const twice = { ...put(created, { hold: hold("other") }), keeps } as const;
      expect(await store.apply({ puts: [twice], events: [] })).toStrictEqual(stale("w"));
      await store.apply({ puts: [{ ...put(held, { ...others, hold: undefined }), keeps }], events: [] });
      expect(await store.get(created.id)).toStrictEqual(created);
      expect(await store.due({ upToMs: 9, after: undefined, limit: 9 })).toHaveLength(1);
    });

    test("a creation beyond the limit is rejected, also within its batch and among concurrent ones", async () => {
      const store = await openStore();
      const results = await Promise.all(["a", "b", "c", "a"].map((id) => store.apply({ ...creation(id), workflowCountMax: 2 })));
      expect(results.slice(0, 2).every(({ ok }) => ok)).toBe(true);
      expect(results.slice(2)).toStrictEqual([
        { ok: false, error: { type: "conflict", conflict: { type: "limit" } } },
        stale("a"),
      ]);
      const two = { puts: [...creation("c").puts, ...creation("d").puts], events: [], workflowCountMax: 3 };
      expect(await store.apply(two)).toMatchObject({ error: { conflict: { type: "limit" } } });
      expect(await store.apply({ ...creation("c"), workflowCountMax: 3 })).toMatchObject({ ok: true });
    });

    test("a creation counts for who has made it, until it is purged; one beyond that one's limit is rejected", async () => {
      const store = await openStore();
      const by = (principal: string, countMax?: number) => ({ creator: { principal, countMax } });
      const results = await Promise.all(["a", "b", "c", "a"].map((id) => store.apply({ ...creation(id), ...by("ada", 2) })));
      expect(results.slice(0, 2).every(({ ok }) => ok)).toBe(true);
      const limit = { ok: false, error: { type: "conflict", conflict: { type: "creator-limit", principal: "ada", limit: 2 } } };
      expect(results.slice(2)).toStrictEqual([limit, stale("a")]);
      const counts = () => Promise.all(["ada", "eve", "it's", ""].map((principal) => store.countCreatedAs(principal)));
      expect(await counts()).toEqual([2, 0, 0, 0]);
      expect(await store.apply({ ...creation("c"), ...by("eve", 2) })).toMatchObject({ ok: true });
      expect(await store.apply(creation("d"))).toMatchObject({ ok: true });
      const two = { puts: [...creation("e").puts, ...creation("f").puts], events: [] };
      expect(await store.apply({ ...two, ...by("eve", 2) })).toMatchObject({ error: { conflict: { type: "creator-limit" } } });
      expect(await store.apply({ ...two, ...by("it's", undefined) })).toMatchObject({ ok: true });
      expect(await counts()).toEqual([2, 1, 2, 0]);
      expect(await store.apply({ ...creation("g"), ...by("it's", 1) })).toMatchObject({ ok: false });
      // What has ended counts until it is purged.
      await store.apply({ puts: [put(workflow("a"), { state: "COMPLETED" })], events: [] });
      await store.apply({ puts: [put(workflow("d"), { state: "COMPLETED" })], events: [] });
      expect(await counts()).toEqual([2, 1, 2, 0]);
      const ended = ["a", "d"].map((id) => ({ id: workflowId(id), version: 2 }));
      const purged = await store.purgeWorkflows({
        workflows: ended,
        beforeSequence: 99,
        eventCountMax: 99,
        freeIds: false,
        atMs: 99,
      });
      expect(purged).toMatchObject({ value: { workflows: ["a", "d"] } });
      expect(await counts()).toEqual([1, 1, 2, 0]);
      expect(await store.apply({ ...creation("h"), ...by("ada", 2) })).toMatchObject({ ok: true });
      expect(await store.apply({ ...creation("i"), ...by("ada", 2) })).toStrictEqual(limit);
      expect((await contents(store)).counts).toMatchObject({ workflows: 5 });
    });

    test("an outcome is kept, and may be repeated but not changed", async () => {
      const store = await openStore();
      const aborted = { transactionId: transactionId("tx"), coordinatorId: "c", outcome: "aborted", atMs: 1 } as const;
      await store.apply({ puts: [], events: [], outcome: aborted });
      expect(await store.apply({ puts: [], events: [], outcome: aborted })).toMatchObject({ ok: true });
      const committed = { ...creation("w"), outcome: { ...aborted, outcome: "committed" } } as const;
      await expect(store.apply(committed)).rejects.toThrow("a transaction has one outcome");
      const { atMs: _, ...ended } = aborted;
      expect(await store.outcome(aborted.transactionId)).toEqual(ended);
      expect(await store.get(workflowId("w"))).toBeUndefined();
    });

    test("lists in the bytewise order of ids, page by page", async () => {
      const store = await openStore();
      // U+FF61 sorts before U+1F600 as bytes, after it as UTF-16.
      const ids = ["B", "a", "a-1", "a1", "b", "ｱ", "😀"];
      for (const id of ["b", "😀", "a1", "B", "ｱ", "a", "a-1"]) await store.apply(creation(id));
      for (const limit of [1, 3, 100]) expect((await everyWorkflow(store, limit)).map(({ id }) => id)).toStrictEqual(ids);
      expect(await store.list({ afterId: workflowId("a0"), limit: 1 })).toMatchObject({ rows: [{ id: "a1" }], upTo: "a1" });
    });

    test("events come in order, page by page, of all workflows or of one", async () => {
      const store = await openStore();
      expect(await store.sequences()).toStrictEqual({ oldest: 1, newest: 0 });
      for (const id of ["a", "b", "c"]) await store.apply(creation(id));
      const moves = ["a", "b", "a"].map((id) => ({ puts: [], events: [event(workflow(id))] }));
      for (const move of moves) await store.apply(move);
      const sequences = async (page: Parameters<WorkflowStore["listEvents"]>[0]): Promise<number[]> =>
        (await store.listEvents(page)).rows.map(({ sequence }) => sequence);
      const ranges = { workflowId: { oneOf: ["a"] } };
      expect(await sequences({ afterSequence: 0, limit: 4 })).toStrictEqual([1, 2, 3, 4]);
      expect(await sequences({ afterSequence: 4, limit: 4 })).toStrictEqual([5, 6]);
      expect(await sequences({ afterSequence: 6, limit: 4 })).toStrictEqual([]);
      expect(await sequences({ afterSequence: 0, limit: 2, ranges })).toStrictEqual([1, 4]);
      expect(await sequences({ afterSequence: 4, limit: 2, ranges })).toStrictEqual([6]);
      expect(await store.sequences()).toStrictEqual({ oldest: 1, newest: 6 });
    });

    test("nothing is looked at for what cannot be", async () => {
      const store = await openStore();
      await store.apply(creation("w", { type: "sample" }));
      const nothing = { rows: [], upTo: undefined, looked: 0 };
      const impossible = [{ oneOf: [] }, { min: "b", max: "a" }, { min: "b", oneOf: ["a"] }];
      for (const range of impossible) {
        const order = { by: "created", descending: true } as const;
        for (const ranges of [{ id: range }, { type: range }, { createdBy: range }])
          expect(await store.listSorted({ order, after: undefined, limit: 9, ranges })).toEqual({ ...nothing, led: [] });
        for (const ranges of [{ id: range }, { workflowId: range }, { requestedBy: range }])
          expect(await store.listEvents({ afterSequence: 0, limit: 9, ranges })).toEqual(nothing);
      }
    });

    test("a list gives what lies in its ranges, in order, stretch by stretch, and passes over the rest", async () => {
      const store = await openStore();
      const puts = workflowStates.flatMap((state) =>
        ["a", "a-1", "ab", "b", "ｱ", "😀"].map((id, index): WorkflowPut => {
          const times = { createdAtMs: 10 + index, stateEnteredAtMs: 15 + index, updatedAtMs: 20 + index };
          const by = { createdBy: `op-${index % 2}`, updatedBy: `op-${index % 3}` };
          const fields = { state, ...times, ...by, type: ["", "batch", "sample"][index % 3] ?? "" };
          return { workflow: workflow(`${id}.${state}`, fields), expected: "absent" };
        }),
      );
      const events = puts.map((each, index) =>
        event(each.workflow, { requestedBy: `op-${index % 3}`, type: index % 2 ? "FAILED" : "CREATED", occurredAtMs: index % 5 }),
      );
      await store.apply({ puts, events });
      const all = await contents(store);
      await fc.assert(
        fc.asyncProperty(workflowRanges, eventRanges, fc.integer({ min: 1, max: 9 }), async (ofWorkflows, ofEvents, limit) => {
          const listed: Workflow[] = [];
          for (let afterId: WorkflowId | undefined; ; ) {
            const { rows, upTo } = await store.list({ afterId, limit, ranges: ofWorkflows });
            listed.push(...rows);
            if (upTo === undefined) break;
            afterId = upTo;
          }
          expect(listed).toStrictEqual(all.workflows.filter((each) => lies({ ...each }, ofWorkflows)));
          const told: WorkflowEvent[] = [];
          for (let afterSequence = 0; ; ) {
            const { rows, upTo } = await store.listEvents({ afterSequence, limit, ranges: ofEvents });
            told.push(...rows);
            if (upTo === undefined) break;
            afterSequence = upTo;
          }
          expect(told).toStrictEqual(all.events.filter((each) => lies({ ...each }, ofEvents)));
        }),
      );
    });

    test("events are found by who was proved to have asked, or by that nobody was", async () => {
      const store = await openStore();
      const proofs = [{ authenticatedAs: "ada" }, {}, { authenticatedAs: "eve" }, { authenticatedAs: "ada" }];
      for (const [index, proof] of proofs.entries()) {
        const created = workflow(`w-${index}`);
        await store.apply({ puts: [{ workflow: created, expected: "absent" }], events: [event(created, proof)] });
      }
      const of = async (...names: readonly string[]) =>
        (await store.listEvents({ afterSequence: 0, limit: 9, ranges: { authenticatedAs: { oneOf: names } } })).rows.map(
          ({ sequence }) => sequence,
        );
      expect(await of("ada")).toEqual([1, 4]);
      expect(await of("")).toEqual([2]);
      expect(await of("ada", "eve")).toEqual([1, 3, 4]);
    });

    test("held pages through what transactions hold, in the order of their ids", async () => {
      const store = await openStore();
      await store.apply(creation("a", { hold: hold("tx-2") }));
      await store.apply(creation("b"));
      await store.apply(creation("c", { state: "FAILED", hold: hold("tx-1") }));
      await store.apply(creation("e", { hold: hold("tx-2") }));
      const held = async (afterId: string | undefined, limit: number) =>
        (await store.held({ afterId: afterId === undefined ? undefined : transactionId(afterId), limit })).map(({ id }) => id);
      expect(await held(undefined, 10)).toStrictEqual(["c", "a", "e"]);
      expect(await held(undefined, 1)).toStrictEqual(["c"]);
      expect(await held("tx-1", 1)).toStrictEqual(["a"]);
      expect(await held("tx-2", 1)).toStrictEqual([]);
      expect(await store.counts()).toMatchObject({ held: 3, recovering: 1 });
    });

    test("heldBy finds what a transaction holds, until it is released", async () => {
      const store = await openStore();
      await store.apply(creation("a", { hold: hold("tx-1") }));
      await store.apply(creation("b", { hold: hold("tx-2") }));
      for (const id of ["c", "d"]) await store.apply(creation(id, { hold: hold("tx-2") }));
      const heldBy = (owner: string, limit = 9, afterId?: WorkflowId) =>
        store.heldBy({ transactionId: transactionId(owner), limit, afterId });
      const [held, ...others] = await heldBy("tx-2");
      assert(held !== undefined, "b is held");
      expect(held).toStrictEqual(await store.get(workflowId("b")));
      expect(others.map(({ id }) => id)).toEqual(["c", "d"]);
      expect(await heldBy("tx-2", 1, workflowId("b"))).toStrictEqual(others.slice(0, 1));
      expect(await heldBy("tx")).toEqual([]);
      await store.apply({ puts: [put(held, { version: held.version, hold: undefined })], events: [] });
      expect(await heldBy("tx-2")).toStrictEqual(others);
    });

    test("the largest epoch of each coordinator is kept, with the id of that claim", async () => {
      const store = await open();
      const meet = (coordinatorEpoch: number, claimId: string) =>
        store.apply({ puts: [], events: [], coordinator: { coordinatorId: "c", coordinatorEpoch, claimId } });
      for (const epoch of [2, 5, 3]) await meet(epoch, `claim ${epoch}`);
      await meet(5, "other");
      expect(await store.coordinators()).toEqual([{ coordinatorId: "c", coordinatorEpoch: 5, claimId: "claim 5" }]);
    });

    test("purge drops old answers and outcomes, oldest first, at most the limit of each", async () => {
      const store = await openStore();
      for (const atMs of [10, 30, 20]) {
        const outcome = { transactionId: transactionId(`t${atMs}`), coordinatorId: "c", outcome: "aborted", atMs } as const;
        await store.apply({ ...creation(`w${atMs}`), ...answering(`r${atMs}`, "d", atMs), outcome });
      }
      const kept = async (): Promise<string> => {
        const found = [10, 20, 30].map(async (atMs) => [
          (await store.answer(requestId(`r${atMs}`))) && `r${atMs}`,
          (await store.outcome(transactionId(`t${atMs}`))) && `t${atMs}`,
        ]);
        return (await Promise.all(found)).flat().filter(Boolean).join(" ");
      };
      expect(await store.purge({ olderThanMs: 10, limit: 9 })).toStrictEqual({ ok: true, value: 0 });
      expect(await store.purge({ olderThanMs: 30, limit: 1 })).toStrictEqual({ ok: true, value: 2 });
      expect(await kept()).toBe("r20 t20 r30 t30");
      expect(await store.purge({ olderThanMs: 31, limit: 9 })).toStrictEqual({ ok: true, value: 4 });
      expect(await kept()).toBe("");
      expect((await contents(store)).events).toHaveLength(3);
    });

    test("purge keeps a committed outcome, however old: its decision may come again", async () => {
      const store = await openStore();
      const outcome = { transactionId: transactionId("t"), coordinatorId: "c", outcome: "committed", atMs: 1 } as const;
      await store.apply({ puts: [], events: [], outcome });
      expect(await store.purge({ olderThanMs: 1_000_000, limit: 9 })).toStrictEqual({ ok: true, value: 0 });
      expect((await store.outcome(outcome.transactionId))?.outcome).toBe("committed");
    });

    test("purgeOutcomes drops what one coordinator can not ask about any more, oldest first", async () => {
      const store = await openStore();
      for (const [id, coordinatorId, outcome, atMs] of [
        ["a", "c", "committed", 10],
        ["b", "c", "aborted", 20],
        ["c", "other", "committed", 10],
        ["d", "c", "committed", 30],
      ] as const) {
        await store.apply({ puts: [], events: [], outcome: { transactionId: transactionId(id), coordinatorId, outcome, atMs } });
      }
      const left = async (): Promise<string> => {
        const found = ["a", "b", "c", "d"].map(async (id) => ((await store.outcome(transactionId(id))) ? id : ""));
        return (await Promise.all(found)).join("");
      };
      const purge = (limit: number) => store.purgeOutcomes({ coordinatorId: "c", olderThanMs: 30, limit });
      expect(await purge(1)).toStrictEqual({ ok: true, value: 1 });
      expect(await left()).toBe("bcd");
      expect(await purge(9)).toStrictEqual({ ok: true, value: 1 });
      expect(await left()).toBe("cd");
    });

    test("a purged workflow is gone with its events; no later event has a sequence of theirs, and its id is refused", async () => {
      const store = await openStore();
      await store.apply(creation("stays"));
      await end(store, "w", { enteredAtMs: 10 });
      const before = await contents(store);
      expect(await store.purgeWorkflows(purge("w"))).toStrictEqual({ ok: true, value: { workflows: ["w"], events: 3 } });
      expect(await store.get(workflowId("w"))).toBeUndefined();
      expect(await store.getWithLastEvent(workflowId("w"))).toBeUndefined();
      const after = await contents(store);
      expect(after.events).toStrictEqual(before.events.filter(({ workflowId }) => workflowId === "stays"));
      expect(after.counts).toStrictEqual(recount(after));
      expect(await store.sequences()).toStrictEqual({ oldest: 5, newest: 4 });
      expect(await store.purgedAtMs(workflowId("w"))).toBe(99);
      expect(await store.purgedAtMs(workflowId("stays"))).toBeUndefined();

      const purged = { ok: false, error: { type: "conflict", conflict: { type: "purged", workflowId: "w" } } };
      expect(await store.apply(creation("w"))).toStrictEqual(purged);
      expect(await store.apply({ ...creation("next"), ...answering("r") })).toMatchObject({ value: [{ sequence: 5 }] });
      expect(await store.answer(requestId("r"))).toMatchObject({ event: { sequence: 5 } });
      expect(await store.purgeWorkflows(purge("w"))).toStrictEqual({ ok: true, value: { workflows: [], events: 0 } });
    });

    test("an id that is set free can be taken again", async () => {
      const store = await openStore();
      await end(store, "w", { enteredAtMs: 10 });
      expect(await store.purgeWorkflows({ ...purge("w"), freeIds: true })).toMatchObject({ value: { workflows: ["w"] } });
      expect(await store.purgedAtMs(workflowId("w"))).toBeUndefined();
      expect(await store.apply(creation("w"))).toMatchObject({ value: [{ sequence: 4 }] });
    });

    test("what is not as it was seen, has not ended, is answered for or has still to be told of, is not purged", async () => {
      const store = await openStore();
      await store.apply(creation("young"));
      await end(store, "told", { enteredAtMs: 10 });
      await end(store, "answered", { enteredAtMs: 10, ...answering("r") });
      await end(store, "changed", { enteredAtMs: 10 });
      await end(store, "fresh", { enteredAtMs: 10 });
      const { newest } = await store.sequences();
      const workflows = [
        { id: workflowId("young"), version: 1 },
        { id: workflowId("nowhere"), version: 1 },
        { id: workflowId("changed"), version: 2 },
        ...["told", "answered", "fresh"].map((id) => ({ id: workflowId(id), version: 3 })),
      ];
      const all = { ...purge(), workflows, beforeSequence: newest };
      expect(await store.purgeWorkflows(all)).toStrictEqual({ ok: true, value: { workflows: ["told"], events: 3 } });
      expect(await store.apply(creation("young"))).toMatchObject({ error: { conflict: { type: "stale" } } });
      expect(await store.answer(requestId("r"))).toMatchObject({ event: { workflowId: "answered" } });
      await store.purge({ olderThanMs: 100, limit: 9 });
      expect(await store.purgeWorkflows(all)).toMatchObject({ value: { workflows: ["answered"] } });
      expect(await store.purgeWorkflows({ ...all, beforeSequence: newest + 1 })).toMatchObject({
        value: { workflows: ["fresh"] },
      });
    });

    test("what decides whether a workflow may be purged is told as it is", async () => {
      const store = await openStore();
      await end(store, "answered", { enteredAtMs: 10, ...answering("r") });
      await end(store, "told", { enteredAtMs: 20 });
      const ended = { version: 3, state: "COMPLETED" } as const;
      const answered = { ...ended, id: workflowId("answered"), stateEnteredAtMs: 10, isAnswered: true, newestSequence: 3 };
      expect(await store.purgeFacts(answered.id)).toStrictEqual(answered);
      const told = { ...ended, id: workflowId("told"), stateEnteredAtMs: 20, isAnswered: false, newestSequence: 6 };
      expect(await store.purgeFacts(told.id)).toStrictEqual(told);
      expect(await store.purgeFacts(workflowId("nowhere"))).toBeUndefined();
      await store.purge({ olderThanMs: 100, limit: 9 });
      expect(await store.purgeFacts(answered.id)).toStrictEqual({ ...answered, isAnswered: false });
    });

    test("workflows are counted by type and state, page by page", async () => {
      const store = await openStore();
      for (const [id, type] of [
        ["a", "b"],
        ["b", "b"],
        ["c", "a"],
      ] as const) {
        await store.apply(creation(id, { type }));
      }
      await end(store, "d", { enteredAtMs: 10 });
      const counts: (readonly [string, string, number])[] = [];
      for (let after: TypeCount | undefined, isLast = false; !isLast; ) {
        const [next] = await store.typeCounts({ after, limit: 1 });
        if (next !== undefined && next.count > 0) counts.push([next.type, next.state, next.count]);
        isLast = next === undefined;
        after = next;
      }
      expect(counts).toEqual([
        ["", "COMPLETED", 1],
        ["a", "CREATED", 1],
        ["b", "CREATED", 2],
      ]);
    });

    test("of a workflow with very many events the oldest go first, and it goes with the last", async () => {
      const store = await openStore();
      await end(store, "w", { enteredAtMs: 10 });
      const some = { ...purge("w"), eventCountMax: 2 };
      expect(await store.purgeWorkflows(some)).toStrictEqual({ ok: true, value: { workflows: [], events: 2 } });
      expect(await store.get(workflowId("w"))).toMatchObject({ version: 3 });
      expect(await store.sequences()).toStrictEqual({ oldest: 3, newest: 3 });
      expect(await store.purgeWorkflows(some)).toStrictEqual({ ok: true, value: { workflows: ["w"], events: 1 } });
      expect((await contents(store)).counts).toMatchObject({ workflows: 0, events: 0, byState: { COMPLETED: 0 } });
    });

    test("what has ended is listed by type, the longest ended first", async () => {
      const store = await openStore();
      await store.apply(creation("young", { type: "alive" }));
      for (const [id, type, enteredAtMs] of [
        ["c", "b", 10],
        ["a", "b", 20],
        ["b", "b", 10],
        ["d", "", 10],
        ["e", "a", 30],
      ] as const) {
        await end(store, id, { type, enteredAtMs });
      }
      expect(await store.endedTypes({ after: undefined, limit: 9 })).toStrictEqual(["", "a", "b"]);
      expect(await store.endedTypes({ after: "", limit: 1 })).toStrictEqual(["a"]);
      const first = await store.ended({ type: "b", beforeMs: 21, limit: 2 });
      expect(first.rows).toStrictEqual([
        { id: "b", version: 3, enteredAtMs: 10 },
        { id: "c", version: 3, enteredAtMs: 10 },
      ]);
      const { upTo } = first;
      assert(upTo !== undefined, "there is more");
      expect((await store.ended({ type: "b", beforeMs: 21, after: upTo, limit: 2 })).rows).toMatchObject([{ id: "a" }]);
      expect((await store.ended({ type: "b", beforeMs: 20, limit: 9 })).rows).toHaveLength(2);
    });

    test("a listener is told of events that can be read, before their batch is acknowledged, and not of others", async () => {
      const store = await openStore();
      const told: string[] = [];
      const unsubscribe = store.onAppend((newest) => {
        told.push(`told ${newest}`);
        void store.listEvents({ afterSequence: newest - 1, limit: 1 }).then(({ rows }) => told.push(`read ${rows[0]?.sequence}`));
      });
      for (const id of ["a", "b"]) {
        const applied = await store.apply(creation(id));
        told.push(`applied ${applied.ok && applied.value[0]?.sequence}`);
        // No events.
        await store.apply({ puts: [put(workflow(id), {})], events: [] });
        await store.apply(creation(id));
      }
      expect(told.filter((each) => !each.startsWith("read"))).toStrictEqual(["told 1", "applied 1", "told 2", "applied 2"]);
      expect(told.filter((each) => each.startsWith("read"))).toStrictEqual(["read 1", "read 2"]);
      unsubscribe();
      await store.apply(creation("c"));
      expect(told).not.toContain("told 3");
    });

    test("beside purges, sequences go on without a gap, counts equal a recount, and every event is kept or below the oldest", async () => {
      await fc.assert(
        fc.asyncProperty(lives, async (wanted) => {
          const store = await openStore();
          const ever: WorkflowEvent[] = [];
          for (const { id, purge: toPurge, freeIds, beforeSequence, eventCountMax } of wanted) {
            const stored = await store.get(workflowId(id));
            if (toPurge) {
              const workflows = [{ id: workflowId(id), version: stored?.version ?? 1 }];
              await store.purgeWorkflows({ workflows, freeIds, beforeSequence, eventCountMax, atMs: 1 });
              continue;
            }
            const state = stored?.state === "CREATED" ? "ACTIVE" : "COMPLETED";
            const batch = stored ? move(stored, { state }) : creation(id);
            const applied = await store.apply(batch);
            if (applied.ok) ever.push(...applied.value);
          }
          expect(ever.map(({ sequence }) => sequence)).toStrictEqual(ever.map((_, index) => index + 1));
          const { oldest, newest } = await store.sequences();
          expect(newest).toBe(ever.length);
          const found = await contents(store);
          expect(found.events.filter(({ sequence }) => sequence >= oldest)).toStrictEqual(ever.slice(oldest - 1));
          expect(found.counts).toStrictEqual(recount(found));
          await store.close();
        }),
        { numRuns: 15 },
      );
    });

    test("a closed store refuses writes; closing again does nothing", async () => {
      const store = await openStore();
      const last = store.apply(creation("w"));
      await Promise.all([store.close(), store.close()]);
      expect(await last).toMatchObject({ ok: true });
      expect(await store.apply(creation("x"))).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
      expect(await store.purge({ olderThanMs: 1, limit: 1 })).toMatchObject({ error: { type: "storage-unavailable" } });
      const outcomes = { coordinatorId: "c", olderThanMs: 1, limit: 1 };
      expect(await store.purgeOutcomes(outcomes)).toMatchObject({ error: { type: "storage-unavailable" } });
      expect(await store.purgeWorkflows(purge("w"))).toMatchObject({ error: { type: "storage-unavailable" } });
    });

    test("under concurrent batches with conflicts, sequences have no gaps and counts equal a recount", async () => {
      await fc.assert(
        fc.asyncProperty(rounds, async (wanted) => {
          const store = await openStore();
          const appended: number[] = [];
          for (const round of wanted) {
            const results = await Promise.all((await toBatches(round, store)).map((batch) => store.apply(batch)));
            appended.push(...results.flatMap((result) => (result.ok ? result.value.map(({ sequence }) => sequence) : [])));
          }
          const found = await contents(store);
          expect(found.events.map(({ sequence }) => sequence)).toStrictEqual(found.events.map((_, index) => index + 1));
          expect(appended.toSorted((a, b) => a - b)).toStrictEqual(found.events.map(({ sequence }) => sequence));
          expect(found.counts).toStrictEqual(recount(found));
          const held = found.workflows.filter((each) => each.hold !== undefined);
          expect(found.held.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toStrictEqual(held);
          await store.close();
        }),
        { numRuns: 20 },
      );
    });
  });
}

const move = (from: Workflow, fields: Partial<Workflow>): WorkflowBatch => {
  const moved = put(from, fields);
  return { puts: [moved], events: [event(moved.workflow)] };
};

/** A workflow with three events, whose last move came in then. */
async function end(
  store: WorkflowStore,
  id: string,
  { enteredAtMs, type = "", ...answers }: { enteredAtMs: number; type?: string } & Pick<WorkflowBatch, "answers">,
): Promise<void> {
  const created = creation(id, { type });
  const active = move(workflow(id, { type }), { state: "ACTIVE" });
  const done = move(active.puts[0]?.workflow ?? workflow(id), { state: "COMPLETED", stateEnteredAtMs: enteredAtMs });
  for (const batch of [created, { ...active, ...answers }, done]) await store.apply(batch);
}

/** Of ended workflows. */
const purge = (...ids: readonly string[]) => ({
  workflows: ids.map((id) => ({ id: workflowId(id), version: 3 })),
  beforeSequence: Number.MAX_SAFE_INTEGER,
  eventCountMax: 100,
  freeIds: false,
  atMs: 99,
});

/** Each goes on with a life, or ends it. */
const lives = fc.array(
  fc.record({
    id: fc.constantFrom("a", "b", "c"),
    purge: fc.boolean(),
    freeIds: fc.boolean(),
    beforeSequence: fc.constantFrom(3, 6, 1_000),
    eventCountMax: fc.constantFrom(1, 2, 100),
  }),
  { maxLength: 40 },
);

const stale = (id: string): unknown => ({ ok: false, error: { type: "conflict", conflict: { type: "stale", workflowId: id } } });

/** Some of what is there, and some of what is not. */
function rangeOf<Value extends string | number>(...values: Value[]): fc.Arbitrary<Range<Value>> {
  const value = fc.constantFrom(...values);
  return fc.oneof(
    fc.record({ min: value }),
    fc.record({ min: value, max: value }),
    fc.record({ max: value }),
    fc.record({ oneOf: fc.uniqueArray(value) }),
    fc.record({ min: value, oneOf: fc.uniqueArray(value) }),
  );
}

const workflowRanges: fc.Arbitrary<Omit<WorkflowRanges, "metadata">> = fc.record(
  {
    id: rangeOf("", "a", "a.PAUSED", "aa", "ab.CREATED", "b", "b.FAILED", "ｱ", "ｱ.ACTIVE", "😀.ACTIVE", "😀.PAUSED"),
    state: rangeOf<string>(...workflowStates, "NONE"),
    type: rangeOf("", "batch", "order", "sample"),
    createdAtMs: rangeOf(9, 10, 12, 15),
    createdBy: rangeOf("op-0", "op-1", "op-9"),
    updatedAtMs: rangeOf(20, 23, 25, 26),
    updatedBy: rangeOf("op-0", "op-2", "op-9"),
    stateEnteredAtMs: rangeOf(15, 17, 20, 22),
  },
  { requiredKeys: [] },
);

const eventRanges: fc.Arbitrary<EventRanges> = fc.record(
  {
    id: rangeOf("event-a.PAUSED-1", "event-b", "event-b.FAILED-1"),
    sequence: rangeOf(0, 1, 7, 20, 36, 99),
    workflowId: rangeOf("a.PAUSED", "ab.CREATED", "b", "b.FAILED"),
    workflowType: rangeOf("", "batch", "order", "sample"),
    type: rangeOf("CREATED", "FAILED", "RECOVERED"),
    toState: rangeOf<string>(...workflowStates),
    occurredAtMs: rangeOf(0, 2, 4, 5),
    requestedBy: rangeOf("op-0", "op-2", "op-9"),
  },
  { requiredKeys: [] },
);

const lies = (
  row: Readonly<Record<string, unknown>>,
  ranges: Readonly<Record<string, Range<string> | Range<number> | undefined>>,
) => Object.entries(ranges).every(([field, range]) => isWithin(range as Range<string>, row[field] as string));

const someHold = fc.constantFrom(
  undefined,
  hold("tx-1", { targetState: "ACTIVE" }),
  hold("tx-1", { targetState: "CANCELLED" }),
  hold("tx-2", { targetState: "ACTIVE" }),
);

/** A change that is wanted of one workflow. `stale` is a guess at what is stored, instead of a look. */
type Change = Pick<Workflow, "state" | "hold"> & {
  readonly id: string;
  readonly keeps: WorkflowPut["keeps"] | undefined;
  readonly stale: WorkflowPut["expected"] | undefined;
};

type Wanted = Pick<WorkflowBatch, "answers" | "creator" | "outcome" | "workflowCountMax"> & {
  readonly changes: readonly Change[];
};

const guess: fc.Arbitrary<WorkflowPut["expected"]> = fc.oneof(
  fc.constant("absent" as const),
  fc.record({ version: fc.integer({ min: 1, max: 3 }), heldBy: fc.constantFrom(undefined, transactionId("tx-1")) }),
);

const change: fc.Arbitrary<Change> = fc.record({
  id: fc.constantFrom("a", "b", "c"),
  state: fc.constantFrom(...workflowStates, "FAILED", "FAILED"),
  hold: someHold,
  keeps: fc.constantFrom(undefined, "metadata", "all but the hold"),
  stale: fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, { arbitrary: guess, weight: 1 }),
});

const wanted: fc.Arbitrary<Wanted> = fc
  .record({
    changes: fc.uniqueArray(change, { selector: ({ id }) => id, minLength: 1, maxLength: 2 }),
    request: fc.constantFrom(undefined, ...Array.from({ length: 20 }, (_, index) => `r-${index}`)),
    outcome: fc.constantFrom(undefined, undefined, "tx-1", "tx-2"),
    workflowCountMax: fc.constantFrom(undefined, undefined, undefined, 1, 2, 3),
    creator: fc.constantFrom(undefined, { principal: "ada", countMax: 1 }, { principal: "eve", countMax: undefined }),
  })
  .map(({ changes, request, outcome, workflowCountMax, creator }) => ({
    changes,
    ...(request && answering(request)),
    ...(outcome && {
      outcome: { transactionId: transactionId(outcome), coordinatorId: "c", outcome: "committed" as const, atMs: 1 },
    }),
    ...(workflowCountMax && { workflowCountMax }),
    ...(creator && { creator }),
  }));

/** What is wanted together, round after round. Few ids, so that many of one round are in each other's way. */
export const rounds: fc.Arbitrary<readonly (readonly Wanted[])[]> = fc.array(fc.array(wanted, { maxLength: 8 }), {
  maxLength: 12,
});

/** The batches of callers that all look at the store before any of them writes. */
export const toBatches = (round: readonly Wanted[], store: WorkflowStore): Promise<WorkflowBatch[]> =>
  Promise.all(
    round.map(async ({ changes, ...rest }) => {
      const puts = await Promise.all(changes.map((each) => toPut(each, store)));
      return { puts, events: puts.map((each) => event(each.workflow)), ...rest };
    }),
  );

async function toPut({ id, state, hold: held, keeps, stale: guessed }: Change, store: WorkflowStore): Promise<WorkflowPut> {
  const stored = await store.get(workflowId(id));
  const looked: WorkflowPut =
    stored === undefined
      ? { workflow: workflow(id, { state, hold: held }), expected: "absent" }
      : put(stored, { state, hold: held, metadata: { version: stored.version } });
  const expected = guessed ?? looked.expected;
  return { ...looked, expected, ...(keeps !== undefined && expected !== "absent" && { keeps }) };
}
