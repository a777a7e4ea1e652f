import { describe, expect, test } from "vitest";
import type { ParticipantId, TransactionId, WorkflowId } from "../../../src/kernel/ids.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import { creation as creationOf, hold as holdOf } from "../../support/storage-values.ts";
import {
  allowed,
  beginTogether,
  creation,
  denied,
  managerOver,
  moveTo,
  prepare,
  requestId,
  tx,
  workflowId,
} from "../../support/workflow-manager.ts";

const request = { id: requestId("r"), digest: "d" };
const transactionId = tx("t1");
const yes = { value: "commit", reason: "" };
const stranger = {
  value: "abort",
  reason: "manager is reserved: the payload was not made by this workflow manager, or its caller has left",
};

async function withWorkflow() {
  const under = managerOver();
  await under.manager.create(creation());
  return under;
}

/** A workflow that is held for ACTIVE. */
async function prepared(command = moveTo("ACTIVE", { request })) {
  const under = await withWorkflow();
  const begun = await beginTogether(under, command);
  expect(await begun.prepare(transactionId)).toEqual(yes);
  return { ...under, ...begun };
}

describe("prepare", () => {
  test("holds the workflow, visibly and durably, for this coordinator; its version does not change", async () => {
    const { store } = await prepared();
    expect(await store.get(workflowId)).toMatchObject({
      state: "CREATED",
      version: 1,
      hold: {
        transactionId,
        coordinatorId: "c",
        coordinatorEpoch: 1,
        move: { targetState: "ACTIVE" },
        ruleSetRevision: 3,
        deadlineMs: 61_000,
      },
    });
    expect((await store.counts()).events).toBe(1);
  });

  test("is judged with the transaction and the last event; a move by itself, and what has not begun yet, without", async () => {
    const { asked, manager } = await prepared();
    expect(asked).toMatchObject([
      { transaction: { transactionId: undefined, participantIds: [] }, lastEvent: { type: "CREATED", requestedBy: "ada" } },
      { transaction: { transactionId, participantIds: [] }, lastEvent: { type: "CREATED", requestedBy: "ada" } },
    ]);
    await manager.create(creation("other"));
    await manager.move({ ...moveTo("ACTIVE"), workflowId: "other" as WorkflowId });
    expect(asked.at(-1)).toMatchObject({ transaction: undefined, workflow: { id: "other", type: "sample" } });
  });

  test("again, for the same transaction, says yes again and changes nothing", async () => {
    const { store, ...begun } = await prepared();
    const before = await store.get(workflowId);
    expect(await begun.prepare(transactionId)).toEqual(yes);
    expect(await store.get(workflowId)).toEqual(before);
  });

  // The coordinator asks again whoever has come back. A no would break the promise, and the transaction may be committed already.
  test("again, in a process that has only the store, says yes again", async () => {
    const { store } = await prepared();
    const restarted = managerOver(store).participant;
    const payload = new TextEncoder().encode("a name that no call of this process has");
    const asked = { payload, coordinatorId: "c", coordinatorEpoch: 2 };
    expect(await restarted.resource.prepare({ transactionId, ...asked })).toEqual(yes);
    expect(await restarted.resource.prepare({ transactionId: tx("t2"), ...asked })).toEqual(stranger);
  });

  test("of another move, of a workflow that is held, says no", async () => {
    const under = await withWorkflow();
    const first = await beginTogether(under, moveTo("ACTIVE"));
    const second = await beginTogether(under, moveTo("ACTIVE"));
    await first.prepare(transactionId);
    expect(await second.prepare(tx("t2"))).toEqual({ value: "abort", reason: "IN_TRANSITION: held by transaction t1" });
  });

  test("judges again: what a rule denies now is refused, with the rule's words", async () => {
    const under = await withWorkflow();
    const begun = await beginTogether(under, moveTo("ACTIVE"));
    under.engine.answer = async () => denied;
    expect(await begun.prepare(transactionId)).toEqual({ value: "abort", reason: "RULE_DENIED: cold: too warm" });
    expect((await under.store.get(workflowId))?.hold).toBeUndefined();
  });

  // Between the check before the transaction and the Prepare others go on: what the caller has named is compared with what is held now.
  test("judges again: a workflow that was moved since has another version than the expected one, and is not held", async () => {
    const under = await withWorkflow();
    await under.manager.move(moveTo("ACTIVE"));
    const begun = await beginTogether(under, moveTo("CANCELLED", { expectedVersion: 2 }));
    expect(await under.manager.move(moveTo("PAUSED"))).toMatchObject({ value: { workflow: { version: 3 } } });
    expect(await begun.prepare(transactionId)).toEqual({ value: "abort", reason: "VERSION_MISMATCH" });
    expect((await under.store.get(workflowId))?.hold).toBeUndefined();
    begun.answer(ok({ transactionId, outcome: "aborted", abortReason: "a NO", refusals: [] }));
    expect(await begun.moved).toMatchObject({
      error: { type: "version-mismatch", expectedVersion: 2, currentVersion: 3 },
    });
  });

  test("judges again: a recovery of what was recovered since is none any more, and holds nothing, though the move is legal", async () => {
    const under = await withWorkflow();
    for (const state of ["ACTIVE", "FAILED"] as const) await under.manager.move(moveTo(state));
    const begun = await beginTogether(under, moveTo("ACTIVE", { mustRecover: true }));
    for (const state of ["ACTIVE", "PAUSED"] as const) await under.manager.move(moveTo(state));
    expect(await begun.prepare(transactionId)).toEqual({ value: "abort", reason: "NOT_FAILED" });
    expect(await under.store.get(workflowId)).toMatchObject({ state: "PAUSED", retryCount: 1, hold: undefined });
    begun.answer(ok({ transactionId, outcome: "aborted", abortReason: "a NO", refusals: [] }));
    expect(await begun.moved).toMatchObject({ error: { type: "not-failed", state: "PAUSED" } });
  });

  // The same request would be done twice, once for each process that was asked.
  test("does not hold for a request that another process has answered meanwhile, though its move is allowed again", async () => {
    const under = await withWorkflow();
    const begun = await beginTogether(under, moveTo("ACTIVE", { request }));
    const other = managerOver(under.store);
    await other.manager.move(moveTo("ACTIVE", { request }));
    await other.manager.move(moveTo("PAUSED"));
    expect(await begun.prepare(transactionId)).toEqual({ value: "abort", reason: "the request was carried out already" });
    expect(await under.store.get(workflowId)).toMatchObject({ state: "PAUSED", version: 3, hold: undefined });
    begun.answer(ok({ transactionId, outcome: "aborted", abortReason: "a NO", refusals: [] }));
    expect(await begun.moved).toMatchObject({ value: { workflow: { state: "ACTIVE", version: 2 } } });
  });

  test("votes only when the hold is durable, and no hold that could not be written is voted for", async () => {
    const under = await withWorkflow();
    const begun = await beginTogether(under, moveTo("ACTIVE"));
    const { apply } = under.store;
    const flushed = Promise.withResolvers<void>();
    under.store.apply = async (batch) => {
      await flushed.promise;
      return apply(batch);
    };
    let vote: unknown;
    const voted = begun.prepare(transactionId).then((value) => {
      vote = value;
    });
    await new Promise((resolve) => void setImmediate(resolve));
    expect(vote).toBeUndefined();
    flushed.resolve();
    await voted;
    expect([vote, (await under.store.get(workflowId))?.hold?.transactionId]).toEqual([yes, transactionId]);

    const failing = await withWorkflow();
    const second = await beginTogether(failing, moveTo("ACTIVE"));
    failing.store.apply = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false });
    expect(await second.prepare(transactionId)).toMatchObject({ value: "abort" });
  });

  test("fails, so that it is aborted, when nobody knows whether the hold is durable; the abort releases it", async () => {
    const under = await withWorkflow();
    const begun = await beginTogether(under, moveTo("ACTIVE"));
    const { apply } = under.store;
    under.store.apply = async (batch) => {
      await apply(batch);
      return err({ type: "storage-unavailable", cause: "I/O error", outcomeUnknown: true });
    };
    await expect(begun.prepare(transactionId)).rejects.toThrow("the hold may be written or not: I/O error");
    expect(await under.store.get(workflowId)).toMatchObject({ hold: { transactionId } });
    under.store.apply = apply;
    await under.participant.resource.abort({ transactionId });
    expect((await under.store.get(workflowId))?.hold).toBeUndefined();
  });

  test("cuts its refusal to 1,000 characters", async () => {
    const under = await withWorkflow();
    const begun = await beginTogether(under, moveTo("ACTIVE"));
    const violations = [{ ruleId: "r", message: "😀".repeat(1_000) }];
    under.engine.answer = async () => ok({ type: "rule-denied", ruleSetRevision: 3, violations });
    expect(await begun.prepare(transactionId)).toEqual({ value: "abort", reason: `RULE_DENIED: r: ${"😀".repeat(984)}` });
  });
});

test("no verb reads what other transactions hold", async () => {
  const { store, participant, prepare: again } = await prepared();
  store.held = () => Promise.reject(new Error("all holds are read"));
  store.list = () => Promise.reject(new Error("all workflows are read"));
  expect(await again(transactionId)).toEqual(yes);
  expect(await participant.log.get(tx("t2"))).toBeUndefined();
  expect(await participant.log.get(transactionId)).toMatchObject({ state: "prepared" });
  await participant.resource.abort({ transactionId: tx("t2") });
  await participant.resource.commit({ transactionId });
  expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE" });
});

test("its log loads every hold, in slices", async () => {
  const { store, participant, breaths } = managerOver();
  const names = Array.from({ length: 100 }, (_, index) => `t${String(index).padStart(3, "0")}`);
  for (const name of names) await store.apply(creationOf(name, { hold: holdOf(name) }));
  const read = store.held;
  const rows: number[] = [];
  store.held = async (page) => {
    const found = await read(page);
    rows.push(found.length);
    return found;
  };
  const records = await participant.log.load();
  expect(records.map((record) => record.transactionId)).toEqual(names);
  // A one-phase promise is its participant's to decide: it would be committed at this start, whatever the coordinator has decided.
  expect(records.filter(({ onePhase }) => onePhase)).toEqual([]);
  expect(Math.max(...rows)).toBeLessThanOrEqual(16);
  expect(breaths.count).toBe(rows.length);
});

test("10,000 refused prepares leave nothing behind", async () => {
  const under = await withWorkflow();
  for (let count = 0; count < 10_000; count += 1) {
    under.engine.answer = async () => allowed;
    const begun = await beginTogether(under, moveTo("ACTIVE"));
    under.engine.answer = async () => denied;
    expect(await begun.prepare(tx(`t${count}`))).toMatchObject({ value: "abort" });
    begun.answer(err({ type: "unavailable", cause: "away" }));
    await begun.moved;
  }
  expect(under.ownPart.counts).toEqual({ endings: 0, wanted: 0 });
});

describe("what a stranger enlists is not prepared, and nothing of it is stored:", () => {
  const command = { workflowId, mustRecover: false, context: {}, move: { targetState: "ACTIVE", reason: "", requestedBy: "" } };
  const deep = `${'{"a":'.repeat(200)}1${"}".repeat(200)}`;

  test.each([
    { what: "nothing", bytes: "" },
    { what: "no JSON", bytes: "two tubes" },
    { what: "a move with an endless timeout", bytes: JSON.stringify({ call: "c", timeoutMs: 1e300, command }) },
    { what: "a move with metadata 200 levels deep", bytes: `{"call":"c","timeoutMs":1,"command":{"eventMetadata":${deep}}}` },
    {
      what: "a move with a forged request id",
      bytes: JSON.stringify({ call: "r", timeoutMs: 1, command: { ...command, request: { id: "r", digest: "d" } } }),
    },
  ])("$what", async ({ bytes }) => {
    const under = await withWorkflow();
    expect(await prepare(under, transactionId, Buffer.from(bytes))).toEqual(stranger);
    expect(under.asked).toEqual([]);
    expect((await under.store.get(workflowId))?.hold).toBeUndefined();
  });

  test("the payload of a call, in a transaction of its own", async () => {
    const { store, ...begun } = await prepared();
    expect(await begun.prepare(tx("t2"))).toEqual(stranger);
    expect(await store.get(workflowId)).toMatchObject({ hold: { transactionId } });
  });

  test("the payload of a call, once the coordinator has named its transaction", async () => {
    const begun = await beginTogether(await withWorkflow(), moveTo("ACTIVE"));
    begun.request.onBegun(transactionId);
    expect(await begun.prepare(tx("t2"))).toEqual(stranger);
    expect(await begun.prepare(transactionId)).toEqual(yes);
  });

  test("the payload of a call that is over", async () => {
    const under = await withWorkflow();
    const begun = await beginTogether(under, moveTo("ACTIVE"));
    begun.answer(err({ type: "unavailable", cause: "away" }));
    await begun.moved;
    expect(await begun.prepare(transactionId)).toEqual(stranger);
  });
});

describe("commit", () => {
  test("tells what the prepare was warned of, whatever the check before the transaction or the rules of now say", async () => {
    const under = await withWorkflow();
    const warnings = (message: string) => ({ first: [{ ruleId: "cold", ruleVersion: 1, message }], omitted: 0 });
    under.engine.answer = async ({ transaction }) =>
      ok({ type: "allowed", ruleSetRevision: 3, warnings: warnings(transaction?.transactionId ?? "not begun") });
    const { prepare, answer, moved } = await beginTogether(under, moveTo("ACTIVE", { request }));
    expect(await prepare(transactionId)).toEqual(yes);
    under.engine.answer = async () => denied;
    await under.participant.resource.commit({ transactionId });
    answer(ok({ transactionId, outcome: "committed", abortReason: "", refusals: [] }));
    expect(await moved).toMatchObject({ value: { event: { transactionId, warnings: warnings("t1") } } });
    expect(await managerOver(under.store).manager.move(moveTo("ACTIVE", { request }))).toMatchObject({
      value: { event: { warnings: warnings("t1") } },
    });
  });

  test("moves the held workflow, with its event and the answer to its request; again, it changes nothing", async () => {
    const { store, manager, participant } = await prepared();
    expect(await participant.resource.commit({ transactionId })).toBeUndefined();
    expect(await participant.resource.commit({ transactionId })).toBeUndefined();
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2, hold: undefined });
    const { rows: events } = await store.listEvents({ afterSequence: 0, limit: 10 });
    expect(events.map((event) => [event.version, event.transactionId])).toEqual([
      [1, undefined],
      [2, transactionId],
    ]);
    expect(await managerOver(store).manager.move(moveTo("ACTIVE", { request }))).toMatchObject({
      ok: true,
      value: { event: { transactionId } },
    });
    expect(await store.outcome(transactionId)).toEqual({ transactionId, coordinatorId: "c", outcome: "committed" });
    expect(await manager.move(moveTo("PAUSED"))).toMatchObject({ ok: true });
  });

  test("in another process, which has only the store", async () => {
    const { store } = await prepared();
    const restarted = managerOver(store);
    const record = { transactionId, state: "prepared", coordinatorId: "c", coordinatorEpoch: 1 };
    expect(await restarted.participant.log.load()).toMatchObject([record]);
    await restarted.participant.resource.commit({ transactionId });
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2 });
    expect(await restarted.participant.log.load()).toEqual([]);
  });

  test("is not blocked by a misuse of its request id since the prepare", async () => {
    const { store, participant } = await prepared();
    expect(await managerOver(store).manager.create(creation("wf-2", { ...request, digest: "other" }))).toMatchObject({
      ok: true,
    });
    await participant.resource.commit({ transactionId });
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2 });
    expect(await store.answer(request.id)).toMatchObject({ digest: "other" });
  });

  test("that cannot be written throws, and can be repeated", async () => {
    const { store, participant } = await prepared();
    await store.close();
    await expect(participant.resource.commit({ transactionId })).rejects.toThrow("storage-unavailable");
  });

  test("of what the store knows nothing of is a lost promise", async () => {
    const { participant } = await prepared();
    expect(await participant.resource.commit({ transactionId: tx("t2") })).toEqual({
      lost: "the workflow store has neither the hold of this transaction nor its event",
    });
  });
});

describe("abort", () => {
  test("releases the workflow as it was; again, it changes nothing", async () => {
    const { store, participant } = await prepared();
    const before = await store.get(workflowId);
    await participant.resource.abort({ transactionId });
    await participant.resource.abort({ transactionId });
    expect(await store.get(workflowId)).toEqual({ ...before, hold: undefined });
    expect((await store.counts()).events).toBe(1);
    expect(await store.answer(request.id)).toBeUndefined();
  });

  test("of a transaction that was never prepared leaves every workflow alone", async () => {
    const { store, participant } = await prepared();
    await participant.resource.abort({ transactionId: tx("t2") });
    expect(await store.get(workflowId)).toMatchObject({ hold: { transactionId } });
  });
});

describe("resolve", () => {
  const word = { workflowId, transactionId };

  test("committed: makes the held move without asking the rules, and answers who waits and who retries", async () => {
    const { store, manager, sessions, asked, answer, moved } = await prepared();
    const askedBefore = asked.length;
    const resolved = await manager.resolve({ ...word, outcome: "committed" });
    expect(resolved).toMatchObject({
      value: {
        workflow: { state: "ACTIVE", version: 2, hold: undefined },
        event: { sequence: 2, transactionId, reason: "because", requestedBy: "ada" },
        again: false,
      },
    });
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2, hold: undefined });
    expect(await store.outcome(transactionId)).toEqual({ transactionId, coordinatorId: "c", outcome: "committed" });
    expect(await managerOver(store).manager.move(moveTo("ACTIVE", { request }))).toMatchObject({
      value: { event: { sequence: 2 } },
    });
    expect(asked.length).toBe(askedBefore);
    expect(sessions.reread).toEqual([transactionId]);
    // The coordinator that is gone could have been slower than the operator.
    answer(ok({ transactionId, outcome: "committed", abortReason: "", refusals: [] }));
    expect(await moved).toMatchObject({ value: { event: { sequence: 2 } } });
  });

  test("aborted: releases the workflow as it was", async () => {
    const { store, manager, sessions } = await prepared();
    const before = await store.get(workflowId);
    const resolved = await manager.resolve({ ...word, outcome: "aborted" });
    expect(resolved).toEqual(ok({ workflow: { ...before, hold: undefined }, event: undefined, again: false }));
    expect(await store.get(workflowId)).toEqual({ ...before, hold: undefined });
    expect(await store.outcome(transactionId)).toEqual({ transactionId, coordinatorId: "c", outcome: "aborted" });
    expect(sessions.reread).toEqual([transactionId]);
  });

  test.each(["committed", "aborted"] as const)(
    "again as %s changes nothing; otherwise it is refused, and says how it ended",
    async (outcome) => {
      const { store, manager } = await prepared();
      await manager.resolve({ ...word, outcome });
      const after = await store.get(workflowId);
      expect(await manager.resolve({ ...word, outcome })).toEqual(ok({ workflow: after, event: undefined, again: true }));
      const contrary = outcome === "committed" ? "aborted" : "committed";
      expect(await manager.resolve({ ...word, outcome: contrary })).toMatchObject({
        error: { type: "transaction-state", outcome, cause: `it is ${outcome} here` },
      });
      expect(await store.get(workflowId)).toEqual(after);
    },
  );

  test("refuses what does not hold the workflow, and a workflow that is not there", async () => {
    const { store, manager } = await prepared();
    const held = await store.get(workflowId);
    expect(await manager.resolve({ ...word, transactionId: tx("t2"), outcome: "aborted" })).toMatchObject({
      error: { type: "transaction-state", outcome: undefined, cause: "it does not hold this workflow" },
    });
    expect(await manager.resolve({ ...word, workflowId: "wf-2" as typeof workflowId, outcome: "aborted" })).toMatchObject({
      error: { type: "workflow-not-found" },
    });
    expect(await store.get(workflowId)).toEqual(held);
  });

  test("is refused while its own coordinator is connected, and not because of another", async () => {
    const { store, manager, sessions } = await prepared();
    sessions.connected = ["d", "c"];
    expect(await manager.resolve({ ...word, outcome: "aborted" })).toMatchObject({
      error: { type: "transaction-state", cause: "its coordinator c is connected, and tells how it ends" },
    });
    expect(await store.get(workflowId)).toMatchObject({ hold: { transactionId } });
    sessions.connected = ["d"];
    expect(await manager.resolve({ ...word, outcome: "aborted" })).toMatchObject({ ok: true });
  });

  test("that meets the coordinator's own end while it writes answers as that has it", async () => {
    const { store, manager, participant } = await prepared();
    const apply = store.apply;
    store.apply = async (batch) => {
      store.apply = apply;
      await participant.resource.commit({ transactionId });
      return store.apply(batch);
    };
    expect(await manager.resolve({ ...word, outcome: "aborted" })).toMatchObject({ error: { outcome: "committed" } });
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2 });
  });

  test("that cannot be written says so", async () => {
    const { store, manager } = await prepared();
    await store.close();
    expect(await manager.resolve({ ...word, outcome: "aborted" })).toMatchObject({ error: { type: "storage-unavailable" } });
  });

  test("is not contradicted by a decision that was on its way: it is neither undone nor acknowledged", async () => {
    const committed = await prepared();
    await committed.manager.resolve({ ...word, outcome: "committed" });
    await expect(committed.participant.resource.abort({ transactionId })).rejects.toThrow("the held move was made before");
    const aborted = await prepared();
    await aborted.manager.resolve({ ...word, outcome: "aborted" });
    expect(await aborted.participant.resource.commit({ transactionId })).toEqual({
      lost: "the hold of this transaction was released before",
    });
  });

  test("is acknowledged when the coordinator decides the same", async () => {
    const committed = await prepared();
    await committed.manager.resolve({ ...word, outcome: "committed" });
    expect(await committed.participant.resource.commit({ transactionId })).toBeUndefined();
    const aborted = await prepared();
    await aborted.manager.resolve({ ...word, outcome: "aborted" });
    expect(await aborted.participant.resource.abort({ transactionId })).toBeUndefined();
  });
});

test("the log says how each transaction ended here and whose it was, and remembers an abort that came before its Prepare", async () => {
  const { participant } = await prepared();
  const { log, resource } = participant;
  const recordOf = async (id: TransactionId) => {
    const record = await log.get(id);
    return record && [record.state, record.coordinatorId];
  };
  expect([await recordOf(transactionId), await recordOf(tx("t2"))]).toEqual([["prepared", "c"], undefined]);
  await log.persist({ transactionId: tx("t2"), coordinatorId: "d", state: "aborted" });
  await log.persist({ transactionId: tx("t2"), coordinatorId: "d", state: "aborted" });
  // The hold itself is the record of its promise, and what is lost is looked for each time: neither has ended.
  await log.persist({ transactionId: tx("t3"), coordinatorId: "c", state: "lost" });
  await log.persist({ transactionId, coordinatorId: "c", state: "prepared" });
  expect([await recordOf(tx("t3")), await recordOf(transactionId)]).toEqual([undefined, ["prepared", "c"]]);
  await resource.commit({ transactionId });
  expect([await recordOf(transactionId), await recordOf(tx("t2"))]).toEqual([
    ["committed", "c"],
    ["aborted", "d"],
  ]);
});

// Whoever was replaced is refused by what was seen of its successor; so that is durable before anything of the successor is acted on.
test("the log keeps which coordinator was seen, and an abort, before it says so; what it cannot write it does not say", async () => {
  const { store, participant } = await withWorkflow();
  const { log } = participant;
  const seen = { coordinatorId: "c", coordinatorEpoch: 7, claimId: "x" };
  const { apply } = store;
  const flushed = Promise.withResolvers<void>();
  store.apply = async (batch) => {
    await flushed.promise;
    return apply(batch);
  };
  const done: string[] = [];
  const noted = [
    log.persistCoordinator(seen).then(() => done.push("coordinator")),
    log.persist({ transactionId: tx("t2"), coordinatorId: "c", state: "aborted" }).then(() => done.push("abort")),
  ];
  await new Promise((resolve) => void setImmediate(resolve));
  expect(done).toEqual([]);
  flushed.resolve();
  await Promise.all(noted);
  expect(await managerOver(store).participant.log.coordinators()).toEqual([seen]);
  store.apply = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false });
  await expect(log.persistCoordinator({ ...seen, coordinatorEpoch: 8 })).rejects.toThrow("storage-unavailable");
  await expect(log.persist({ transactionId: tx("t3"), coordinatorId: "c", state: "aborted" })).rejects.toThrow(
    "storage-unavailable",
  );
});

test("the log drops old outcomes of a coordinator that has had the time to send them again, what was committed too", async () => {
  const { participant, store, clock } = await prepared();
  clock.nowMs = 5_000;
  await participant.resource.commit({ transactionId });
  const before = { coordinatorId: "c", updatedBeforeMs: 5_000, limit: 9 };
  expect(await participant.log.purge(before)).toBe(0);
  expect(await participant.log.purge({ ...before, coordinatorId: "other", updatedBeforeMs: 9_000 })).toBe(0);
  expect(await store.outcome(transactionId)).toMatchObject({ outcome: "committed" });
  expect(await participant.log.purge({ ...before, updatedBeforeMs: 9_000 })).toBe(1);
  expect(await store.outcome(transactionId)).toBeUndefined();
  await store.close();
  await expect(participant.log.purge(before)).rejects.toThrow("the store is closed");
});

describe("a move together", () => {
  const committed = { transactionId, outcome: "committed", abortReason: "", refusals: [] } as const;

  test("enlists the manager itself and everybody it was asked for, in one transaction", async () => {
    const under = await withWorkflow();
    const others = ["stock", "billing"].map((name) => ({ participantId: name as ParticipantId, payload: Buffer.from(name) }));
    const asked = Promise.withResolvers<readonly unknown[]>();
    under.coordinator.execute = async ({ parts }) => {
      asked.resolve(parts);
      return err({ type: "refused", cause: "enough" });
    };
    const moves = { commands: [moveTo("ACTIVE")], reason: "because", requestedBy: "ada", request: undefined };
    const together = { parts: others, waitForParticipantsMs: 0, deadlineMs: 61_000 };
    await under.manager.moveAll(moves, together, { signal: new AbortController().signal });
    expect(await asked.promise).toEqual([{ participantId: "manager", payload: expect.anything() }, ...others]);
  });

  test("of what another request holds hears that it is held, and not of the other's end", async () => {
    const { store } = await prepared();
    const restarted = managerOver(store);
    const other = moveTo("ACTIVE", { request: { id: requestId("another"), digest: "d" } });
    expect(await restarted.manager.moveTogether(other)).toMatchObject({ error: { type: "in-transition", transactionId } });
  });

  test("answers when its own part is committed here", async () => {
    const under = await withWorkflow();
    const begun = await beginTogether(under, moveTo("ACTIVE"));
    await begun.prepare(transactionId);
    // The coordinator's answer may be faster than its decision.
    begun.answer(ok(committed));
    setImmediate(() => under.participant.resource.commit({ transactionId }));
    expect(await begun.moved).toMatchObject({
      ok: true,
      value: { workflow: { version: 2, hold: undefined }, event: { sequence: 2, transactionId } },
    });
  });

  test("that its own part refused says why, as a plain move would", async () => {
    const under = await withWorkflow();
    const begun = await beginTogether(under, moveTo("ACTIVE"));
    under.engine.answer = async () => denied;
    await begun.prepare(transactionId);
    begun.answer(ok({ ...committed, outcome: "aborted", abortReason: "refused" }));
    expect(await begun.moved).toMatchObject({ error: { type: "rule-denied" } });
  });

  test("that others refused names them", async () => {
    const begun = await beginTogether(await withWorkflow(), moveTo("ACTIVE"));
    const refusals = [{ participantId: "stock" as ParticipantId, reason: "none left" }];
    begun.answer(ok({ ...committed, outcome: "aborted", abortReason: "no", refusals }));
    expect(await begun.moved).toEqual({
      ok: false,
      error: { type: "transaction-aborted", workflowId, transactionId, abortReason: "no", refusals },
    });
  });

  test.each([
    { failure: "pending", error: { type: "outcome-pending", transactionId } },
    { failure: "unavailable", error: { type: "coordinator-unavailable", cause: "away", transactionId } },
    { failure: "overloaded", error: { type: "coordinator-overloaded", cause: "away" } },
    { failure: "refused", error: { type: "coordinator-refused", cause: "away" } },
  ] as const)("whose coordinator answers $failure says so, with the transaction that was begun", async ({ failure, error }) => {
    const begun = await beginTogether(await withWorkflow(), moveTo("ACTIVE"));
    begun.request.onBegun(transactionId);
    begun.answer(err({ type: failure, cause: "away" }));
    expect(await begun.moved).toMatchObject({ error });
  });

  test("tells its caller of the transaction as soon as it is known, from the coordinator or from the Prepare", async () => {
    const told: TransactionId[] = [];
    const caller = { onBegun: (id: TransactionId) => told.push(id) };
    const under = await withWorkflow();
    const first = await beginTogether(under, moveTo("ACTIVE"), caller);
    first.request.onBegun(transactionId);
    await expect.poll(() => told).toEqual([transactionId]);
    const second = await beginTogether(under, moveTo("ACTIVE"), caller);
    await second.prepare(tx("t2"));
    await expect.poll(() => told).toEqual([transactionId, tx("t2")]);
  });
});
