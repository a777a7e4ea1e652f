import { describe, expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { ok } from "../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { patientRaceCountMax } from "../../../src/workflow/limits.ts";
import type { WorkflowStore } from "../../../src/workflow/ports.ts";
import {
  allowed,
  beginTogether,
  creation,
  denied,
  managerOver,
  moveTo,
  requestId,
  tx,
  workflowId,
} from "../../support/workflow-manager.ts";

const workflowIdOf = (id: string) => id as WorkflowId;
const key = (id: string, digest = "d") => ({ id: requestId(id), digest });

const warnings = { first: [{ ruleId: "cold", ruleVersion: 2, message: "warm" }], omitted: 1 };

async function withWorkflow(store?: WorkflowStore) {
  const under = managerOver(store);
  await under.manager.create(creation());
  return under;
}

describe("create", () => {
  test("makes an id if none is given", async () => {
    const { manager, store } = managerOver();
    const created = await manager.create({ ...creation(), workflowId: undefined });
    expect(created).toMatchObject({ ok: true, value: { workflow: { version: 1, state: "CREATED" }, event: { sequence: 1 } } });
    expect((await store.counts()).workflows).toBe(1);
  });

  test("of an id that exists, or beyond the limit", async () => {
    const { manager } = managerOver(undefined, { workflowCountMax: 1 });
    await manager.create(creation());
    expect(await manager.create(creation())).toMatchObject({ error: { type: "workflow-already-exists", workflowId } });
    expect(await manager.create(creation("wf-2"))).toEqual({ ok: false, error: { type: "workflow-limit-reached", limit: 1 } });
  });

  test("by one who has created as many as there may be, until some of them are purged", async () => {
    const exceeded: string[] = [];
    const quota = { most: (name: string) => (name === "ada" ? 2 : undefined), exceeded: (name: string) => exceeded.push(name) };
    const { manager, store } = managerOver(undefined, { quota });
    const create = (id: string, request?: ReturnType<typeof key>, authenticatedAs = "ada") =>
      manager.create({ ...creation(id, request), authenticatedAs });
    const full = { ok: false, error: { type: "workflow-quota", principal: "ada", limit: 2, count: 2 } };
    const [first, ...others] = await Promise.all(["a", "b", "c"].map((id) => create(id, key(id))));
    expect([first, ...others]).toMatchObject([{ ok: true }, { ok: true }, full]);
    expect(exceeded).toEqual(["ada"]);
    // What was created has its answer, and what was refused is not remembered.
    expect(await create("a", key("a"))).toEqual(first);
    expect(await create("a")).toMatchObject({ error: { type: "workflow-already-exists" } });
    expect(await manager.create({ ...creation("a"), authenticatedAs: "ada", ifExists: "return" })).toMatchObject({ ok: true });
    for (const id of ["d", "e", "f"]) expect(await create(id, undefined, "eve")).toMatchObject({ ok: true });
    expect(await manager.create(creation("nobody's"))).toMatchObject({ ok: true });
    for (const state of ["ACTIVE", "CANCELLED"] as const) await manager.move(moveTo(state, { workflowId: workflowIdOf("a") }));
    expect(await create("c", key("c"))).toEqual(full);
    await store.purge({ olderThanMs: Number.MAX_SAFE_INTEGER, limit: 9 });
    const workflows = [{ id: workflowIdOf("a"), version: 3 }];
    await store.purgeWorkflows({ workflows, beforeSequence: 99, eventCountMax: 9, freeIds: false, atMs: 1 });
    expect(await create("c", key("c"))).toMatchObject({ ok: true });
    expect(await create("g")).toEqual(full);
  });

  test("that races with its own retry answers both with the one workflow", async () => {
    const { manager, store } = managerOver();
    const [first, second] = await Promise.all(
      [1, 2].map(() => manager.create({ ...creation(undefined, key("r")), workflowId: undefined })),
    );
    expect(first).toMatchObject({ ok: true });
    expect(second).toEqual(first);
    expect((await store.counts()).workflows).toBe(1);
  });

  test("that takes one that is there, and races with another, takes what that has made if it is the same", async () => {
    const { manager } = managerOver();
    const [first, same, other] = await Promise.all([
      manager.create({ ...creation(), ifExists: "return" }),
      manager.create({ ...creation(), ifExists: "return" }),
      manager.create({ ...creation(), ifExists: "return", metadata: { site: "S-2" } }),
    ]);
    expect(first).toMatchObject({ ok: true, value: { alreadyExisted: false } });
    expect(same).toMatchObject({ ok: true, value: { alreadyExisted: true, event: { sequence: 1 } } });
    expect(other).toMatchObject({ error: { type: "workflow-already-exists", differences: ["metadata"] } });
  });

  test("that races with another request of the same id: the loser hears of the misuse", async () => {
    const { manager } = managerOver();
    const results = await Promise.all(["a", "b"].map((digest) => manager.create(creation(`wf-${digest}`, key("r", digest)))));
    expect(results).toMatchObject([{ ok: true }, { ok: false, error: { type: "request-id-reused", requestId: "r" } }]);
  });
});

describe("metadata of a workflow that is to have a type", () => {
  test("is asked about before it is written, and the event says under which rules", async () => {
    const { manager, askedOfMetadata } = managerOver();
    const created = await manager.create({ ...creation(), metadata: { a: 1 } });
    expect(created).toMatchObject({ ok: true, value: { event: { ruleSetRevision: 3 } } });
    expect(askedOfMetadata).toEqual([{ workflowType: "sample", metadata: { a: 1 } }]);
  });

  test("is not asked about without a type", async () => {
    const { manager, askedOfMetadata } = managerOver();
    const created = await manager.create({ ...creation(), type: "" });
    expect(created).toMatchObject({ ok: true, value: { event: { ruleSetRevision: 0 } } });
    expect(askedOfMetadata).toEqual([]);
  });

  test("that breaks the schema is refused, with all that is wrong, and nothing is written", async () => {
    const { manager, engine, store } = managerOver();
    const violations = [{ path: "metadata.a", message: "is 1, must be a string" }];
    engine.answerOfMetadata = async () => ok({ ruleSetRevision: 4, violations });
    const refused = { type: "metadata-invalid", workflowType: "sample", ruleSetRevision: 4, violations };
    expect(await manager.create(creation(undefined, key("r")))).toEqual({ ok: false, error: refused });
    expect((await store.counts()).workflows).toBe(0);
    // What was refused is not remembered.
    engine.answerOfMetadata = async () => ok({ ruleSetRevision: 5, violations: [] });
    expect(await manager.create(creation(undefined, key("r")))).toMatchObject({ ok: true });
  });

  test("is not asked about again by a retry, which gets its first answer whatever the schema says now", async () => {
    const { manager, engine, askedOfMetadata } = managerOver();
    const first = await manager.create(creation(undefined, key("r")));
    engine.answerOfMetadata = async () => ok({ ruleSetRevision: 4, violations: [{ path: "metadata", message: "is wrong" }] });
    expect(await manager.create(creation(undefined, key("r")))).toEqual(first);
    expect(askedOfMetadata).toHaveLength(1);
  });

  test("is looked at before the id and the limit", async () => {
    const { manager, engine } = managerOver(undefined, { workflowCountMax: 1 });
    await manager.create(creation());
    engine.answerOfMetadata = async () => ok({ ruleSetRevision: 4, violations: [{ path: "metadata", message: "is wrong" }] });
    expect(await manager.create(creation())).toMatchObject({ error: { type: "metadata-invalid" } });
  });

  const refusal = { why: "too-large", cause: "large", limit: 7, fields: [] } as const;
  test.each([
    [
      { type: "unavailable", cause: "gone" },
      { type: "predicate-logic-unavailable", cause: "gone" },
    ],
    [
      { type: "overloaded", cause: "a crowd", retryAfterMs: 300 },
      { type: "predicate-logic-overloaded", retryAfterMs: 300 },
    ],
    [
      { type: "refused", refusal },
      { type: "predicate-logic-refused", refusal },
    ],
  ] as const)("without an answer from the engine is not written: %j", async (failure, error) => {
    const { manager, engine, store } = managerOver();
    engine.answerOfMetadata = async () => ({ ok: false, error: failure });
    expect(await manager.create(creation())).toMatchObject({ error: { ...error, workflowId } });
    expect((await store.counts()).workflows).toBe(0);
  });

  test("is not written when nobody waits for it any more", async () => {
    const { manager, engine, store } = managerOver();
    const caller = new AbortController();
    const asked = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    engine.answerOfMetadata = async () => {
      asked.resolve();
      await gate.promise;
      return ok({ ruleSetRevision: 4, violations: [] });
    };
    const created = manager.create(creation(), { signal: caller.signal });
    await asked.promise;
    caller.abort();
    expect(await created).toMatchObject({ error: { type: "outcome-pending" } });
    gate.resolve();
    await manager.create(creation("wf-2"));
    expect((await store.counts()).workflows).toBe(1);
  });
});

describe("a move", () => {
  test("that loses a race is judged again, on the workflow as it is then", async () => {
    const under = await withWorkflow();
    const { manager, engine, asked, store } = under;
    await manager.move(moveTo("ACTIVE"));
    const rival = managerOver(store);
    engine.answer = async ({ workflow }) => {
      // While the engine thinks, somebody else is faster, twice.
      if (workflow.version < 4) await rival.manager.move(moveTo(workflow.state === "ACTIVE" ? "PAUSED" : "ACTIVE"));
      return allowed;
    };
    expect(await manager.move(moveTo("CANCELLED"))).toMatchObject({
      ok: true,
      value: { workflow: { version: 5, state: "CANCELLED" } },
    });
    expect(asked.slice(1).map(({ workflow }) => [workflow.version, workflow.state])).toEqual([
      [2, "ACTIVE"],
      [3, "PAUSED"],
      [4, "ACTIVE"],
    ]);
  });

  test("that loses a race and expected a version hears of the version that won", async () => {
    const { manager, engine, store } = await withWorkflow();
    const rival = managerOver(store);
    engine.answer = async () => {
      await rival.manager.move(moveTo("ACTIVE"));
      return allowed;
    };
    const moved = await manager.move(moveTo("ACTIVE", { expectedVersion: 1 }));
    expect(moved).toEqual({ ok: false, error: { type: "version-mismatch", workflowId, expectedVersion: 1, currentVersion: 2 } });
  });

  test("that loses every race gives up, after a bounded number of them", async () => {
    const { manager, engine, asked, store } = await withWorkflow();
    await manager.move(moveTo("ACTIVE"));
    asked.length = 0;
    const rival = managerOver(store);
    engine.answer = async ({ workflow }) => {
      await rival.manager.move(moveTo(workflow.state === "ACTIVE" ? "PAUSED" : "ACTIVE"));
      return allowed;
    };
    expect(await manager.move(moveTo("CANCELLED"))).toMatchObject({
      error: { type: "version-mismatch", expectedVersion: undefined, currentVersion: 2 + patientRaceCountMax },
    });
    expect(asked).toHaveLength(patientRaceCountMax);
  });

  test("that was answered before gets that answer, and the engine is not asked", async () => {
    const { manager, asked } = await withWorkflow();
    const first = await manager.move(moveTo("ACTIVE", { request: key("r") }));
    await manager.move(moveTo("PAUSED"));
    expect(await manager.move(moveTo("ACTIVE", { request: key("r") }))).toEqual(first);
    expect(asked).toHaveLength(2);
    expect(await manager.move(moveTo("PAUSED", { request: key("r", "other") }))).toMatchObject({
      error: { type: "request-id-reused" },
    });
  });

  test("that races with its own retry gets the one answer, whichever way it lost", async () => {
    const { manager, engine, store } = await withWorkflow();
    const twin = managerOver(store);
    let original: unknown;
    engine.answer = async () => {
      original ??= await twin.manager.move(moveTo("ACTIVE", { request: key("r") }));
      return allowed;
    };
    expect(await manager.move(moveTo("ACTIVE", { request: key("r") }))).toEqual(original);
    expect((await store.counts()).events).toBe(2);
  });

  test("whose id is used for something else while the engine thinks is a misuse, and moves nothing", async () => {
    const { manager, engine, store } = await withWorkflow();
    const rival = managerOver(store);
    engine.answer = async () => {
      await rival.manager.create(creation("wf-2", key("r", "other")));
      return allowed;
    };
    expect(await manager.move(moveTo("ACTIVE", { request: key("r") }))).toMatchObject({ error: { type: "request-id-reused" } });
    expect(await store.get(workflowId)).toMatchObject({ state: "CREATED" });
  });

  test("of a held workflow is refused, and the engine is not asked", async () => {
    const under = await withWorkflow();
    const { prepare } = await beginTogether(under, moveTo("ACTIVE"));
    await prepare(tx("t1"));
    under.asked.length = 0;
    const inTransition = { error: { type: "in-transition", transactionId: "t1", targetState: "ACTIVE" } };
    expect(await under.manager.move(moveTo("ACTIVE"))).toMatchObject(inTransition);
    expect(await under.manager.moveTogether(moveTo("ACTIVE"))).toMatchObject(inTransition);
    expect(under.asked).toEqual([]);
  });

  test("without an answer from the engine moves nothing", async () => {
    const { manager, engine, store } = await withWorkflow();
    engine.answer = async () => ({ ok: false, error: { type: "unavailable", cause: "gone" } });
    expect(await manager.move(moveTo("ACTIVE"))).toMatchObject({ error: { type: "predicate-logic-unavailable", cause: "gone" } });
    expect(await store.get(workflowId)).toMatchObject({ version: 1 });
  });

  test("that the engine does not take is told as what it is, for it would not take it later either", async () => {
    const { manager, engine } = await withWorkflow();
    const refusal = { why: "invalid", cause: "bad", limit: undefined, fields: [] } as const;
    engine.answer = async () => ({ ok: false, error: { type: "refused", refusal } });
    expect(await manager.move(moveTo("ACTIVE"))).toEqual({
      ok: false,
      error: { type: "predicate-logic-refused", workflowId, refusal },
    });
  });

  test("that was warned of is made, and says so: its event, and the answer to a retry", async () => {
    const { manager, engine, store } = await withWorkflow();
    engine.answer = async () => ok({ type: "allowed", ruleSetRevision: 3, warnings });
    const moved = await manager.move(moveTo("ACTIVE", { request: key("r") }));
    expect(moved).toMatchObject({ ok: true, value: { event: { warnings } } });
    engine.answer = async () => allowed;
    expect(await manager.move(moveTo("ACTIVE", { request: key("r") }))).toEqual(moved);
    expect((await store.listEvents({ afterSequence: 1, limit: 1 })).rows).toMatchObject([{ warnings }]);
  });

  test("that cannot be judged in time moves nothing, and says when to come again", async () => {
    const { manager, engine, store } = await withWorkflow();
    engine.answer = async () => ({ ok: false, error: { type: "overloaded", cause: "a crowd", retryAfterMs: 300 } });
    const overloaded = { error: { type: "predicate-logic-overloaded", cause: "a crowd", retryAfterMs: 300 } };
    expect(await manager.move(moveTo("ACTIVE"))).toMatchObject(overloaded);
    expect(await store.get(workflowId)).toMatchObject({ version: 1 });
  });

  test("that the store cannot write is an error of the store", async () => {
    const store = createMemoryWorkflowStore();
    const { manager } = await withWorkflow(store);
    await store.close();
    expect(await manager.move(moveTo("ACTIVE"))).toMatchObject({ error: { type: "storage-unavailable" } });
    expect(await manager.create(creation("wf-2"))).toMatchObject({ error: { type: "storage-unavailable" } });
  });
});

test("a move together that is refused already runs no transaction", async () => {
  const { manager, engine } = await withWorkflow();
  expect(await manager.moveTogether(moveTo("PAUSED"))).toMatchObject({ error: { type: "invalid-transition" } });
  engine.answer = async () => denied;
  expect(await manager.moveTogether(moveTo("ACTIVE"))).toMatchObject({ error: { type: "rule-denied" } });
});
