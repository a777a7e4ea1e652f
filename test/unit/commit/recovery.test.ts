import { describe, expect, test } from "vitest";
import { stepCoordinator } from "../../../src/commit/core/coordinator.ts";
import type { Transaction } from "../../../src/commit/core/types.ts";
import { purgeIntervalMs, recoveryBatchSize, recoveryIntervalMs, storageBackoff } from "../../../src/commit/limits.ts";
import { type CommitGauges, noMetrics } from "../../../src/commit/metrics.ts";
import type { RequestId } from "../../../src/kernel/ids.ts";
import { participantRetentionMs, progressIntervalMs, purgeBatchSize } from "../../../src/kernel/limits.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import { committing, delegated } from "../../support/decision-log-rows.ts";
import { ack, allUntil, collect, flush, found, handTurned, id, join, newest, request, silent, tx, world } from "./support.ts";

const completed = (transaction: Transaction): Transaction =>
  [ack("a", "committed"), ack("b", "committed")].reduce((each, input) => stepCoordinator(each, input).transaction, transaction);

const ada = { reason: "a look", requestedBy: "ada", request: undefined };

/** A coordinator that has started on these records, and has come to none of them. */
async function startedOn(...records: readonly Transaction[]) {
  const hand = handTurned();
  const w = world({ turns: hand.turns });
  await w.log.claim("c");
  for (const record of records) await w.log.force(record);
  await w.start();
  const { driver, sessions } = w.coordinator();
  return { ...w, ...hand, driver, sessions };
}

describe("recovery", () => {
  test("of 10,000 unfinished transactions reads each once, and sends each decision once", async () => {
    const w = world();
    await w.log.claim("c");
    const count = 10_000;
    for (let i = 0; i < count; i += 1) await w.log.force(committing(`u${String(i).padStart(5, "0")}`));
    const { unfinished, get } = w.log;
    const reads = { pages: 0, records: 0 };
    w.log.unfinished = (page) => {
      reads.pages += 1;
      return unfinished(page);
    };
    w.log.get = (transactionId) => {
      reads.records += 1;
      return get(transactionId);
    };
    await w.start();
    expect(reads).toEqual({ pages: count / recoveryBatchSize + 1, records: count });
    expect(w.coordinator().driver.owed(id("a")).unacknowledged).toBe(count);
    const session = w.coordinator().sessions.open("a");
    const hello = { participantId: id("a"), instanceId: "i", versionMin: 1, versionMax: 1, prepareCredit: 8 };
    await session.receive({ sequence: 1, message: { type: "hello", inDoubt: [], ...hello } });
    session.disconnect();
    const sent = (await collect(session.outgoing)).filter(({ message }) => message.type === "decision");
    expect(sent.length).toBe(count);
  });

  test("is repeated on a timer, and finds a record that nobody runs", async () => {
    const w = world();
    await w.start();
    await w.log.force(committing("u1"));
    const { unfinished } = w.log;
    w.log.unfinished = () => Promise.reject(new Error("cannot read"));
    await w.clock.advance(recoveryIntervalMs);
    expect(w.coordinator().driver.owed(id("a")).unacknowledged).toBe(0);
    w.log.unfinished = unfinished;
    await w.clock.advance(recoveryIntervalMs);
    expect(w.coordinator().driver.owed(id("a")).unacknowledged).toBe(1);
    expect(await found(w.coordinator().driver, tx("u1"))).toMatchObject({ phase: "COMMITTING" });
    expect((await w.coordinator().driver.timeline(tx("u1"))).entries[0]).toMatchObject({ type: "taken-over" });
    // It runs as one that was taken over does, though no other coordinator has begun it.
    expect((await join(w.coordinator(), "a")).heard).toMatchObject([{ type: "decision", transactionId: "u1" }]);
  });

  // Adopted a second time, it would be begun anew beside itself: its callers, its timers and what it has heard would be another's.
  test("leaves alone what runs: it is neither read nor taken over again, and nobody is told that it was lost", async () => {
    const warned: string[] = [];
    const w = world({ logger: { ...silent, warn: (_, message) => void warned.push(message) } });
    await w.start();
    const { driver } = w.coordinator();
    const a = await join(w.coordinator(), "a");
    const b = await join(w.coordinator(), "b");
    const answer = driver.execute(request(["a", "b"]));
    await flush();
    for (const each of [a, b]) {
      const [prepare] = each.heard;
      if (prepare?.type !== "prepare") throw new Error("no Prepare has come");
      await each.say({ type: "vote", transactionId: prepare.transactionId, attempt: 1, value: "commit", reason: "" });
    }
    expect(await answer).toMatchObject({ value: { phase: "COMMITTING" } });
    const [running] = await newest(driver);
    if (running === undefined) throw new Error("nothing runs");
    w.log.get = () => Promise.reject(new Error("what runs is read"));
    await w.clock.advance(2 * recoveryIntervalMs);
    expect(warned.filter((each) => each.includes("that nobody ran"))).toEqual([]);
    const { entries } = await driver.timeline(running.id);
    expect(entries.filter(({ type }) => type === "taken-over" || type === "begun")).toHaveLength(1);
    expect(driver.owed(id("a")).unacknowledged).toBe(1);
  });

  test("begins when the coordinator serves, takes one step a slice, and stops when it leaves", async () => {
    const w = await startedOn(committing("u1"), committing("u2"), committing("u3"));
    const owed = (): number => w.driver.owed(id("a")).unacknowledged;
    await w.turn();
    const after: number[] = [];
    for (let i = 0; i < 2; i += 1) {
      await w.turn();
      after.push(owed());
    }
    expect(after).toEqual([1, 2]);
    w.stop();
    await w.turn();
    expect(owed()).toBe(2);
    await w.driver.recovered;
  });

  test("tells a watch that has begun before it of each one, and only then is the watch up to date", async () => {
    const w = await startedOn(committing("u1"), committing("u2"), delegated("u3"));
    const stop = new AbortController();
    const told: string[] = [];
    const watching = (async () => {
      for await (const message of w.driver.watchAll(allUntil(stop.signal)))
        told.push(message.type === "transaction" ? message.transaction.id : `progress ${message.asOfMs ?? "none"}`);
    })();
    await w.turn();
    await w.turn();
    await w.clock.advance(progressIntervalMs);
    await w.turn();
    expect(told.filter((each) => /^progress \d/.test(each))).toEqual([]);
    for (let i = 0; i < 20; i += 1) await w.turn();
    expect(told.slice(-2)).toEqual(["u3", `progress ${w.clock.nowMs()}`]);
    expect(told.filter((each) => each.startsWith("u"))).toEqual(["u1", "u2", "u3"]);
    stop.abort();
    await watching;
  });

  test("that cannot read the log tries again soon", async () => {
    const w = world({ turns: () => () => undefined });
    await w.log.claim("c");
    await w.log.force(committing("u1"));
    const { unfinished } = w.log;
    w.log.unfinished = () => Promise.reject(new Error("cannot read"));
    await w.start();
    await flush();
    w.log.unfinished = unfinished;
    await w.clock.advance(storageBackoff.firstMs);
    expect(w.coordinator().driver.owed(id("a")).unacknowledged).toBe(1);
  });

  test("leaves out one record that cannot be read, says which, and forgets no participant until it can", async () => {
    const logged: object[] = [];
    const w = world({ logger: { ...silent, error: (fields) => void logged.push(fields) } });
    await w.log.claim("c");
    for (const name of ["u1", "u2", "u3"]) await w.log.force(committing(name));
    const { get } = w.log;
    w.log.get = (each) => (each === "u2" ? Promise.reject(new Error("a damaged page")) : get(each));
    await w.start();
    expect(w.coordinator().driver.owed(id("a")).unacknowledged).toBe(2);
    expect(logged).toMatchObject([{ transaction: "u2" }]);
    await w.log.openSession({ participantId: id("gone"), instanceId: "i", connectedAtMs: w.clock.nowMs() }, 2);
    const known = async () => (await w.coordinator().sessions.list({ afterId: undefined, limit: 10 })).length;
    w.clock.stall(participantRetentionMs + purgeIntervalMs);
    await w.clock.advance(purgeIntervalMs);
    expect(await known()).toBe(1);
    w.log.get = get;
    await w.clock.advance(recoveryIntervalMs + purgeIntervalMs);
    expect(w.coordinator().driver.owed(id("a")).unacknowledged).toBe(3);
    expect(await known()).toBe(0);
  });
});

// Who was connected for a year, and has only just left, is about to come back.
test("a participant is forgotten by when it was last heard of, not by when it connected", async () => {
  const w = world();
  await w.start();
  const known = async () => (await w.coordinator().sessions.list({ afterId: undefined, limit: 10 })).length;
  const a = await join(w.coordinator(), "a");
  w.clock.stall(participantRetentionMs + purgeIntervalMs);
  await a.say({ type: "heartbeat", sentAtMs: w.clock.nowMs(), lastSequenceSeen: 0 });
  a.leave();
  await w.clock.advance(purgeIntervalMs);
  expect(await known()).toBe(1);
  w.clock.stall(participantRetentionMs + purgeIntervalMs);
  await w.clock.advance(purgeIntervalMs);
  expect(await known()).toBe(0);
});

test("those that stay are passed over page by page, and whoever stayed away behind them is forgotten", async () => {
  const w = world();
  await w.start();
  const claimed = await w.log.claim("c");
  const coordinatorEpoch = claimed.ok ? claimed.value.coordinatorEpoch : 0;
  const names = Array.from({ length: 2 * purgeBatchSize + 1 }, (_, index) => `p-${String(index).padStart(4, "0")}`);
  const years = 3 * participantRetentionMs;
  for (const [index, name] of names.entries()) {
    const connectedAtMs = index < names.length - 2 ? w.clock.nowMs() + years : w.clock.nowMs();
    await w.log.openSession({ participantId: id(name), instanceId: "i", connectedAtMs }, coordinatorEpoch);
  }
  await w.start();
  const pages: (string | undefined)[] = [];
  const { participants } = w.log;
  const turns: string[] = [];
  w.log.participants = (page) => {
    pages.push(page.afterId);
    turns.push("page");
    return participants(page);
  };
  const { setTimer } = w.clock;
  w.clock.setTimer = (delayMs, run) =>
    setTimer(delayMs, () => {
      if (delayMs === 0) turns.push("turn");
      run();
    });
  w.clock.stall(participantRetentionMs + purgeIntervalMs);
  await w.clock.advance(purgeIntervalMs);
  await w.clock.advance(1_000);
  // A page is read at once; others run before the next.
  expect(turns.slice(0, 5)).toEqual(["page", "turn", "page", "turn", "page"]);
  expect(pages.slice(0, 3)).toEqual([undefined, names[purgeBatchSize - 1], names[2 * purgeBatchSize - 1]]);
  const left = await participants({ afterId: undefined, limit: names.length });
  expect(left.map(({ participantId }) => participantId)).toEqual(names.slice(0, -2));
});

test("a log that cannot be read when participants are to be forgotten is looked at again an hour later", async () => {
  const w = world();
  await w.start();
  const { participants } = w.log;
  let reads = 0;
  w.log.participants = () => {
    reads += 1;
    return Promise.reject(new Error("cannot be read"));
  };
  await w.clock.advance(purgeIntervalMs);
  expect(reads).toBe(1);
  w.log.participants = participants;
  const a = await join(w.coordinator(), "a");
  a.leave();
  w.clock.stall(participantRetentionMs + purgeIntervalMs);
  await w.clock.advance(purgeIntervalMs);
  expect(await participants({ afterId: undefined, limit: 9 })).toEqual([]);
});

test("a participant that cannot be forgotten now is not told of as forgotten", async () => {
  const lines: string[] = [];
  const say = (_: object, message: string) => void lines.push(message);
  const w = world({ logger: { ...silent, info: say, error: say } });
  await w.start();
  (await join(w.coordinator(), "a")).leave();
  const { forgetParticipants } = w.log;
  w.log.forgetParticipants = () => Promise.reject(new Error("nobody is to be forgotten yet"));
  await w.clock.advance(purgeIntervalMs);
  expect(lines.filter((line) => line.includes("purged"))).toEqual([]);
  w.log.forgetParticipants = async () => err({ type: "storage-unavailable", cause: "full", outcomeUnknown: false });
  const forgotten = () => lines.filter((line) => line.includes("are forgotten")).length;
  w.clock.stall(participantRetentionMs + purgeIntervalMs);
  await w.clock.advance(purgeIntervalMs);
  expect(forgotten()).toBe(0);
  w.log.forgetParticipants = forgetParticipants;
  await w.clock.advance(purgeIntervalMs);
  expect(forgotten()).toBe(1);
});

test("one that has ended purges no more", async () => {
  const w = world();
  await w.start();
  let calls = 0;
  w.log.purge = async () => {
    calls += 1;
    w.coordinator().driver.close();
    return ok(calls < 9 ? purgeBatchSize : 0);
  };
  await w.clock.advance(purgeIntervalMs);
  expect(calls).toBe(1);
});

test("one that was replaced says so once, however often it meets its successor", async () => {
  const lines: string[] = [];
  const w = world({ logger: { ...silent, error: (_, message) => void lines.push(message) } });
  await w.start();
  await w.log.claim("c");
  const asked = [1, 2].map(() => w.coordinator().driver.retry(tx("unknown"), ada));
  for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ error: { type: "fenced", coordinatorEpoch: 2 } });
  expect(lines.filter((line) => line.startsWith("replaced by another"))).toHaveLength(1);
});

test("what has ended since the log was searched is not told of as found", async () => {
  const warned: string[] = [];
  const w = world({ logger: { ...silent, warn: (_, message) => void warned.push(message) } });
  await w.start();
  await w.log.record(completed(committing("u1")));
  w.log.unfinished = async () => [tx("u1")];
  await w.clock.advance(recoveryIntervalMs);
  expect(warned).toEqual([]);
});

test("what is over is dropped batch by batch, and once a batch is not full nothing is looked for", async () => {
  for (const purged of [purgeBatchSize - 1, purgeBatchSize]) {
    const w = world();
    await w.start();
    const sizes = [purgeBatchSize, purged, 0];
    let calls = 0;
    w.log.purge = async () => ok(sizes[calls++] ?? 0);
    await w.clock.advance(purgeIntervalMs);
    expect(calls).toBe(purged === purgeBatchSize ? 3 : 2);
  }
});

test.each(["transactions", "participants"])("one that was replaced purges no %s, and hears there that it was", async (what) => {
  const w = world();
  await w.start();
  const old = w.coordinator();
  const a = await join(old, "a");
  a.leave();
  await w.log.claim("c");
  // It cannot look for its successor.
  w.log.newestEpoch = () => Promise.reject(new Error("cannot be read"));
  if (what === "participants") w.log.purge = async () => ok(0);
  w.clock.stall(participantRetentionMs + purgeIntervalMs);
  await w.clock.advance(purgeIntervalMs);
  const heard = await Promise.race([old.driver.replaced, flush().then(() => "nothing")]);
  expect(heard).toEqual({ type: "fenced", coordinatorEpoch: 2 });
});

// A map of participants' transactions that keeps its empty sets keeps a participant for ever.
test("a participant whose transactions are over can be forgotten", async () => {
  const w = world();
  await w.start();
  const known = async () => (await w.coordinator().sessions.list({ afterId: undefined, limit: 10 })).length;
  const a = await join(w.coordinator(), "a");
  const executed = w.coordinator().driver.execute(request(["a"]));
  await flush();
  const [prepare] = a.heard;
  if (prepare?.type !== "prepare") throw new Error("nothing was to be prepared");
  await a.say({ type: "decision-ack", transactionId: prepare.transactionId, outcome: "aborted", reason: "no" });
  expect(await executed).toMatchObject({ ok: true, value: { outcome: "aborted" } });
  a.leave();
  await flush();
  w.clock.stall(participantRetentionMs + purgeIntervalMs);
  await w.clock.advance(purgeIntervalMs);
  expect(await known()).toBe(0);
});

describe("payloads of what is taken over", () => {
  test("are read when there is credit for their Prepares, and not held in memory", async () => {
    const w = world();
    await w.log.claim("c");
    const payload = new Uint8Array(64 * 1024).fill(7);
    for (let i = 0; i < 100; i += 1) await w.log.force(delegated(`u${i}`, payload));
    const reads: string[] = [];
    const { payload: read } = w.log;
    w.log.payload = (each) => {
      reads.push(each);
      return read(each);
    };
    const observed: (() => CommitGauges)[] = [];
    await w.start({ metrics: { ...noMetrics, observe: (gauges) => void observed.push(gauges) } });
    expect(observed[0]?.().undecidedBytes).toBeLessThan(payload.byteLength * 10);
    const a = await join(w.coordinator(), "a");
    expect(a.heard.map((message) => message.type === "prepare" && message.payload)).toEqual(Array(8).fill(payload));
    expect(reads.length).toBe(8);
    await a.say({ type: "decision-ack", transactionId: tx("u0"), outcome: "committed", reason: "" });
    expect(reads.length).toBe(9);
  });

  test("that is being read when an operator ends the transaction is not sent behind the decision", async () => {
    const w = world();
    await w.log.claim("c");
    await w.log.force(delegated("u1"));
    await w.start();
    const { payload: read } = w.log;
    const slow = Promise.withResolvers<void>();
    w.log.payload = async (each) => {
      await slow.promise;
      return read(each);
    };
    const a = await join(w.coordinator(), "a");
    await w.coordinator().driver.resolve(tx("u1"), "aborted", ada);
    w.log.payload = read;
    slow.resolve();
    await flush();
    expect(a.heard).toMatchObject([{ type: "prepare", transactionId: "u1", voteWithinMs: 0, payload: new Uint8Array() }]);
  });

  test("that cannot be read is logged, and its Prepare comes with the next session", async () => {
    const logged: object[] = [];
    const w = world({ logger: { ...silent, error: (fields) => void logged.push(fields) } });
    await w.log.claim("c");
    await w.log.force(delegated("u1"));
    await w.start();
    const { payload } = w.log;
    w.log.payload = () => Promise.reject(new Error("a damaged page"));
    const a = await join(w.coordinator(), "a");
    expect([a.heard, logged]).toMatchObject([[], [{ transaction: "u1" }]]);
    w.log.payload = payload;
    a.leave();
    expect((await join(w.coordinator(), "a")).heard).toMatchObject([{ type: "prepare", transactionId: "u1" }]);
  });
});

describe("before recovery has come to a transaction", () => {
  test("it is got and listed as it is stored, and what is unknown is not", async () => {
    const w = await startedOn(committing("u1"), delegated("u2"));
    expect(await found(w.driver, tx("u1"))).toMatchObject({ phase: "COMMITTING", outcome: "committed" });
    expect(await found(w.driver, tx("u2"))).toMatchObject({ phase: "PREPARING", outcome: undefined });
    expect((await newest(w.driver, 10)).map((each) => each.id)).toEqual(["u2", "u1"]);
    expect(await w.driver.get(tx("u3"))).toEqual(err({ type: "not-found" }));
    expect(w.driver.owed(id("a"))).toMatchObject({ unacknowledged: 0 });
  });

  test("a verb on it is carried out", async () => {
    const w = await startedOn(committing("u1"), delegated("u2"), delegated("u3"));
    expect(await w.driver.abort(tx("u1"), ada)).toMatchObject({ ok: false, error: { type: "refused" } });
    expect(await w.driver.retry(tx("u1"), ada)).toMatchObject({ ok: true, value: { phase: "COMMITTING" } });
    expect(await w.driver.abort(tx("u2"), ada)).toMatchObject({ ok: false, error: { type: "refused" } });
    expect(await w.driver.resolve(tx("u3"), "aborted", ada)).toMatchObject({ ok: true, value: { outcome: "aborted" } });
    expect(await w.driver.forget(tx("u1"), ada)).toMatchObject({ ok: false, error: { type: "refused" } });
    expect(w.driver.owed(id("a")).unacknowledged).toBe(2);
  });

  // Two operators may have the same list before them.
  test("what two forget at the same time is counted out once, or what the others are in doubt about would be", async () => {
    const w = await startedOn(delegated("u1"), delegated("u2"), delegated("u3"));
    for (const name of ["u1", "u2", "u3"]) await w.driver.retry(tx(name), ada);
    expect(w.driver.owed(id("a")).inDoubt).toBe(3);
    await w.driver.resolve(tx("u1"), "aborted", ada);
    const forgotten = await Promise.all([w.driver.forget(tx("u1"), ada), w.driver.forget(tx("u1"), ada)]);
    expect(forgotten).toMatchObject([{ ok: true }, { ok: true }]);
    expect(w.driver.owed(id("a")).inDoubt).toBe(2);
  });

  test("the commit of what a lone participant decides waits for it, and so does a retry with its request id", async () => {
    const key = { id: "r1" as RequestId, digest: "x" };
    const w = await startedOn(delegated("u1"), { ...delegated("u2"), request: key });
    const a = await join(w, "a");
    const answers = [
      w.driver.commit(tx("u1"), ada),
      w.driver.execute(request(["a"], { request: key })),
      w.driver.execute(request(["a"], { request: key })),
    ];
    await flush();
    expect(a.heard).toMatchObject([
      { type: "prepare", transactionId: "u1", onePhase: true },
      { type: "prepare", transactionId: "u2", onePhase: true },
    ]);
    for (const name of ["u1", "u2"])
      await a.say({ type: "decision-ack", transactionId: tx(name), outcome: "committed", reason: "" });
    const committed = (name: string) => ({ ok: true, value: { id: name, outcome: "committed" } });
    expect(await Promise.all(answers)).toMatchObject([committed("u1"), committed("u2"), committed("u2")]);
  });

  test("what participants say of it is heard: who asks is told, who acknowledges is asked no more", async () => {
    const w = await startedOn(committing("u1"), committing("u2"), committing("u3"), delegated("u4"));
    const a = await join(w, "a", "u1", "u4", "unknown");
    const b = await join(w, "b");
    // Of the first, the participant has said that it is in doubt; of the fourth, that it has not decided.
    for (let i = 0; i < 3; i += 1) await w.turn();
    const decisions = a.heard.filter(({ type }) => type === "decision");
    expect(decisions).toContainEqual(expect.objectContaining({ transactionId: "u1", outcome: "committed" }));
    expect(decisions).toContainEqual(expect.objectContaining({ transactionId: "unknown", outcome: "aborted" }));
    expect(decisions).not.toContainEqual(expect.objectContaining({ transactionId: "u4" }));
    b.heard.length = 0;
    await b.say({ type: "inquiry", transactionId: tx("u3"), coordinatorId: "c" });
    expect(b.heard).toContainEqual(expect.objectContaining({ transactionId: "u3", outcome: "committed" }));
    for (const each of [a, b]) {
      await each.say({ type: "decision-ack", transactionId: tx("u3"), outcome: "committed", reason: "" });
    }
    expect(await w.log.get(tx("u3"))).toMatchObject({ phase: "COMPLETED" });
  });

  test("who acknowledges is heard though nobody has asked about it yet", async () => {
    const w = await startedOn(committing("u1"));
    for (const name of ["a", "b"]) {
      const each = await join(w, name);
      await each.say({ type: "decision-ack", transactionId: tx("u1"), outcome: "committed", reason: "" });
    }
    expect(await w.log.get(tx("u1"))).toMatchObject({ phase: "COMPLETED" });
  });

  test("who had no part in what has ended is told what one is told of nothing", async () => {
    const w = await startedOn(completed(committing("u1")));
    for (const [name, outcome] of [
      ["a", "committed"],
      ["stranger", "aborted"],
    ] as const) {
      const asking = await join(w, name);
      await asking.say({ type: "inquiry", transactionId: tx("u1"), coordinatorId: "c" });
      expect(asking.heard).toContainEqual(expect.objectContaining({ type: "decision", transactionId: "u1", outcome }));
    }
  });

  test("those who ask at the same time find one run of it, and what has ended is not begun anew", async () => {
    const w = await startedOn(committing("u1"));
    const { get } = w.log;
    const slow = Promise.withResolvers<void>();
    let reads = 0;
    w.log.get = async (each) => {
      const stored = await get(each);
      reads += 1;
      await slow.promise;
      return stored;
    };
    const asked = [w.driver.retry(tx("u1"), ada), w.driver.retry(tx("u1"), ada)];
    await flush();
    slow.resolve();
    expect(await Promise.all(asked)).toMatchObject([{ ok: true }, { ok: true }]);
    expect(reads).toBe(1);
    w.log.get = get;
    await w.log.record(completed({ ...committing("u2"), coordinatorEpoch: 2 }));
    expect(await w.driver.retry(tx("u2"), ada)).toMatchObject({ value: { phase: "COMPLETED" } });
    expect(w.driver.owed(id("a")).unacknowledged).toBe(1);
  });

  test("one that has been replaced does not take it up", async () => {
    const w = await startedOn(committing("u1"));
    await w.log.claim("c");
    await w.log.force({ ...committing("u2"), coordinatorEpoch: 3 });
    expect(await w.driver.retry(tx("u2"), ada)).toEqual(err({ type: "fenced", coordinatorEpoch: 3 }));
    expect(await w.driver.replaced).toEqual({ type: "fenced", coordinatorEpoch: 3 });
  });

  test("one that has been replaced does not answer a request by what it may not take up", async () => {
    const w = await startedOn();
    const key = { id: "r" as RequestId, digest: "x" };
    await w.log.force({ ...committing("u2"), coordinatorEpoch: 2, request: key });
    await w.log.claim("c");
    expect(await w.driver.execute(request(["a", "b"], { request: key }))).toEqual(err({ type: "fenced", coordinatorEpoch: 3 }));
  });

  test("one that has been replaced still tells what is over: of that, nobody knows more", async () => {
    const w = await startedOn();
    await w.log.record({ ...completed(committing("u2")), coordinatorEpoch: 2 });
    await w.log.claim("c");
    expect(await w.driver.retry(tx("u2"), ada)).toMatchObject({ value: { id: "u2", phase: "COMPLETED" } });
  });

  // specs/Sessions.tla: TakeUp.
  test("one that has been replaced does not take it up, though it is of a time before both", async () => {
    const w = await startedOn(committing("u1"));
    await w.log.claim("c");
    expect(await w.driver.retry(tx("u1"), ada)).toEqual(err({ type: "fenced", coordinatorEpoch: 3 }));
    expect(await w.driver.replaced).toEqual({ type: "fenced", coordinatorEpoch: 3 });
  });
});
