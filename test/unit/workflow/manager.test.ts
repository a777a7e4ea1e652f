import { describe, expect, test } from "vitest";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
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

const key = (id: string, digest = "d") => ({ id: requestId(id), digest });

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

  test("that races with its own retry answers both with the one workflow", async () => {
    const { manager, store } = managerOver();
    const [first, second] = await Promise.all(
      [1, 2].map(() => manager.create({ ...creation(undefined, key("r")), workflowId: undefined })),
    );
    expect(first).toMatchObject({ ok: true });
    expect(second).toEqual(first);
    expect((await store.counts()).workflows).toBe(1);
  });

  test("that races with another request of the same id: the loser hears of the misuse", async () => {
    const { manager } = managerOver();
    const results = await Promise.all(["a", "b"].map((digest) => manager.create(creation(`wf-${digest}`, key("r", digest)))));
    expect(results).toMatchObject([{ ok: true }, { ok: false, error: { type: "request-id-reused", requestId: "r" } }]);
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
      error: { type: "version-mismatch", expectedVersion: undefined, currentVersion: 18 },
    });
    expect(asked).toHaveLength(16);
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
