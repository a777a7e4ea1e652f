import { describe, expect, test } from "vitest";
import { heuristicOf, type Transaction } from "../../../src/commit/core/types.ts";
import { type CommitGauges, type CommitMetrics, noMetrics } from "../../../src/commit/metrics.ts";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { createMemoryDecisionLog } from "../../../src/storage/memory/decision-log.ts";
import { createMemoryParticipantLog } from "../../../src/storage/memory/participant-log.ts";
import {
  type CoordinatorProcess,
  flush,
  id,
  memoryResource,
  memoryTransport,
  newest,
  part,
  request,
  silent,
  startCoordinator,
  startParticipant,
  virtualClock,
  world,
} from "./support.ts";

// What a participant has promised and does not hold any more, and who may end a promise: driver, sessions and participants together.

const ada = { reason: "mended by hand", requestedBy: "ada", request: undefined };

/** A world that keeps what it logs and counts. */
function watched() {
  const errors: object[] = [];
  const losses: true[] = [];
  let gauges: () => CommitGauges | undefined = () => undefined;
  const metrics: CommitMetrics = {
    ...noMetrics,
    promiseLost: () => void losses.push(true),
    observe: (read) => {
      gauges = read;
    },
  };
  const logger = { ...silent, error: (fields: object, message: string) => void errors.push({ ...fields, message }) };
  return { ...world({ logger, metrics }), errors, lostCount: () => losses.length, gauges: () => gauges() };
}

/** Two participants, of which "b" is away when the commit is decided. */
async function decidedWithout(w: ReturnType<typeof watched>) {
  await w.start();
  const gate = Promise.withResolvers<void>();
  await w.participant("a", async () => {
    await gate.promise;
    return { value: "commit", reason: "" };
  });
  const b = await w.participant("b");
  const running = w.run(["a", "b"]);
  // It has voted; the decision comes when it is back.
  await flush();
  await b.participant.close(0);
  gate.resolve();
  const { id: transactionId, outcome } = await running;
  return { b, transactionId, outcome };
}

async function stateOf(w: ReturnType<typeof watched>, transactionId: TransactionId): Promise<Transaction> {
  const found = await w.coordinator().driver.get(transactionId);
  if (!found.ok) throw new Error(found.error.type);
  return found.value;
}

const lostPart = async (w: ReturnType<typeof watched>, transactionId: TransactionId) =>
  part({ transaction: await stateOf(w, transactionId), effects: [] }, "b")?.lost;

/** Votes, and dies before the decision comes. */
async function losing(w: ReturnType<typeof watched>) {
  await w.start();
  await w.participant("a");
  const b = await w.participant("b");
  const { resource } = b;
  let isLost = true;
  const restore = (): void => {
    isLost = false;
  };
  const commit: typeof resource.commit = async (work) =>
    isLost ? { lost: "no such prepared transaction" } : resource.commit(work);
  await b.participant.close(0);
  const participant = await b.start({ resource: { ...resource, commit } });
  const { id: transactionId, outcome } = await w.run(["a", "b"]);
  await w.clock.advance(0);
  return { b, participant, transactionId, outcome, restore };
}

describe("a promise that a resource has lost", () => {
  test("is told to nobody as done: MIXED with participant and reason, one line, one count, and no end", async () => {
    const w = watched();
    const { transactionId, outcome } = await losing(w);
    expect(outcome).toBe("committed");
    const found = await stateOf(w, transactionId);
    expect([found.phase, heuristicOf(found)]).toEqual(["COMMITTING", "MIXED"]);
    expect(await lostPart(w, transactionId)).toMatchObject({ reason: "no such prepared transaction" });
    await w.clock.advance(600_000);
    expect((await stateOf(w, transactionId)).phase).toBe("COMMITTING");
    const line = { transaction: transactionId, participant: "b", decision: "committed", message: "a promise is lost" };
    expect(w.errors).toEqual([{ ...line, reason: "no such prepared transaction" }]);
    expect(w.lostCount()).toBe(1);
    const { entries } = await w.coordinator().driver.timeline(transactionId);
    expect(entries.filter(({ detail }) => detail?.startsWith("LOST"))).toMatchObject([
      { type: "ack-received", participantId: "b", detail: "LOST: no such prepared transaction" },
    ]);
  });

  test("is still known after a restart of the coordinator, and asked for again", async () => {
    const w = watched();
    const { transactionId } = await losing(w);
    w.stop();
    await w.start();
    expect(await lostPart(w, transactionId)).toBeDefined();
    await w.clock.advance(60_000);
    expect(heuristicOf(await stateOf(w, transactionId))).toBe("MIXED");
    expect(w.lostCount()).toBe(1);
  });

  test("ends when it was restored and is committed after all", async () => {
    const w = watched();
    const { transactionId, restore, b } = await losing(w);
    restore();
    expect(await w.coordinator().driver.retry(transactionId, ada)).toMatchObject({ ok: true });
    await w.clock.advance(0);
    const found = await stateOf(w, transactionId);
    expect([found.phase, heuristicOf(found), b.state.get(transactionId)]).toEqual(["COMPLETED", undefined, "committed"]);
  });

  test("ends by an operator's word, and stays MIXED", async () => {
    const w = watched();
    const { transactionId } = await losing(w);
    expect(await w.coordinator().driver.resolve(transactionId, "aborted", ada)).toMatchObject({ ok: false });
    expect(await w.coordinator().driver.resolve(transactionId, "committed", ada)).toMatchObject({ ok: true });
    const found = await stateOf(w, transactionId);
    expect([found.phase, heuristicOf(found)]).toEqual(["COMPLETED", "MIXED"]);
    expect(w.coordinator().driver.owed(id("b"))).toMatchObject({ inDoubt: 0, unacknowledged: 0 });
    // It is not kept in memory, and may be forgotten.
    await w.clock.advance(0);
    expect(await w.coordinator().driver.forget(transactionId, ada)).toMatchObject({ ok: true });
    expect(await w.coordinator().driver.get(transactionId)).toEqual(err({ type: "not-found" }));
  });

  test("of the lone participant keeps the outcome open, until an operator ends it", async () => {
    const w = watched();
    await w.start();
    const a = await w.participant("a");
    await a.participant.close(0);
    const commit = async () => ({ lost: "no such prepared transaction" });
    await a.start({ resource: { ...a.resource, commit } });
    const answer = w.coordinator().driver.execute(request(["a"]));
    await w.clock.advance(10_000);
    expect(await answer).toMatchObject({ ok: false, error: { type: "pending" } });
    const [pending] = await newest(w.coordinator().driver);
    expect(pending).toMatchObject({ phase: "PREPARING", parts: [{ lost: { reason: "no such prepared transaction" } }] });
    expect(w.lostCount()).toBe(1);
    expect(pending && heuristicOf(pending)).toBe("MIXED");
    expect(w.gauges()).toMatchObject({ inDoubt: 1, oldestInDoubtMs: 10_000 });
    expect(w.coordinator().driver.owed(id("a")).inDoubt).toBe(1);
    const transactionId = pending?.id as TransactionId;
    const resolved = await w.coordinator().driver.resolve(transactionId, "aborted", ada);
    expect(resolved).toMatchObject({ ok: true, value: { phase: "COMPLETED", outcome: "aborted" } });
    expect(heuristicOf(await stateOf(w, transactionId))).toBe("MIXED");
    expect(w.gauges()).toMatchObject({ inDoubt: 0, undecided: 0 });
    expect(w.coordinator().driver.owed(id("a")).inDoubt).toBe(0);
    expect(await w.coordinator().driver.forget(transactionId, ada)).toMatchObject({ ok: true });
  });
});

describe("a participant's log that comes back empty", () => {
  test("has no promise to keep: the commit is reported lost, with the log's name", async () => {
    const w = watched();
    const { b, transactionId, outcome } = await decidedWithout(w);
    expect(outcome).toBe("committed");
    const emptied = createMemoryParticipantLog();
    await b.start({ log: emptied });
    await w.clock.advance(60_000);
    expect((await lostPart(w, transactionId))?.reason).toBe(
      `no record of a promise in log ${emptied.id}: another log has made it, or this one was emptied`,
    );
    expect(heuristicOf(await stateOf(w, transactionId))).toBe("MIXED");
    expect(b.calls).toEqual([`prepare ${transactionId}`]);
  });

  test("is asked again when the right one is back, and commits", async () => {
    const w = watched();
    const { b, transactionId } = await decidedWithout(w);
    const wrong = await b.start({ log: createMemoryParticipantLog() });
    await w.clock.advance(60_000);
    expect(heuristicOf(await stateOf(w, transactionId))).toBe("MIXED");
    await wrong.close(0);
    await b.start();
    await w.clock.advance(60_000);
    const found = await stateOf(w, transactionId);
    expect([found.phase, heuristicOf(found), b.state.get(transactionId)]).toEqual(["COMPLETED", undefined, "committed"]);
  });
});

/** A participant whose address is served by one coordinator, and then by another with a decision log of its own. */
async function movedToStranger() {
  const clock = virtualClock();
  const warnings: { readonly of: string; readonly message: string; readonly fields: object }[] = [];
  const warning = (of: string) => ({
    ...silent,
    warn: (fields: object, message: string) => void warnings.push({ of, fields, message }),
  });
  const logs = { own: createMemoryDecisionLog(), strange: createMemoryDecisionLog() };
  let current: CoordinatorProcess | undefined;
  const serve = async (which: keyof typeof logs) => {
    current?.driver.close();
    current = await startCoordinator(logs[which], clock, {
      logger: warning("coordinator"),
      newCoordinatorId: () => which,
    });
    await clock.advance(60_000);
    return current;
  };
  const own = await serve("own");
  const { resource, state } = memoryResource();
  const log = createMemoryParticipantLog();
  const participant = await startParticipant("a", clock, {
    log,
    resource,
    coordinators: [memoryTransport(() => current?.sessions)],
    logger: warning("participant"),
  });
  const b = memoryResource(() => new Promise(() => {}));
  const gate = await startParticipant("b", clock, {
    log: createMemoryParticipantLog(),
    resource: b.resource,
    coordinators: [memoryTransport(() => current?.sessions)],
  });
  return { clock, log, logs, own, participant, gate, serve, state, warnings };
}

describe("a coordinator with another decision log", () => {
  test("ends nothing that was promised to the first, and both say so, once", async () => {
    const w = await movedToStranger();
    void w.own.driver.execute(request(["a", "b"]));
    await flush();
    const [transactionId] = w.participant.inDoubt();
    await w.serve("strange");
    expect([w.participant.inDoubt(), w.state.get(transactionId as TransactionId)]).toEqual([[transactionId], "prepared"]);
    const told = w.warnings.filter(({ message }) => message.includes("another coordinator"));
    expect(told.filter(({ of }) => of === "participant")).toMatchObject([
      { fields: { count: 1, transaction: transactionId, coordinators: ["own"], connectedTo: ["strange"] } },
    ]);
    await w.serve("own");
    expect([w.participant.inDoubt(), w.state.get(transactionId as TransactionId)]).toEqual([[], "aborted"]);
  });

  test("that claims what it never ran is refused", async () => {
    const w = await movedToStranger();
    void w.own.driver.execute(request(["a", "b"]));
    await flush();
    const [transactionId] = w.participant.inDoubt() as [TransactionId];
    const { sessions } = await w.serve("strange");
    for (const outcome of ["aborted", "committed"] as const) {
      sessions.send(id("a"), { type: "decision", transactionId, outcome, coordinatorEpoch: 9, inReply: true });
    }
    await w.clock.advance(0);
    expect([w.participant.inDoubt(), w.state.get(transactionId)]).toEqual([[transactionId], "prepared"]);
    const refused = w.warnings.filter(({ of, message }) => of === "participant" && message === "message refused");
    expect(refused).toMatchObject([
      { fields: { transaction: transactionId, reason: 'the transaction belongs to coordinator "own"' } },
    ]);
  });
});
