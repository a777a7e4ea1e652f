import { describe, expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { itemKey } from "../../../src/kernel/request-key.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import type { Moves } from "../../../src/workflow/attempt.ts";
import { heldPageSize, judgedAtOnceMax } from "../../../src/workflow/limits.ts";
import { creation as creationOf, hold as holdOf } from "../../support/storage-values.ts";
import {
  allowed,
  beginAllTogether,
  creation,
  denied,
  type ManagerUnderTest,
  managerOver,
  moveTo,
  requestId,
  tx,
} from "../../support/workflow-manager.ts";

// Several workflows of one store, moved together: specs/AtomicTransition.tla, ManagerPrepare, ManagerCommit and ManagerAbort of all of them.

const transactionId = tx("t1");
const yes = { value: "commit", reason: "" };
const committed = { transactionId, outcome: "committed", abortReason: "", refusals: [] } as const;
const request = { id: requestId("r"), digest: "d" };
/** As the first attempt has asked for it: of another request the digest would be another. */
const together = { parts: [], waitForParticipantsMs: 0, deadlineMs: 61_000 };
const patient = { signal: new AbortController().signal };
const names = (count: number) => Array.from({ length: count }, (_, index) => `w-${String(index).padStart(4, "0")}` as WorkflowId);

function movesOf(ids: readonly WorkflowId[], withRequest = true): Moves {
  const commands = ids.map((workflowId, index) =>
    moveTo("ACTIVE", {
      workflowId,
      ...(withRequest && { move: { ...moveTo("ACTIVE").move, request: itemKey(request, index) } }),
    }),
  );
  return { commands, request: withRequest ? request : undefined, reason: "all of them", requestedBy: "ada" };
}

async function withWorkflows(ids: readonly WorkflowId[]): Promise<ManagerUnderTest> {
  const under = managerOver(undefined, { workflowCountMax: 1_000 });
  for (const id of ids) await under.manager.create({ ...creation(id), metadata: { of: id } });
  return under;
}

/** In an order that is not the one of their ids. */
const three = ["w-2", "w-3", "w-1"].map((id) => id as WorkflowId);

async function prepared(ids = three) {
  const under = await withWorkflows(ids);
  const begun = await beginAllTogether(under, movesOf(ids));
  expect(await begun.prepare(transactionId)).toEqual(yes);
  return { ...under, ...begun };
}

const stateOf = async ({ store }: Pick<ManagerUnderTest, "store">, ids = three) =>
  Promise.all(ids.map(async (id) => (await store.get(id))?.state));
const heldCount = async ({ store }: Pick<ManagerUnderTest, "store">) => (await store.counts()).held;

describe("prepare", () => {
  test("holds all in one batch; again, it says yes and changes nothing", async () => {
    const under = await withWorkflows(three);
    const batches: number[] = [];
    const apply = under.store.apply;
    under.store.apply = (batch) => {
      batches.push(batch.puts.length);
      return apply(batch);
    };
    const begun = await beginAllTogether(under, movesOf(three));
    expect(await begun.prepare(transactionId)).toEqual(yes);
    expect(batches).toEqual([3]);
    expect(await under.store.get(three[0] as WorkflowId)).toMatchObject({
      version: 1,
      metadata: { of: "w-2" },
      hold: { transactionId, move: { request: { id: "r\u00010" } } },
    });
    expect(await begun.prepare(transactionId)).toEqual(yes);
    expect(batches).toEqual([3]);
  });

  test("holds none if one is refused, and says which", async () => {
    const under = await withWorkflows(three);
    const begun = await beginAllTogether(under, movesOf(three));
    under.engine.answer = async ({ workflow }) => (workflow.id === "w-3" ? denied : allowed);
    expect(await begun.prepare(transactionId)).toEqual({
      value: "abort",
      reason: "workflow w-3: RULE_DENIED: cold: too warm",
    });
    expect(await heldCount(under)).toBe(0);
    begun.answer(ok({ ...committed, outcome: "aborted" }));
    expect(await begun.moved).toMatchObject({
      error: { type: "items-refused", errors: [undefined, { type: "rule-denied", workflowId: "w-3" }, undefined] },
    });
  });

  test("that loses a race for one of them judges all again", async () => {
    const under = await withWorkflows(three);
    const begun = await beginAllTogether(under, movesOf(three));
    const askedBefore = under.asked.length;
    const apply = under.store.apply;
    under.store.apply = async (batch) => {
      under.store.apply = apply;
      await under.manager.move(moveTo("ACTIVE", { workflowId: "w-1" as WorkflowId }));
      return apply(batch);
    };
    under.engine.answer = async (check) =>
      check.workflow.state === "ACTIVE" ? ok({ type: "invalid-transition", ruleSetRevision: 3 }) : allowed;
    expect(await begun.prepare(transactionId)).toMatchObject({
      reason: "workflow w-1: INVALID_TRANSITION: ACTIVE cannot go to ACTIVE",
    });
    expect(under.asked.length - askedBefore).toBe(3 + 1 + 3);
    expect(await heldCount(under)).toBe(0);
  });
});

describe("commit", () => {
  test("moves all in one batch, and answers in the order of the items", async () => {
    const under = await prepared();
    await under.participant.resource.commit({ transactionId });
    under.answer(ok(committed));
    const moved = await under.moved;
    expect(moved.ok && moved.value.map(({ event }) => event.workflowId)).toEqual(three);
    expect(moved.ok && moved.value.map(({ event }) => event.transactionId)).toEqual(three.map(() => transactionId));
    expect(await stateOf(under)).toEqual(["ACTIVE", "ACTIVE", "ACTIVE"]);
    expect(await under.store.get("w-3" as WorkflowId)).toMatchObject({ metadata: { of: "w-3" }, version: 2, hold: undefined });
    expect(await under.store.outcome(transactionId)).toMatchObject({ outcome: "committed" });
  });

  test("in another process, which has only the store; a retry of the batch has its answers", async () => {
    const { store } = await prepared();
    const restarted = managerOver(store);
    const retried = restarted.manager.moveAll(movesOf(three), together, patient);
    await restarted.participant.resource.commit({ transactionId });
    await restarted.participant.resource.commit({ transactionId });
    const answers = await retried;
    expect(answers.ok && answers.value.map(({ event }) => event.workflowId)).toEqual(three);
    expect((await store.counts()).events).toBe(6);
    expect(await managerOver(store).manager.moveAll(movesOf(three), together, patient)).toEqual(answers);
    expect(await managerOver(store).manager.move(moveTo("ACTIVE", { request: { ...request, digest: "other" } }))).toMatchObject({
      error: { type: "request-id-reused", requestId: "r" },
    });
  });

  test("is not blocked by a misuse of its request id since the prepare", async () => {
    const { store, participant } = await prepared();
    await managerOver(store).manager.create(creation("other", { ...request, digest: "other" }));
    await participant.resource.commit({ transactionId });
    expect(await stateOf({ store })).toEqual(["ACTIVE", "ACTIVE", "ACTIVE"]);
  });
});

test("abort releases all, and a retry that has found them held hears of it", async () => {
  const under = await prepared();
  const restarted = managerOver(under.store);
  const found = Promise.withResolvers<unknown>();
  const retried = restarted.manager.moveAll(movesOf(three), together, { ...patient, onBegun: found.resolve });
  expect(await found.promise).toBe(transactionId);
  await restarted.participant.resource.abort({ transactionId });
  expect(await retried).toMatchObject({ error: { type: "transaction-aborted", workflowId: undefined, transactionId } });
  expect(await heldCount(under)).toBe(0);
  expect(await stateOf(under)).toEqual(["CREATED", "CREATED", "CREATED"]);
});

test.each(["committed", "aborted"] as const)(
  "resolve %s: what is said of one workflow ends all that its transaction holds",
  async (outcome) => {
    const under = await prepared();
    const word = { workflowId: "w-3" as WorkflowId, transactionId, outcome };
    const resolved = await under.manager.resolve(word);
    expect(resolved).toMatchObject({
      value: { workflow: { id: "w-3", hold: undefined, metadata: { of: "w-3" } }, again: false },
    });
    expect(resolved.ok && resolved.value.event?.workflowId).toBe(outcome === "committed" ? "w-3" : undefined);
    expect(await heldCount(under)).toBe(0);
    expect(new Set(await stateOf(under))).toEqual(new Set([outcome === "committed" ? "ACTIVE" : "CREATED"]));
    expect(await under.manager.resolve({ ...word, workflowId: "w-1" as WorkflowId })).toMatchObject({ value: { again: true } });
  },
);

test("its log has one record of a transaction, however many it holds, and finds all transactions behind it", async () => {
  const { store, participant } = managerOver();
  const held = names(3 * heldPageSize + 1);
  for (const [index, id] of held.entries())
    await store.apply(creationOf(id, { hold: holdOf(index < held.length - 1 ? "t-1" : "t-2") }));
  await store.apply(creationOf("other", { hold: holdOf("t-0") }));
  expect((await participant.log.load()).map((record) => record.transactionId)).toEqual(["t-0", "t-1", "t-2"]);
  expect(await participant.log.get(tx("t-1"))).toMatchObject({ state: "prepared" });
  await participant.resource.commit({ transactionId: tx("t-1") });
  expect((await store.counts()).byState.ACTIVE).toBe(3 * heldPageSize);
});

test("of a large batch so many are judged at a time, and what it holds is read page by page", async () => {
  const ids = names(3 * judgedAtOnceMax);
  const under = await withWorkflows(ids);
  let now = 0;
  let most = 0;
  under.engine.answer = async () => {
    now += 1;
    most = Math.max(most, now);
    await new Promise(setImmediate);
    now -= 1;
    return allowed;
  };
  const limits: number[] = [];
  const { heldBy } = under.store;
  under.store.heldBy = (page) => {
    limits.push(page.limit);
    return heldBy(page);
  };
  const begun = await beginAllTogether(under, movesOf(ids));
  await begun.prepare(transactionId);
  expect(most).toBe(judgedAtOnceMax);
  await under.participant.resource.commit({ transactionId });
  expect(Math.max(...limits)).toBe(heldPageSize);
  expect((await under.store.counts()).byState.ACTIVE).toBe(ids.length);
});

test("rules that never stay as they are refuse the batch, for want of one revision", async () => {
  const under = await withWorkflows(three);
  let revision = 0;
  under.engine.answer = async () => {
    // Who never gives up would not give anybody else a turn either.
    if (revision > 1_000) throw new Error("it never gives up");
    return ok({ type: "allowed", ruleSetRevision: ++revision, warnings: { first: [], omitted: 0 } });
  };
  expect(await under.manager.moveAll(movesOf(three), undefined, patient)).toMatchObject({
    error: {
      type: "items-refused",
      errors: expect.arrayContaining([expect.objectContaining({ type: "predicate-logic-unavailable" })]),
    },
  });
  expect(await stateOf(under)).toEqual(["CREATED", "CREATED", "CREATED"]);
});

describe("each by itself", () => {
  test("those that may move do, and each of the others says why; the batch has one answer", async () => {
    const under = await withWorkflows(three);
    under.engine.answer = async ({ workflow }) => (workflow.id === "w-3" ? denied : allowed);
    const moved = await under.manager.moveEach(movesOf(three), patient);
    expect(moved).toMatchObject({
      value: [
        { value: { workflow: { id: "w-2", state: "ACTIVE", version: 2 }, event: { workflowId: "w-2" } } },
        { error: { type: "rule-denied", workflowId: "w-3" } },
        { value: { workflow: { id: "w-1", state: "ACTIVE", version: 2 }, event: { workflowId: "w-1" } } },
      ],
    });
    under.engine.answer = async () => allowed;
    expect(await under.manager.moveEach(movesOf(three), patient)).toMatchObject({
      value: [
        { value: { workflow: { version: 2 } } },
        { value: { workflow: { version: 2 } } },
        { value: { workflow: { version: 2 } } },
      ],
    });
    expect((await under.store.counts()).events).toBe(6);
  });

  test("under the id of another batch none moves", async () => {
    const under = await withWorkflows(three);
    await under.manager.moveEach(movesOf(["w-2" as WorkflowId]), patient);
    const moves = { ...movesOf(["w-1" as WorkflowId]), request: { ...request, digest: "other" } };
    const [command] = moves.commands;
    const key = itemKey(moves.request, 0);
    const commands = command === undefined ? [] : [{ ...command, move: { ...command.move, request: key } }];
    expect(await under.manager.moveEach({ ...moves, commands }, patient)).toMatchObject({
      error: { type: "request-id-reused", requestId: "r" },
    });
    expect(await stateOf(under)).toEqual(["ACTIVE", "CREATED", "CREATED"]);
  });
});

test("what is refused before it is judged says nothing of the rules: none of the others is judged again", async () => {
  const under = await withWorkflows(three);
  const judged: string[] = [];
  under.engine.answer = async ({ workflow }) => {
    judged.push(workflow.id);
    return ok({ type: "allowed", ruleSetRevision: 0, warnings: { first: [], omitted: 0 } });
  };
  const moves = movesOf([...three, "nowhere" as WorkflowId]);
  expect(await under.manager.moveAll(moves, undefined, patient)).toMatchObject({
    error: { type: "items-refused", errors: [undefined, undefined, undefined, { type: "workflow-not-found" }] },
  });
  expect(judged.toSorted()).toEqual(three.toSorted());
});

test("what is moved in one batch keeps its metadata, which were not in memory", async () => {
  const under = await withWorkflows(three);
  expect(await under.manager.moveAll(movesOf(three), undefined, patient)).toMatchObject({ ok: true });
  for (const id of three) expect(await under.store.get(id)).toMatchObject({ state: "ACTIVE", metadata: { of: id } });
});

test("a misuse of the id of a batch that is held names that id, not one of its items", async () => {
  const { store } = await prepared();
  const other = { ...request, digest: "other" };
  const commands = three.map((workflowId, index) => ({
    ...moveTo("ACTIVE", { workflowId }),
    move: { ...moveTo("ACTIVE").move, request: itemKey(other, index) },
  }));
  const moves = { ...movesOf(three), request: other, commands };
  expect(await managerOver(store).manager.moveAll(moves, together, patient)).toEqual(
    err({ type: "request-id-reused", requestId: "r" }),
  );
});

test("a batch whose answers are forgotten in part is not made again, and its id is no other's", async () => {
  const under = await withWorkflows(three);
  expect(await under.manager.moveAll(movesOf(three), undefined, patient)).toMatchObject({ ok: true });
  const { answer } = under.store;
  under.store.answer = async (id) => (id === request.id ? undefined : answer(id));
  under.engine.answer = async () => allowed;
  for (const id of three) await under.manager.move(moveTo("PAUSED", { workflowId: id }));
  expect(await under.manager.moveAll(movesOf(three), undefined, patient)).toEqual(
    err({ type: "request-id-reused", requestId: "r" }),
  );
});
