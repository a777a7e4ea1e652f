import { describe, expect, test } from "vitest";
import type { ParticipantId, TransactionId } from "../../../src/kernel/ids.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import { creation, denied, managerOver, moveTo, payloadOf, requestId, tx, workflowId } from "../../support/workflow-manager.ts";

const together = { parts: [], timeoutMs: 1_000, waitForParticipantsMs: 0 };
const request = { id: requestId("r"), digest: "d" };
const transactionId = tx("t1");
const yes = { value: "commit", reason: "" };

async function withWorkflow() {
  const under = managerOver();
  await under.manager.create(creation());
  return under;
}

/** A workflow that is held for ACTIVE. */
async function prepared(command = moveTo("ACTIVE", { request })) {
  const under = await withWorkflow();
  const payload = await payloadOf(under, command);
  expect(await under.participant.resource.prepare({ transactionId, payload })).toEqual(yes);
  return { ...under, payload };
}

describe("prepare", () => {
  test("holds the workflow, visibly and durably; its version does not change", async () => {
    const { store } = await prepared();
    expect(await store.get(workflowId)).toMatchObject({
      state: "CREATED",
      version: 1,
      hold: { transactionId, move: { targetState: "ACTIVE" }, ruleSetRevision: 3 },
    });
    expect((await store.counts()).events).toBe(1);
  });

  test("again, for the same transaction, says yes again and changes nothing", async () => {
    const { store, participant, payload } = await prepared();
    const before = await store.get(workflowId);
    expect(await participant.resource.prepare({ transactionId, payload })).toEqual(yes);
    expect(await store.get(workflowId)).toEqual(before);
  });

  test("for another transaction says no", async () => {
    const { participant, payload } = await prepared();
    expect(await participant.resource.prepare({ transactionId: tx("t2"), payload })).toEqual({
      value: "abort",
      reason: "IN_TRANSITION: held by transaction t1",
    });
  });

  test("judges again: what a rule denies now is refused, with the rule's words", async () => {
    const under = await withWorkflow();
    const payload = await payloadOf(under, moveTo("ACTIVE"));
    under.engine.answer = async () => denied;
    expect(await under.participant.resource.prepare({ transactionId, payload })).toEqual({
      value: "abort",
      reason: "RULE_DENIED: cold: too warm",
    });
    expect((await under.store.get(workflowId))?.hold).toBeUndefined();
  });

  test("counts texts in characters: a reason of 1,000 is held, a refusal is cut to 1,000", async () => {
    const under = await withWorkflow();
    const reason = "😀".repeat(1_000);
    const command = moveTo("ACTIVE");
    const payload = await payloadOf(under, { ...command, move: { ...command.move, reason } });
    expect(await under.participant.resource.prepare({ transactionId, payload })).toEqual(yes);
    await under.participant.resource.abort({ transactionId });
    under.engine.answer = async () =>
      ok({ type: "rule-denied", ruleSetRevision: 3, violations: [{ ruleId: "r", message: reason }] });
    expect(await under.participant.resource.prepare({ transactionId: tx("t2"), payload })).toEqual({
      value: "abort",
      reason: `RULE_DENIED: r: ${"😀".repeat(984)}`,
    });
  });

  test.each([
    { what: "nothing", bytes: "" },
    { what: "no JSON", bytes: "two tubes" },
    { what: "JSON of another shape", bytes: '{"call":"c"}' },
    {
      what: "a state that does not exist",
      bytes: JSON.stringify({ call: "c", timeoutMs: 1, command: { workflowId, move: { targetState: "LUNCH" } } }),
    },
  ])("of a payload that is $what says no, and throws nothing", async ({ bytes }) => {
    const { participant, asked } = await withWorkflow();
    const vote = await participant.resource.prepare({ transactionId, payload: Buffer.from(bytes) });
    expect(vote).toEqual({ value: "abort", reason: "the payload was not made by a workflow manager" });
    expect(asked).toEqual([]);
  });
});

describe("commit", () => {
  test("moves the held workflow, with its event and the answer to its request; again, it changes nothing", async () => {
    const { store, manager, participant } = await prepared();
    await participant.resource.commit({ transactionId });
    await participant.resource.commit({ transactionId });
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2, hold: undefined });
    const events = await store.events({ afterSequence: 0, limit: 10 });
    expect(events.map((event) => [event.version, event.transactionId])).toEqual([
      [1, undefined],
      [2, transactionId],
    ]);
    expect(await manager.move(moveTo("ACTIVE", { request }))).toMatchObject({ ok: true, value: { event: { transactionId } } });
    expect(await store.outcome(transactionId)).toBe("committed");
  });

  test("in another process, which has only the store", async () => {
    const { store } = await prepared();
    const restarted = managerOver(store);
    expect(await restarted.participant.log.load()).toMatchObject([{ transactionId, state: "prepared" }]);
    await restarted.participant.resource.commit({ transactionId });
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2 });
    expect(await restarted.participant.log.load()).toEqual([]);
  });

  test("is not blocked by a misuse of its request id since the prepare", async () => {
    const { store, manager, participant } = await prepared();
    expect(await manager.create(creation("wf-2", { ...request, digest: "other" }))).toMatchObject({ ok: true });
    await participant.resource.commit({ transactionId });
    expect(await store.get(workflowId)).toMatchObject({ state: "ACTIVE", version: 2 });
    expect(await store.answer(request.id)).toMatchObject({ digest: "other" });
  });

  test("that cannot be written throws, and can be repeated", async () => {
    const { store, participant } = await prepared();
    await store.close();
    await expect(participant.resource.commit({ transactionId })).rejects.toThrow("storage-unavailable");
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

test("the log says how each transaction ended here, and remembers an abort that came before its Prepare", async () => {
  const { participant } = await prepared();
  const { log, resource } = participant;
  const stateOf = async (id: TransactionId) => (await log.get(id))?.state;
  expect([await stateOf(transactionId), await stateOf(tx("t2"))]).toEqual(["prepared", undefined]);
  await log.persist({ transactionId: tx("t2"), state: "aborted" });
  await log.persist({ transactionId: tx("t2"), state: "aborted" });
  await resource.commit({ transactionId });
  expect([await stateOf(transactionId), await stateOf(tx("t2"))]).toEqual(["committed", "aborted"]);
});

describe("a move together", () => {
  const committed = { transactionId, outcome: "committed", abortReason: "", refusals: [] } as const;

  test("answers when its own part is committed here", async () => {
    const under = await withWorkflow();
    under.coordinator.execute = async ({ parts }) => {
      const { resource } = under.participant;
      await resource.prepare({ transactionId, payload: parts[0]?.payload ?? new Uint8Array() });
      // The coordinator's answer may be faster than its decision.
      setImmediate(() => resource.commit({ transactionId }));
      return ok(committed);
    };
    const moved = await under.manager.moveTogether(moveTo("ACTIVE"), together);
    expect(moved).toMatchObject({
      ok: true,
      value: { workflow: { version: 2, hold: undefined }, event: { sequence: 2, transactionId } },
    });
  });

  test("that its own part refused says why, as a plain move would", async () => {
    const under = await withWorkflow();
    under.coordinator.execute = async ({ parts }) => {
      under.engine.answer = async () => denied;
      await under.participant.resource.prepare({ transactionId, payload: parts[0]?.payload ?? new Uint8Array() });
      return ok({ ...committed, outcome: "aborted", abortReason: "refused" });
    };
    expect(await under.manager.moveTogether(moveTo("ACTIVE"), together)).toMatchObject({ error: { type: "rule-denied" } });
  });

  test("that others refused names them", async () => {
    const under = await withWorkflow();
    const refusals = [{ participantId: "stock" as ParticipantId, reason: "none left" }];
    under.coordinator.execute = async () => ok({ ...committed, outcome: "aborted", abortReason: "no", refusals });
    const moved = await under.manager.moveTogether(moveTo("ACTIVE"), together);
    expect(moved).toEqual({
      ok: false,
      error: { type: "transaction-aborted", workflowId, transactionId, abortReason: "no", refusals },
    });
  });

  test("whose outcome is not known in time, or whose coordinator is away", async () => {
    const under = await withWorkflow();
    under.coordinator.execute = async () => err({ type: "pending", cause: "slow" });
    expect(await under.manager.moveTogether(moveTo("ACTIVE"), together)).toMatchObject({ error: { type: "outcome-pending" } });
    under.coordinator.execute = async () => err({ type: "unavailable", cause: "away" });
    expect(await under.manager.moveTogether(moveTo("ACTIVE"), together)).toMatchObject({
      error: { type: "coordinator-unavailable", cause: "away" },
    });
  });

  test("gives a retry the same bytes and the same request id, so that the coordinator knows it again", async () => {
    const under = await withWorkflow();
    const seen: unknown[] = [];
    under.coordinator.execute = async (asked) => {
      seen.push(asked);
      return err({ type: "pending", cause: "slow" });
    };
    for (let attempt = 0; attempt < 2; attempt += 1) await under.manager.moveTogether(moveTo("ACTIVE", { request }), together);
    expect(seen[0]).toMatchObject({ requestId: "manager/r" });
    expect(seen[1]).toEqual(seen[0]);
  });
});
