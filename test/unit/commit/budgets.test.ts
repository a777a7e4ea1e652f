import { describe, expect, test } from "vitest";
import { type Budgets, isUsedUp, whyNotBegin, whyNotEnlist } from "../../../src/commit/budgets.ts";
import type { ParticipantMessage } from "../../../src/commit/core/messages.ts";
import { undecidedCountMax } from "../../../src/commit/limits.ts";
import { type CommitGauges, type CommitMetrics, noMetrics } from "../../../src/commit/metrics.ts";
import type { RequestId, TransactionId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { flush, found, id, request, world } from "./support.ts";

// What transactions may take in memory, and what is refused beyond it.

const kib = 1_024;
const nobody = { reason: "", requestedBy: "", request: undefined };
const work = (name: string, bytes: number) => ({ participantId: id(name), payload: new Uint8Array(bytes) });
const key = (name: string) => ({ id: name as RequestId, digest: "x" });
const refusedFor = (of: string) => ({ ok: false, error: { type: "overloaded", of } });

function small(budgets: Partial<Budgets> = {}) {
  let gauges: () => CommitGauges | undefined = () => undefined;
  const metrics: CommitMetrics = {
    ...noMetrics,
    observe: (read) => {
      gauges = read;
    },
  };
  const w = world({
    metrics,
    budgets: {
      undecidedBytesMax: 100 * kib,
      addressShare: 1,
      unacknowledgedBytesMax: 100 * kib,
      owedCountMax: 1_000,
      ...budgets,
    },
  });
  const bytes = () => ({ undecided: gauges()?.undecidedBytes, unacknowledged: gauges()?.unacknowledgedBytes });
  const execute = (name: string, size: number, options = {}) =>
    w.coordinator().driver.execute(request([], { enlistments: [work(name, size)], waitForParticipantsMs: 60_000, ...options }));
  return { ...w, gauges: () => gauges(), bytes, execute };
}

type World = ReturnType<typeof small>;

/** A participant that says what the test says. */
async function scripted(w: World, name: string) {
  const session = w.coordinator().sessions.open(name);
  let sequence = 0;
  const say = async (message: ParticipantMessage) => {
    await session.receive({ sequence: ++sequence, message });
    await flush();
  };
  const hello = { participantId: id(name), instanceId: "i", versionMin: 1, versionMax: 1, prepareCredit: 65_536 };
  await say({ type: "hello", inDoubt: [], ...hello });
  return {
    say,
    leave: async () => {
      session.disconnect();
      await flush();
    },
    ack: (transactionId: TransactionId) => say({ type: "decision-ack", transactionId, outcome: "committed", reason: "" }),
  };
}

async function newest(w: World): Promise<TransactionId> {
  const { transactions } = await w.coordinator().driver.list({ beforeId: undefined, limit: 1 });
  return transactions[0]?.id as TransactionId;
}

/** Committed by both, and acknowledged by nobody. */
async function unacknowledged(w: World, voters: readonly Awaited<ReturnType<typeof scripted>>[], size = 0) {
  const enlistments = ["a", "b"].map((name) => work(name, size));
  const running = w.coordinator().driver.execute(request([], { enlistments }));
  await flush();
  const transactionId = await newest(w);
  for (const { say } of voters) await say({ type: "vote", transactionId, attempt: 1, value: "commit", reason: "" });
  expect(await running).toMatchObject({ value: { outcome: "committed", phase: "COMMITTING" } });
  return transactionId;
}

describe("each bound may be reached, and not passed", () => {
  const budgets: Budgets = { undecidedBytesMax: 100, addressShare: 0.5, unacknowledgedBytesMax: 70, owedCountMax: 9 };
  const within = { undecided: 100, decided: 70 };
  const share = { address: "10.0.0.1", count: 1, bytes: 50 };

  test("of bytes", () => {
    expect(whyNotEnlist({ budgets, bytes: within }, share, [])).toBeUndefined();
    expect(isUsedUp({ budgets, bytes: within }, share)).toBe(false);
    const cases = [
      { of: "bytes-undecided", limit: 100, bytes: { ...within, undecided: 101 }, its: share },
      { of: "bytes-undecided-of-address", limit: 50, bytes: within, its: { ...share, bytes: 51 } },
      { of: "bytes-unacknowledged", limit: 70, bytes: { ...within, decided: 71 }, its: undefined },
    ];
    for (const { of, limit, bytes, its } of cases) {
      const refused = { type: "overloaded", of, limit };
      expect(whyNotEnlist({ budgets, bytes }, its, [])).toEqual(refused);
      expect(whyNotBegin({ budgets, bytes }, 0, its, [])).toEqual(refused);
      expect(isUsedUp({ budgets, bytes }, its), of).toBe(true);
    }
  });

  test("of their count, all of them and those of one address", () => {
    const begin = (count: number, ofAddress: number) =>
      whyNotBegin({ budgets, bytes: within }, count, { ...share, count: ofAddress }, [])?.of;
    expect(begin(undecidedCountMax - 1, undecidedCountMax / 2 - 1)).toBeUndefined();
    expect(begin(undecidedCountMax, 0)).toBe("undecided");
    expect(begin(undecidedCountMax - 1, undecidedCountMax / 2)).toBe("undecided-of-address");
  });
});

describe("undecided transactions", () => {
  test("are refused beyond their count", async () => {
    const w = small({ undecidedBytesMax: 2 ** 30 });
    await w.start();
    for (let i = 0; i < undecidedCountMax; i += 1) void w.execute("a", 0);
    expect(await w.execute("a", 0)).toEqual({
      ok: false,
      error: { type: "overloaded", of: "undecided", limit: undecidedCountMax },
    });
  });

  test("are refused beyond their bytes, whichever way the payloads come, and are begun again when there is room", async () => {
    const w = small();
    await w.start();
    const { driver } = w.coordinator();
    const first = w.execute("a", 60 * kib);
    await flush();
    const begun = await driver.begin({ ...request([]), idleTimeoutMs: 60_000 });
    if (!begun.ok) throw new Error(begun.error.type);
    expect(await driver.enlist(begun.value.id, work("b", 40 * kib), nobody)).toMatchObject(refusedFor("bytes-undecided"));
    expect(await w.execute("b", 40 * kib)).toMatchObject(refusedFor("bytes-undecided"));
    expect(await w.execute("b", 40 * kib, { request: key("r") })).toMatchObject(refusedFor("bytes-undecided"));
    await driver.enlist(begun.value.id, work("b", 20 * kib), nobody);
    expect(await w.execute("c", 20 * kib)).toMatchObject(refusedFor("bytes-undecided"));
    await driver.abort(begun.value.id, nobody);
    void w.execute("b", 20 * kib, { request: key("r") });
    await w.clock.advance(60_000);
    expect(await first).toMatchObject({ value: { outcome: "aborted" } });
    expect(w.bytes()).toEqual({ undecided: 0, unacknowledged: 0 });
  });

  test("are refused though many come at once, each with a request id that the log is asked about", async () => {
    const w = small();
    await w.start();
    const asked = Array.from({ length: 10 }, (_, index) => w.execute("a", 30 * kib, { request: key(`r${index}`) }));
    await w.clock.advance(60_000);
    const answers = await Promise.all(asked);
    expect(answers.filter((answer) => !answer.ok)).toHaveLength(7);
  });

  test.each([
    { of: "the bytes are", addressShare: 1, usedUp: 100 * kib },
    { of: "an address's share is", addressShare: 0.5, usedUp: 50 * kib },
  ])("have timelines that are counted, cut to 256 characters a line, and stop growing when $of used up", async (row) => {
    const w = small({ addressShare: row.addressShare });
    await w.start();
    void w.execute("a", 0, { address: "10.0.0.1" });
    await flush();
    const transactionId = await newest(w);
    const a = await scripted(w, "a");
    const reason = "x".repeat(1_000);
    for (let count = 0; count < 1_000; count += 1) {
      // Of a Prepare that was never sent.
      await a.say({ type: "vote", transactionId, attempt: 99, value: "commit", reason });
    }
    const { entries } = await w.coordinator().driver.timeline(transactionId);
    expect(Math.max(...entries.map(({ detail = "" }) => detail.length))).toBe(256);
    expect(w.bytes().undecided).toBeGreaterThan(row.usedUp);
    expect(w.bytes().undecided).toBeLessThan(row.usedUp + 10 * kib);
    await a.ack(transactionId);
    expect(w.bytes()).toEqual({ undecided: 0, unacknowledged: 0 });
  });
});

describe("undecided transactions that one address has begun", () => {
  const [first, second] = [{ address: "10.0.0.1" }, { address: "10.0.0.2" }];

  test("are refused beyond its share of the count, while others begin theirs, until some are decided", async () => {
    const w = small({ undecidedBytesMax: 2 ** 30, addressShare: 2 / undecidedCountMax });
    await w.start();
    const { driver } = w.coordinator();
    const begin = (options: object) => driver.begin({ ...request([]), idleTimeoutMs: 60_000, ...options });
    const begun = [await begin(first), await begin({ ...first, request: key("r") })];
    const refused = err({ type: "overloaded", of: "undecided-of-address", limit: 2 });
    expect(await begin(first)).toEqual(refused);
    expect(await w.execute("a", 0, { ...first, request: key("s") })).toEqual(refused);
    expect(await begin({ ...first, request: key("r") })).toEqual(begun[1]);
    expect(await begin(second)).toMatchObject({ ok: true });
    await driver.abort(await newest(w), nobody);
    expect(await begin(first)).toEqual(refused);
    if (begun[0]?.ok) await driver.abort(begun[0].value.id, nobody);
    expect(await begin(first)).toMatchObject({ ok: true });
    expect(await begin(first)).toEqual(refused);
  });

  test("are refused beyond its share of the bytes, also what others enlist in them; others go on", async () => {
    const w = small({ addressShare: 0.5 });
    await w.start();
    const { driver } = w.coordinator();
    const begin = async (options: object) => {
      const begun = await driver.begin({ ...request([]), idleTimeoutMs: 60_000, ...options });
      if (!begun.ok) throw new Error(begun.error.type);
      return begun.value.id;
    };
    const [its, others] = [await begin(first), await begin(second)];
    expect(await driver.enlist(its, work("a", 30 * kib), nobody)).toMatchObject({ ok: true });
    const refused = err({ type: "overloaded", of: "bytes-undecided-of-address", limit: 50 * kib });
    expect(await driver.enlist(its, work("b", 20 * kib), nobody)).toEqual(refused);
    expect(await w.execute("b", 20 * kib, first)).toEqual(refused);
    expect(await w.execute("b", 60 * kib, { address: "10.0.0.3" })).toEqual(refused);
    expect(await driver.enlist(others, work("b", 30 * kib), nobody)).toMatchObject({ ok: true });
    await driver.abort(its, nobody);
    expect(await driver.enlist(await begin(first), work("a", 40 * kib), nobody)).toMatchObject({ ok: true });
  });

  test("are nobody's after they were taken over", async () => {
    const w = small({ undecidedBytesMax: 2 ** 30, addressShare: 1 / undecidedCountMax });
    await w.start();
    await scripted(w, "a");
    void w.execute("a", 0, first);
    await flush();
    expect(await w.execute("a", 0, first)).toMatchObject(refusedFor("undecided-of-address"));
    w.stop();
    await w.start();
    expect(w.gauges()).toMatchObject({ undecided: 1 });
    void w.execute("a", 0, first);
    expect(w.gauges()).toMatchObject({ undecided: 2 });
    expect(await w.execute("a", 0, first)).toMatchObject(refusedFor("undecided-of-address"));
  });
});

describe("decided transactions", () => {
  test("have no payloads in memory while they wait for acknowledgements, and are not counted as undecided", async () => {
    const w = small();
    await w.start();
    const voters = [await scripted(w, "a"), await scripted(w, "b")];
    const transactionId = await unacknowledged(w, voters, 40 * kib);
    const transaction = await found(w.coordinator().driver, transactionId);
    expect(transaction?.parts.map(({ payload }) => payload?.byteLength)).toEqual([0, 0]);
    expect(w.bytes().undecided).toBe(0);
    expect(w.bytes().unacknowledged).toBeLessThan(10 * kib);
  });

  test("keep new ones from beginning when too many are not acknowledged, until they are", async () => {
    const w = small({ unacknowledgedBytesMax: 20 * kib });
    await w.start();
    const voters = [await scripted(w, "a"), await scripted(w, "b")];
    const open: TransactionId[] = [];
    while ((w.bytes().unacknowledged ?? 0) <= 20 * kib) open.push(await unacknowledged(w, voters));
    expect(open.length).toBeGreaterThan(3);
    expect(await w.execute("c", 0)).toMatchObject(refusedFor("bytes-unacknowledged"));
    for (const transactionId of open) for (const { ack } of voters) await ack(transactionId);
    expect(w.bytes().unacknowledged).toBe(0);
    void w.execute("c", 0);
    expect(w.bytes().undecided).toBeGreaterThan(0);
  });
});

describe("a participant that does not acknowledge", () => {
  test("gets no new work beyond a bound, and is named with when it was seen; others go on; it gets work again when it has", async () => {
    const w = small({ owedCountMax: 3 });
    await w.start();
    const [a, b] = [await scripted(w, "a"), await scripted(w, "b")];
    const open: TransactionId[] = [];
    for (let count = 0; count < 3; count += 1) {
      const transactionId = await unacknowledged(w, [a, b]);
      await a.ack(transactionId);
      open.push(transactionId);
    }
    const { driver } = w.coordinator();
    const lags = { type: "participant-lags", participantId: "b", unacknowledged: 3, limit: 3, lastSeenAtMs: w.clock.nowMs() };
    expect(await driver.execute(request(["a", "b"]))).toEqual(err(lags));
    expect(await driver.execute(request(["b"], { request: key("r") }))).toEqual(err(lags));
    expect(w.gauges()).toMatchObject({ unacknowledged: 3, unacknowledgedMost: 3 });
    await b.leave();
    await w.clock.advance(7_000);
    const begun = await driver.begin({ ...request([]), idleTimeoutMs: 60_000 });
    if (!begun.ok) throw new Error(begun.error.type);
    expect(await driver.enlist(begun.value.id, work("b", 0), nobody)).toEqual(err(lags));
    void a.say({ type: "heartbeat", sentAtMs: 0, lastSequenceSeen: 0 });
    expect(await driver.enlist(begun.value.id, work("a", 0), nobody)).toMatchObject({ ok: true });
    const back = await scripted(w, "b");
    await back.ack(open[0] as TransactionId);
    expect(await driver.enlist(begun.value.id, work("b", 0), nobody)).toMatchObject({ ok: true });
  });

  test("is known by what it owes after a restart, before it is seen", async () => {
    const w = small({ owedCountMax: 1 });
    await w.start();
    await unacknowledged(w, [await scripted(w, "a"), await scripted(w, "b")]);
    w.stop();
    await w.start();
    expect(await w.coordinator().driver.execute(request(["b"]))).toMatchObject({
      error: { type: "participant-lags", unacknowledged: 1, lastSeenAtMs: undefined },
    });
  });
});
