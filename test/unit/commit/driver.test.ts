import { describe, expect, test } from "vitest";
import { lingerMs, ownershipCheckIntervalMs, purgeIntervalMs } from "../../../src/commit/limits.ts";
import type { Resource, Trace } from "../../../src/commit/ports.ts";
import type { RequestId, TransactionId } from "../../../src/kernel/ids.ts";
import { historyRetentionMs, participantRetentionMs, purgeBatchSize } from "../../../src/kernel/limits.ts";
import { err } from "../../../src/kernel/result.ts";
import { createMemoryDecisionLog } from "../../../src/storage/memory/decision-log.ts";
import { committing } from "../../support/decision-log-rows.ts";
import { collect, flush, found, id, newest, request, silent, startCoordinator, tx, virtualClock, world } from "./support.ts";

/** A coordinator, and one participant that says what the test says. */
async function connectedByHand(name: string, options: Parameters<typeof world>[0] = {}) {
  const w = world(options);
  await w.start();
  const { driver, sessions } = w.coordinator();
  const session = sessions.open("by hand");
  const hello = { type: "hello", instanceId: "i", versionMin: 1, versionMax: 1, inDoubt: [], prepareCredit: 1 } as const;
  await session.receive({ sequence: 1, message: { ...hello, participantId: id(name) } });
  return { ...w, driver, sessions, session };
}

describe("a transaction", () => {
  test("commits at every participant, and is completed when all have acknowledged", async () => {
    const w = world();
    await w.start();
    const a = await w.participant("a");
    const b = await w.participant("b");
    const decided = await w.run(["a", "b"]);
    expect(decided.outcome).toBe("committed");
    await flush();
    expect([a.state.get(decided.id), b.state.get(decided.id)]).toEqual(["committed", "committed"]);
    expect((await found(w.coordinator().driver, decided.id))?.phase).toBe("COMPLETED");
    expect((await w.log.get(decided.id))?.phase).toBe("COMPLETED");
  });

  test("aborts everywhere when one votes no, and says why", async () => {
    const w = world();
    await w.start();
    const a = await w.participant("a");
    await w.participant("b", async () => ({ value: "abort", reason: "no space" }));
    const decided = await w.run(["a", "b"]);
    expect(decided.abortReason).toBe('participant "b" voted ABORT: no space');
    await flush();
    expect(a.state.get(decided.id)).not.toBe("committed");
    expect((await found(w.coordinator().driver, decided.id))?.phase).toBe("COMPLETED");
  });

  test("with one participant takes one round, and with none takes no participant", async () => {
    const w = world();
    await w.start();
    const a = await w.participant("a");
    const one = await w.run(["a"]);
    expect([one.outcome, one.phase, a.state.get(one.id)]).toEqual(["committed", "COMPLETED", "committed"]);
    expect((await w.run([])).phase).toBe("COMPLETED");
  });

  test("that only reads is completed without a decision", async () => {
    const w = world();
    await w.start();
    const reads: Resource["prepare"] = async () => ({ value: "read-only", reason: "" });
    const a = await w.participant("a", reads);
    await w.participant("b", reads);
    const decided = await w.run(["a", "b"]);
    expect([decided.outcome, decided.parts.map(({ decisionsSent }) => decisionsSent)]).toEqual(["committed", [0, 0]]);
    expect(a.calls).toEqual([`prepare ${decided.id}`]);
  });

  test("aborts at once if a participant is missing, and waits for it if told to", async () => {
    const w = world();
    await w.start();
    expect((await w.run(["a"])).abortReason).toBe('participant "a" is not connected');
    const waiting = w.run(["a", "b"], { waitForParticipantsMs: 30_000 });
    await w.participant("a");
    await w.clock.advance(5_000);
    await w.participant("b");
    expect((await waiting).outcome).toBe("committed");
  });

  test("aborts when the time to vote is over, and the late vote learns it", async () => {
    const w = world();
    await w.start();
    const gate = Promise.withResolvers<{ readonly value: "commit"; readonly reason: string }>();
    const a = await w.participant("a");
    const b = await w.participant("b", () => gate.promise);
    const running = w.run(["a", "b"]);
    await w.clock.advance(10_000);
    const decided = await running;
    expect(decided.outcome).toBe("aborted");
    gate.resolve({ value: "commit", reason: "" });
    await flush();
    expect([a.state.get(decided.id), b.state.get(decided.id)]).toEqual(["aborted", "aborted"]);
    expect((await found(w.coordinator().driver, decided.id))?.phase).toBe("COMPLETED");
  });

  test("aborts when its caller leaves before the decision", async () => {
    const w = world();
    await w.start();
    const leave = new AbortController();
    const answer = w.coordinator().driver.execute(request(["a"], { waitForParticipantsMs: 60_000 }), leave.signal);
    await flush();
    leave.abort();
    expect(await answer).toMatchObject({ ok: true, value: { outcome: "aborted" } });
    const gone = await w.coordinator().driver.execute(request(["a"], { waitForParticipantsMs: 60_000 }), AbortSignal.abort());
    expect(gone).toMatchObject({ ok: true, value: { outcome: "aborted" } });
  });

  test("aborts when its caller's time is over, however long it has waited for participants, and says so", async () => {
    const w = world();
    await w.start();
    const overtime = new AbortController();
    const told: TransactionId[] = [];
    const asked = request(["a", "b"], { waitForParticipantsMs: 60_000 });
    const answer = w.coordinator().driver.execute(asked, overtime.signal, (id) => told.push(id));
    await w.participant("b", () => new Promise(() => {}));
    await w.clock.advance(1_500);
    await w.participant("a", () => new Promise(() => {}));
    await w.clock.advance(500);
    overtime.abort({ type: "deadline" });
    expect(await answer).toMatchObject({
      ok: true,
      value: { id: told[0], outcome: "aborted", abortReason: "the caller's deadline has passed" },
    });
  });

  test("with one participant that does not tell is pending, and is decided when it tells", async () => {
    const w = world();
    await w.start();
    const stuck = Promise.withResolvers<never>();
    const a = await w.participant("a", () => stuck.promise);
    const answer = w.coordinator().driver.execute(request(["a"]));
    await flush();
    // A crash: nothing was promised.
    void a.participant.close(0);
    await w.clock.advance(10_000);
    const pending = await answer;
    expect(pending).toMatchObject({ ok: false, error: { type: "pending" } });
    const again = await w.participant("a");
    await w.clock.advance(10_000);
    // Its time to vote is over, so a participant that never heard of it aborts.
    const [only] = await newest(w.coordinator().driver);
    expect(only).toMatchObject({ phase: "COMPLETED", outcome: "aborted" });
    expect(again.calls).toEqual([`abort ${only?.id}`]);
  });

  test("can be watched until it is completed", async () => {
    const w = world();
    await w.start();
    await w.participant("a");
    const running = w.run(["a", "b"], { waitForParticipantsMs: 60_000 });
    await flush();
    const [begun] = await newest(w.coordinator().driver);
    const watched = collect(w.coordinator().driver.watch(begun?.id ?? tx(""), new AbortController().signal));
    await w.participant("b");
    const { id: transactionId } = await running;
    await flush();
    const phases = (await watched).map(({ phase }) => phase);
    expect([phases[0], phases.at(-1)]).toEqual(["INIT", "COMPLETED"]);
    const after = await collect(w.coordinator().driver.watch(transactionId, new AbortController().signal));
    expect(after.map(({ phase }) => phase)).toEqual(["COMPLETED"]);
    expect(await collect(w.coordinator().driver.watch(tx("none"), new AbortController().signal))).toEqual([]);
  });
});

describe("a request id", () => {
  const key = (digest: string) => ({ request: { id: "r1" as RequestId, digest } });

  test("returns the transaction it led to, while it runs and after a restart", async () => {
    const w = world();
    await w.start();
    await w.participant("a");
    const both = [w.run(["a", "b"], { waitForParticipantsMs: 60_000, ...key("x") }), w.run(["a", "b"], key("x"))];
    await flush();
    await w.participant("b");
    const [first, second] = await Promise.all(both);
    expect(second?.id).toBe(first?.id);
    await flush();
    expect((await w.run(["a", "b"], key("x"))).id).toBe(first?.id);
    w.stop();
    await w.start();
    expect((await w.run(["a", "b"], key("x"))).id).toBe(first?.id);
    const reused = await w.coordinator().driver.execute(request([], key("y")));
    expect(reused).toEqual(err({ type: "request-id-reused" }));
  });

  test("of an aborted transaction may be run anew, with another digest too", async () => {
    const w = world();
    await w.start();
    const aborted = await w.run(["a"], key("x"));
    await w.participant("a");
    const anew = await w.run(["a"], key("y"));
    expect([aborted.outcome, anew.outcome]).toEqual(["aborted", "committed"]);
  });

  test("keeps a transaction running while any of its callers waits", async () => {
    const w = world();
    await w.start();
    const leave = new AbortController();
    const first = w.coordinator().driver.execute(request(["a"], { waitForParticipantsMs: 60_000, ...key("x") }), leave.signal);
    const second = w.run(["a"], { waitForParticipantsMs: 60_000, ...key("x") });
    await flush();
    leave.abort();
    expect(await first).toMatchObject({ ok: false, error: { type: "pending" } });
    const mismatch = await w.coordinator().driver.execute(request(["a"], key("y")));
    expect(mismatch).toEqual(err({ type: "request-id-reused" }));
    await w.participant("a");
    expect((await second).outcome).toBe("committed");
  });

  test("keeps a transaction running for a caller that is about to wait when another leaves", async () => {
    const w = world();
    await w.start();
    await w.participant("a");
    const { byRequest } = w.log;
    const looked = Promise.withResolvers<void>();
    w.log.byRequest = (requestId) => looked.promise.then(() => byRequest(requestId));
    const leave = new AbortController();
    const first = w.coordinator().driver.execute(request(["a"], key("x")), leave.signal);
    const second = w.run(["a"], key("x"));
    leave.abort();
    looked.resolve();
    expect((await second).outcome).toBe("committed");
    expect(await first).toMatchObject({ ok: false, error: { type: "pending" } });
  });

  test("ends a transaction that all its callers leave while it is looked for", async () => {
    const w = world();
    await w.start();
    const { byRequest } = w.log;
    const looked = Promise.withResolvers<void>();
    w.log.byRequest = (requestId) => looked.promise.then(() => byRequest(requestId));
    const leave = new AbortController();
    const waiting = request(["a"], { waitForParticipantsMs: 60_000, ...key("x") });
    const both = [1, 2].map(() => w.coordinator().driver.execute(waiting, leave.signal));
    leave.abort();
    looked.resolve();
    const [first, second] = await Promise.all(both);
    expect(first).toMatchObject({ ok: false, error: { type: "pending" } });
    expect(second).toMatchObject({ ok: true, value: { outcome: "aborted" } });
  });
});

describe("a restart of the coordinator", () => {
  test("after the decision sends it again until it is acknowledged", async () => {
    const w = world();
    await w.start();
    const a = await w.participant("a");
    const b = await w.participant("b");
    // The coordinator dies at the moment the commit is durable: nobody is told.
    const force = w.log.force;
    w.log.force = async (transaction) => {
      const written = await force(transaction);
      w.stop();
      return written;
    };
    const answer = w.coordinator().driver.execute(request(["a", "b"]));
    await flush();
    w.log.force = force;
    const [unfinished] = await w.log.unfinished({ afterId: undefined, limit: 10 });
    expect((await w.log.get(unfinished ?? tx("")))?.phase).toBe("COMMITTING");
    expect([a.participant.inDoubt().length, b.participant.inDoubt().length]).toEqual([1, 1]);
    await w.start();
    await w.clock.advance(60_000);
    expect(await w.log.unfinished({ afterId: undefined, limit: 10 })).toEqual([]);
    expect([...a.state.values(), ...b.state.values()]).toEqual(["committed", "committed"]);
    expect([a.participant.inDoubt().length, b.participant.inDoubt().length]).toEqual([0, 0]);
    expect(await answer).toMatchObject({ ok: false, error: { type: "shutting-down" } });
  });

  test("before the decision aborts by presumption: participants in doubt are told so", async () => {
    const w = world();
    await w.start();
    const gate = Promise.withResolvers<never>();
    const a = await w.participant("a");
    await w.participant("b", () => gate.promise);
    const answer = w.coordinator().driver.execute(request(["a", "b"]));
    await flush();
    expect(a.participant.inDoubt().length).toBe(1);
    const [transactionId] = a.participant.inDoubt() as [TransactionId];
    w.stop();
    expect(await answer).toEqual(err({ type: "shutting-down", transactionId }));
    await w.start();
    await w.clock.advance(60_000);
    expect(a.participant.inDoubt()).toEqual([]);
    expect([...a.state.values()]).toEqual(["aborted"]);
  });

  test("replaces the coordinator that was: it decides nothing any more", async () => {
    const w = world();
    await w.start();
    const a = await w.participant("a");
    await w.participant("b");
    const old = w.coordinator();
    await w.start();
    // The participants still talk to the old one.
    const answer = await old.driver.execute(request(["a", "b"]));
    expect(answer).toEqual(err({ type: "fenced", coordinatorEpoch: 2 }));
    expect(await old.driver.execute(request([]))).toEqual(err({ type: "fenced", coordinatorEpoch: 2 }));
    await w.clock.advance(60_000);
    expect([...a.state.values()]).toEqual(["aborted"]);
    expect(a.participant.inDoubt()).toEqual([]);
  });

  test("is noticed by one that has nothing to write", async () => {
    const w = world();
    await w.start();
    const old = w.coordinator();
    await w.start();
    await w.clock.advance(ownershipCheckIntervalMs);
    expect(await old.driver.replaced).toEqual({ type: "fenced", coordinatorEpoch: 2 });
    expect(await old.driver.execute(request([]))).toEqual(err({ type: "fenced", coordinatorEpoch: 2 }));
  });

  // specs/TwoPhaseCommit.tla: PresumptionSound. To say "not found" is to say "aborted".
  test("makes the one that was presume nothing of transactions that it does not know", async () => {
    const actions: string[] = [];
    const trace = ({ action }: { readonly action: string }) => void actions.push(action);
    const { session: toOld, driver: old, ...w } = await connectedByHand("a", { trace });
    const heard: string[] = [];
    void (async () => {
      for await (const { message } of toOld.outgoing) heard.push(message.type);
    })();
    await w.start();
    const begun = await w.coordinator().driver.begin({ ...request([]), idleTimeoutMs: 60_000 });
    if (!begun.ok) throw new Error(begun.error.type);
    await toOld.receive({ sequence: 2, message: { type: "inquiry", transactionId: begun.value.id, coordinatorId: "c" } });
    await flush();
    expect(heard).toEqual(["welcome"]);
    expect(actions, "not even decided, though nobody could hear it").not.toContain("AnswerInquiry");
    expect(toOld.end?.reason).toBe("COORDINATOR_FENCED");
    expect(await old.get(begun.value.id)).toEqual(err({ type: "fenced", coordinatorEpoch: 2 }));
  });

  test("is looked for again when the log could not be read", async () => {
    const log = createMemoryDecisionLog();
    const clock = virtualClock();
    let broken = true;
    const newestEpoch = async () => (broken ? Promise.reject(new Error("disk")) : log.newestEpoch());
    const { driver } = await startCoordinator({ ...log, newestEpoch }, clock);
    await log.claim("c");
    await clock.advance(ownershipCheckIntervalMs);
    broken = false;
    await clock.advance(ownershipCheckIntervalMs);
    expect(await driver.replaced).toEqual({ type: "fenced", coordinatorEpoch: 2 });
  });
});

describe("a restart of a participant", () => {
  test("after its vote leaves it in doubt until it hears the decision", async () => {
    const w = world();
    await w.start();
    const gate = Promise.withResolvers<{ readonly value: "commit"; readonly reason: string }>();
    const a = await w.participant("a");
    await w.participant("b", () => gate.promise);
    const running = w.run(["a", "b"]);
    await flush();
    expect(w.coordinator().driver.owed(id("a"))).toMatchObject({ inDoubt: 1, unacknowledged: 0 });
    await a.participant.close(0);
    gate.resolve({ value: "commit", reason: "" });
    const decided = await running;
    expect(decided).toMatchObject({ outcome: "committed", phase: "COMMITTING" });
    expect(w.coordinator().driver.owed(id("a"))).toMatchObject({ inDoubt: 1, unacknowledged: 1 });
    const again = await a.start();
    await w.clock.advance(1_000);
    expect([a.state.get(decided.id), again.inDoubt().length]).toEqual(["committed", 0]);
    expect(w.coordinator().driver.owed(id("a"))).toMatchObject({ inDoubt: 0, unacknowledged: 0 });
  });

  test("before its vote is asked again", async () => {
    const w = world();
    await w.start();
    const gate = Promise.withResolvers<never>();
    let patient = true;
    const a = await w.participant("a", () => (patient ? gate.promise : Promise.resolve({ value: "commit", reason: "" })));
    await w.participant("b");
    const running = w.run(["a", "b"]);
    await flush();
    const closed = a.participant.close(0);
    await w.clock.advance(0);
    await closed;
    patient = false;
    await a.start();
    const decided = await running;
    expect([decided.outcome, decided.parts[0]?.preparesSent]).toEqual(["committed", 2]);
  });
});

describe("storage", () => {
  test("that fails is tried again, never followed by an abort", async () => {
    const w = world();
    await w.start();
    const a = await w.participant("a");
    await w.participant("b");
    const force = w.log.force;
    let failures = 3;
    w.log.force = async (transaction) => {
      if (failures === 0) return force(transaction);
      failures -= 1;
      return err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: true });
    };
    const answer = await w.coordinator().driver.execute(request(["a", "b"]));
    expect(answer).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
    await w.clock.advance(9_000);
    expect([...a.state.values()]).toEqual(["committed"]);
  });

  test("that goes on failing is never taken for durable: nothing is committed, and nobody is told so", async () => {
    const w = world();
    await w.start();
    const a = await w.participant("a");
    await w.participant("b");
    const { driver } = w.coordinator();
    let tries = 0;
    w.log.force = async () => {
      tries += 1;
      return err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: true });
    };
    expect(await driver.execute(request(["a", "b"]))).toMatchObject({ error: { type: "storage-unavailable" } });
    for (let left = 40; left > 0; left -= 1) await w.clock.advance(5_000);
    expect(tries).toBeGreaterThan(20);
    expect([...a.state.values()]).toEqual(["prepared"]);
    const { transactions } = await driver.list({ beforeId: undefined, limit: 1 });
    expect(transactions.map(({ outcome }) => outcome)).toEqual([undefined]);
  });

  // It may still fail, and a successor would say aborted.
  test("that has not written yet is waited for: whoever asks meanwhile is told that it is not decided", async () => {
    const w = world();
    await w.start();
    await w.participant("a");
    await w.participant("b");
    const { driver } = w.coordinator();
    const force = w.log.force;
    const [asked, written] = [Promise.withResolvers<TransactionId>(), Promise.withResolvers<void>()];
    w.log.force = async (transaction) => {
      asked.resolve(transaction.id);
      await written.promise;
      return force(transaction);
    };
    const running = driver.execute(request(["a", "b"]));
    const id = await asked.promise;
    expect((await found(driver, id))?.outcome).toBeUndefined();
    written.resolve();
    await running;
    expect((await found(driver, id))?.outcome).toBe("committed");
  });

  test("that cannot write refuses new transactions at once", async () => {
    const w = world();
    await w.start();
    Object.assign(w.log, { writable: false });
    const answer = await w.coordinator().driver.execute(request([]));
    expect(answer).toEqual(err({ type: "storage-unavailable", transactionId: undefined }));
  });

  test("that loses history is tried again, so that no reader meets a gap", async () => {
    const w = world();
    await w.start();
    await w.participant("a");
    const record = w.log.record;
    w.log.record = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false });
    const { id: transactionId } = await w.run(["a"]);
    await flush();
    expect((await found(w.coordinator().driver, transactionId))?.phase).toBe("COMPLETED");
    w.log.record = record;
    await w.clock.advance(5_000);
    expect((await w.log.get(transactionId))?.phase).toBe("COMPLETED");
  });

  test("drops what ended long ago", async () => {
    const w = world();
    await w.start();
    const { id: transactionId } = await w.run([]);
    await flush();
    w.clock.stall(8 * 24 * 3_600_000);
    await w.clock.advance(0);
    expect(await found(w.coordinator().driver, transactionId)).toBeUndefined();
  });
});

describe("history", () => {
  test("is not dropped early by a wall clock that is set ahead, and is when its time has passed", async () => {
    const w = world();
    await w.start();
    const { id: transactionId } = await w.run([]);
    await flush();
    w.clock.setBy(2 * historyRetentionMs);
    await w.clock.advance(2 * purgeIntervalMs);
    expect(await found(w.coordinator().driver, transactionId)).toBeDefined();
    w.clock.setBy(-4 * historyRetentionMs);
    await w.clock.advance(2 * purgeIntervalMs);
    expect(await found(w.coordinator().driver, transactionId)).toBeDefined();
    w.clock.setBy(2 * historyRetentionMs);
    w.clock.stall(historyRetentionMs);
    await w.clock.advance(2 * purgeIntervalMs);
    expect(await found(w.coordinator().driver, transactionId)).toBeUndefined();
  });
});

describe("a participant that stays away", () => {
  test("is forgotten in time, unless a decision is owed to it or it is connected", async () => {
    const w = world();
    await w.start();
    await w.participant("idle");
    await w.participant("peer");
    const owed = await w.participant("owed");
    const gone = await w.participant("gone");
    owed.resource.commit = () => new Promise(() => {});
    expect((await w.run(["owed", "peer"])).outcome).toBe("committed");
    await flush();
    const closed = Promise.all([owed.participant.close(0), gone.participant.close(0)]);
    await w.clock.advance(lingerMs);
    await closed;
    const known = async () => {
      const listed = await w.coordinator().sessions.list({ afterId: undefined, limit: 10 });
      return listed.map(({ participantId }) => participantId);
    };
    w.clock.stall(participantRetentionMs - purgeIntervalMs);
    await w.clock.advance(0);
    expect(await known()).toEqual(["gone", "idle", "owed", "peer"]);
    w.clock.stall(2 * purgeIntervalMs);
    await w.clock.advance(0);
    expect(await known()).toEqual(["idle", "owed", "peer"]);
    await gone.start();
    expect(await known()).toEqual(["gone", "idle", "owed", "peer"]);
  });

  test("is found among many that are known", async () => {
    const w = world();
    await w.start();
    const { log, clock } = w;
    const names = Array.from({ length: 2 * purgeBatchSize + 1 }, (_, index) => id(`p${index}`));
    for (const participantId of names) await log.openSession({ participantId, instanceId: "i", connectedAtMs: clock.nowMs() }, 1);
    clock.stall(participantRetentionMs + purgeIntervalMs);
    await log.openSession({ participantId: id("p7"), instanceId: "i", connectedAtMs: clock.nowMs() }, 1);
    await clock.advance(0);
    expect(await log.participants({ afterId: undefined, limit: names.length })).toMatchObject([{ participantId: "p7" }]);
  });
});

describe("a decision log that cannot be read", () => {
  test("at one record keeps no participant away: the others are answered, and it may ask again", async () => {
    const logged: object[] = [];
    const w = world({ logger: { ...silent, error: (fields) => void logged.push(fields) } });
    await w.start();
    const { get, purge } = w.log;
    w.log.get = (transactionId) => (transactionId === "torn" ? Promise.reject(new Error("a damaged page")) : get(transactionId));
    const session = w.coordinator().sessions.open("by hand");
    const hello = { type: "hello", instanceId: "i", versionMin: 1, versionMax: 1, prepareCredit: 1 } as const;
    const inDoubt = ["torn", "unknown"].map((each) => ({ transactionId: tx(each), coordinatorId: "c" }));
    await session.receive({ sequence: 1, message: { ...hello, participantId: id("a"), inDoubt } });
    await flush();
    await session.receive({ sequence: 2, message: { type: "inquiry", transactionId: tx("torn"), coordinatorId: "c" } });
    w.log.purge = () => Promise.reject(new Error("a damaged page"));
    await w.clock.advance(10_000);
    session.disconnect();
    const heard = (await collect(session.outgoing)).map(({ message }) => message).filter(({ type }) => type !== "heartbeat");
    expect(heard).toMatchObject([
      { type: "welcome" },
      { type: "decision", transactionId: "unknown", outcome: "aborted" },
      { type: "nack", sequence: 2, reason: "the decision log cannot be read" },
    ]);
    expect(logged).toMatchObject([{ transaction: "torn" }]);
    await w.clock.advance(purgeIntervalMs);
    expect(logged.length).toBe(2);
    w.log.purge = purge;
  });
});

describe("a shutdown", () => {
  test("lets what runs be decided, then aborts what is not", async () => {
    const w = world();
    await w.start();
    const answer = w.run(["a"], { waitForParticipantsMs: 60_000 });
    await flush();
    const drained = w.coordinator().driver.drain(5_000);
    await w.clock.advance(5_000);
    await drained;
    expect((await answer).abortReason).toBe("the coordinator is shutting down");
    expect(await w.coordinator().driver.execute(request([]))).toEqual(err({ type: "shutting-down" }));
    w.stop();
  });
});

test("transactions are listed newest first, running and ended ones", async () => {
  const w = world();
  await w.start();
  const ended = [await w.run([]), await w.run(["missing"]), await w.run([])];
  void w.coordinator().driver.execute(request(["a"], { waitForParticipantsMs: 60_000 }));
  await flush();
  const all = await newest(w.coordinator().driver, 10);
  expect(all.map(({ phase }) => phase)).toEqual(["INIT", "COMPLETED", "COMPLETED", "COMPLETED"]);
  const rest = await w.coordinator().driver.list({ beforeId: ended[2]?.id, limit: 1 });
  expect(rest.transactions.map((transaction) => transaction.id)).toEqual([ended[1]?.id]);
});

describe("a coordinator under strain", () => {
  test("tells a retry that comes after the time to vote that the lone participant has not told yet", async () => {
    const w = world();
    await w.start();
    await w.participant("a", () => new Promise(() => {}));
    const one = request(["a"], { request: { id: "r1" as RequestId, digest: "x" } });
    const first = w.coordinator().driver.execute(one);
    await w.clock.advance(10_000);
    expect(await first).toMatchObject({ ok: false, error: { type: "pending" } });
    expect(await w.coordinator().driver.execute(one)).toEqual(await first);
  });

  test("stops when its history shows that it was replaced, and ends what others watch", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    void driver.execute(request(["a"], { waitForParticipantsMs: 60_000 }));
    await flush();
    const [waiting] = await newest(driver);
    const watched = collect(driver.watch(waiting?.id ?? tx(""), new AbortController().signal));
    await flush();
    await w.log.claim("c");
    await driver.execute(request([]));
    await flush();
    expect(await driver.execute(request([]))).toEqual(err({ type: "fenced", coordinatorEpoch: 2 }));
    expect((await watched).map(({ phase }) => phase)).toEqual(["INIT"]);
  });

  test("does not start without its log, and forgets a request that it could not look up", async () => {
    const w = world();
    const claim = w.log.claim;
    w.log.claim = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false });
    await expect(w.start()).rejects.toThrow("disk full");
    w.log.claim = claim;
    await w.start();
    const byRequest = w.log.byRequest;
    w.log.byRequest = () => Promise.reject(new Error("cannot read"));
    const keyed = request([], { request: { id: "r1" as RequestId, digest: "x" } });
    await expect(w.coordinator().driver.execute(keyed)).rejects.toThrow("cannot read");
    w.log.byRequest = byRequest;
    expect(await w.coordinator().driver.execute(keyed)).toMatchObject({ ok: true });
  });

  test("closed while its log is away, it tries no more", async () => {
    const w = world();
    await w.start();
    await w.participant("a");
    w.log.force = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: true });
    await w.coordinator().driver.execute(request(["a"]));
    w.stop();
    await w.clock.advance(60_000);
    expect(await w.log.unfinished({ afterId: undefined, limit: 10 })).toEqual([]);
  });

  test("shows in the timeline what a participant refused, while the transaction runs", async () => {
    const w = await connectedByHand("a");
    void w.driver.execute(request(["a"]));
    await flush();
    const [running] = await newest(w.driver);
    const transactionId = running?.id ?? tx("");
    await w.session.receive({ sequence: 2, message: { type: "nack", sequence: 2, reason: "no such table" } });
    const { entries } = await w.driver.timeline(transactionId);
    expect(entries.at(-1)).toMatchObject({ type: "nack-received", participantId: "a", detail: "no such table" });
    w.sessions.send(id("a"), {
      type: "decision",
      transactionId: tx("over"),
      outcome: "aborted",
      coordinatorEpoch: 1,
      inReply: true,
    });
    await w.session.receive({ sequence: 3, message: { type: "nack", sequence: 3, reason: "unknown" } });
    expect((await w.driver.timeline(transactionId)).entries).toHaveLength(entries.length);
  });

  test("tells who has no part in it what it tells of one that never was", async () => {
    const w = world();
    await w.start();
    void w.coordinator().driver.execute(request(["a", "b"], { waitForParticipantsMs: 60_000 }));
    await flush();
    const [waiting] = await newest(w.coordinator().driver);
    const session = w.coordinator().sessions.open("peer");
    const hello = {
      type: "hello",
      participantId: id("z"),
      instanceId: "i",
      versionMin: 1,
      versionMax: 1,
      inDoubt: [],
      prepareCredit: 1,
    };
    await session.receive({ sequence: 1, message: hello as never });
    const never = tx("never");
    const about = [
      (transactionId: TransactionId) => ({ type: "inquiry", transactionId, coordinatorId: "c" }),
      (transactionId: TransactionId) => ({ type: "vote", transactionId, coordinatorId: "c", value: "commit", attempt: 1 }),
      (transactionId: TransactionId) => ({ type: "decision-ack", transactionId, coordinatorId: "c", outcome: "committed" }),
    ];
    const ids = [waiting?.id ?? never, never];
    for (const [index, message] of about.flatMap((make) => ids.map(make)).entries())
      await session.receive({ sequence: 2 + index, message: message as never });
    session.disconnect();
    const [, ...told] = await collect(session.outgoing);
    const answers = ids.map((asked) =>
      told.map(({ message }) => message).filter((each) => "transactionId" in each && each.transactionId === asked),
    );
    const aborted = expect.objectContaining({ type: "decision", outcome: "aborted", inReply: true });
    expect(answers).toEqual([
      [aborted, aborted],
      [aborted, aborted],
    ]);
    expect(told).toHaveLength(4);
  });
});

// specs/TwoPhaseCommit.tla and specs/Sessions.tla are held against what is traced.
test("what a coordinator does is traced, in the order in which it does it; of what it takes up, too", async () => {
  const traced: string[] = [];
  const trace: Trace = (event) => void traced.push(`${"action" in event ? event.action : "?"}`);
  const w = world({ trace });
  await w.start();
  await w.participant("a");
  await w.participant("b");
  await w.run(["a", "b"]);
  await flush();
  expect(traced.splice(0)).toEqual([
    ...["Claim", "Recovered", "OpenSession", "Welcome", "OpenSession", "Welcome", "Begin", "SendPrepare", "SendPrepare"],
    ...["HearVote", "RecvVote", "HearVote", "RecvVote", "ForceCommit", "AckClient", "SendDecision", "SendDecision"],
    ...["RecvAck", "RecvAck", "Forget"],
  ]);
  await w.log.force({ ...committing("u1"), coordinatorEpoch: 1 });
  await w.coordinator().driver.retry(tx("u1"), { reason: "", requestedBy: "", request: undefined });
  await flush();
  // Taken up, then told so by the operator; its participants have lost what they never promised.
  expect(traced.splice(0)).toEqual([...["SendDecision", "SendDecision", "SendDecision", "SendDecision", "RecvLost", "RecvLost"]]);
  await w.log.claim("c");
  await w.coordinator().driver.get(tx("unknown"));
  expect(traced).toEqual(["Stop"]);
});
