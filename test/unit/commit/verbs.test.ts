import { describe, expect, test } from "vitest";
import type { CoordinatorInput, Refusal } from "../../../src/commit/core/coordinator-step.ts";
import type { ParticipantMessage } from "../../../src/commit/core/messages.ts";
import { heuristicOf, type Outcome, type Transaction } from "../../../src/commit/core/types.ts";
import { timelineCountMax, timelineDetailLengthMax, watchCountMax } from "../../../src/commit/limits.ts";
import { type CommitGauges, type CommitMetrics, noMetrics } from "../../../src/commit/metrics.ts";
import { emptyTimeline, inputLine, withEntry } from "../../../src/commit/timeline.ts";
import type { BeginRequest } from "../../../src/commit/verbs.ts";
import type { RequestId, TransactionId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { allUntil, collect, flush, found, id, newest, request, silent, transactionsOf, tx, world } from "./support.ts";

// The verbs around transactions: enlisting as the work happens, and what operators do.

type World = ReturnType<typeof world>;

const byAda = { reason: "the disk is lost", requestedBy: "ada" };
const ada = { ...byAda, request: undefined };
const nobody = { reason: "", requestedBy: "", request: undefined };
const work = (name: string) => ({ participantId: id(name), payload: new TextEncoder().encode(`work of ${name}`) });
const key = (name: string, digest = "x") => ({ id: name as RequestId, digest });

async function begin(w: World, options: Partial<BeginRequest> = {}): Promise<TransactionId> {
  const { enlistments: _, ...rest } = request([]);
  const answer = await w.coordinator().driver.begin({ ...rest, idleTimeoutMs: 60_000, ...options });
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  return answer.value.id;
}

const refusedAs = (code: Refusal["code"]) => ({ ok: false, error: { type: "refused", refusal: { code } } });

/** A participant that says what the test says. */
async function scripted(w: World, name: string) {
  const session = w.coordinator().sessions.open(name);
  let sequence = 0;
  const say = (message: ParticipantMessage) => session.receive({ sequence: ++sequence, message });
  const hello = { participantId: id(name), instanceId: "i", versionMin: 1, versionMax: 1, prepareCredit: 8 };
  await say({ type: "hello", inDoubt: [], ...hello });
  await flush();
  return {
    leave: async () => {
      session.disconnect();
      await flush();
    },
    vote: async (transactionId: TransactionId, value: "commit" | "abort" = "commit") => {
      await say({ type: "vote", transactionId, attempt: 1, value, reason: "" });
      await flush();
    },
    ack: async (transactionId: TransactionId, outcome: Outcome) => {
      await say({ type: "decision-ack", transactionId, outcome, reason: "" });
      await flush();
    },
  };
}

/** Committed, acknowledged by "a", and "b" has left. */
async function stuck(w: World, options = {}): Promise<TransactionId> {
  const a = await scripted(w, "a");
  const b = await scripted(w, "b");
  const running = w.run(["a", "b"], options);
  await flush();
  const [first] = await newest(w.coordinator().driver);
  const transactionId = first?.id ?? tx("");
  await a.vote(transactionId);
  await b.vote(transactionId);
  await running;
  await a.ack(transactionId, "committed");
  await b.leave();
  return transactionId;
}

describe("enlisting", () => {
  test("collects work as it happens, and the commit runs it", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const transactionId = await begin(w);
    const [a, b] = [await w.participant("a"), await w.participant("b")];
    await driver.enlist(transactionId, work("a"), nobody);
    expect(await driver.enlist(transactionId, work("b"), nobody)).toMatchObject({ ok: true, value: { phase: "INIT" } });
    await flush();
    expect([a.calls, b.calls]).toEqual([[], []]);
    expect(await driver.commit(transactionId, nobody)).toMatchObject({ ok: true, value: { outcome: "committed" } });
    await flush();
    expect([a.state.get(transactionId), b.state.get(transactionId)]).toEqual(["committed", "committed"]);
    expect(await driver.commit(transactionId, nobody)).toMatchObject({ ok: true, value: { phase: "COMPLETED" } });
    expect(await driver.enlist(transactionId, work("c"), nobody)).toMatchObject(refusedAs("state"));
  });

  test("of a participant that leaves before the commit waits for it then, if it may", async () => {
    const w = world();
    await w.start();
    const transactionId = await begin(w, { waitForParticipantsMs: 30_000 });
    await w.coordinator().driver.enlist(transactionId, work("a"), nobody);
    const committing = w.coordinator().driver.commit(transactionId, nobody);
    await w.participant("a");
    expect(await committing).toMatchObject({ ok: true, value: { outcome: "committed" } });
  });

  test("is over when nothing comes for the idle time; the next commit hears the abort", async () => {
    const w = world();
    await w.start();
    const transactionId = await begin(w);
    await w.clock.advance(59_000);
    await w.coordinator().driver.enlist(transactionId, work("a"), nobody);
    await w.clock.advance(59_000);
    expect(await found(w.coordinator().driver, transactionId)).toMatchObject({ phase: "INIT" });
    await w.clock.advance(1_000);
    expect(await w.coordinator().driver.commit(transactionId, nobody)).toMatchObject({ ok: true, value: { outcome: "aborted" } });
  });

  test("is not remembered by the next coordinator: no record means aborted", async () => {
    const w = world();
    await w.start();
    const transactionId = await begin(w);
    w.stop();
    await w.start();
    const { driver } = w.coordinator();
    expect(await driver.commit(transactionId, nobody)).toEqual(err({ type: "not-found" }));
    expect(await driver.enlist(transactionId, work("a"), nobody)).toEqual(err({ type: "not-found" }));
  });

  test("knows retries by their request ids", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const transactionId = await begin(w, { request: key("r1") });
    expect(await begin(w, { request: key("r1") })).toBe(transactionId);
    const { enlistments: _, ...rest } = request([]);
    expect(await driver.begin({ ...rest, idleTimeoutMs: 1, request: key("r1", "y") })).toEqual(
      err({ type: "request-id-reused" }),
    );
    await driver.enlist(transactionId, work("a"), { ...nobody, request: key("e1") });
    expect(await driver.enlist(transactionId, work("a"), { ...nobody, request: key("e1") })).toMatchObject({ ok: true });
    expect(await driver.enlist(transactionId, work("a"), nobody)).toMatchObject(refusedAs("already-enlisted"));
    expect(await driver.enlist(transactionId, work("b"), { ...nobody, request: key("e1", "y") })).toEqual(
      err({ type: "request-id-reused" }),
    );
  });

  test("is not committed while the log cannot write, and can be later", async () => {
    const w = world();
    await w.start();
    const transactionId = await begin(w);
    Object.assign(w.log, { writable: false });
    const refused = await w.coordinator().driver.commit(transactionId, nobody);
    expect(refused).toEqual(err({ type: "storage-unavailable", transactionId: undefined }));
    Object.assign(w.log, { writable: true });
    expect(await w.coordinator().driver.commit(transactionId, nobody)).toMatchObject({ value: { outcome: "committed" } });
  });

  test("knows a request id that comes with another verb", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const transactionId = await begin(w);
    const asked = { ...nobody, request: key("v1") };
    await driver.retry(transactionId, asked);
    expect(await driver.retry(transactionId, asked)).toMatchObject({ ok: true });
    const other = { ...nobody, request: key("v1", "y") };
    expect(await driver.commit(transactionId, other)).toEqual(err({ type: "request-id-reused" }));
    expect(await driver.abort(transactionId, other)).toEqual(err({ type: "request-id-reused" }));
  });

  test("ends when the caller of the commit leaves before the decision", async () => {
    const w = world();
    await w.start();
    const transactionId = await begin(w, { waitForParticipantsMs: 60_000 });
    await w.coordinator().driver.enlist(transactionId, work("a"), nobody);
    const answer = await w.coordinator().driver.commit(transactionId, nobody, AbortSignal.abort());
    expect(answer).toMatchObject({ ok: true, value: { outcome: "aborted" } });
  });
});

describe("an abort", () => {
  test("ends what is undecided, whoever waits for it, and is refused after a commit", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const running = w.run(["a"], { waitForParticipantsMs: 60_000 });
    await flush();
    const [waiting] = await newest(driver);
    expect(await driver.abort(waiting?.id ?? tx(""), ada)).toMatchObject({ ok: true, value: { outcome: "aborted" } });
    expect((await running).abortReason).toBe('aborted by "ada": the disk is lost');
    await flush();
    expect(await driver.abort(waiting?.id ?? tx(""), nobody)).toMatchObject({ ok: true });
    const { id: committed } = await w.run([]);
    await flush();
    expect(await driver.abort(committed, nobody)).toMatchObject(refusedAs("state"));
    expect(await driver.abort(tx("none"), nobody)).toEqual(err({ type: "not-found" }));
  });
});

describe("a retry", () => {
  test("sends the decision now, not when the pause is over", async () => {
    const w = world();
    await w.start();
    const transactionId = await stuck(w);
    const b = await scripted(w, "b");
    const before = await found(w.coordinator().driver, transactionId);
    const answer = await w.coordinator().driver.retry(transactionId, ada);
    const sent = (transaction: Transaction | undefined) => transaction?.parts[1]?.decisionsSent ?? 0;
    expect(answer.ok && sent(answer.value)).toBe(sent(before) + 1);
    await b.ack(transactionId, "committed");
    expect(await w.coordinator().driver.retry(transactionId, ada)).toMatchObject({ ok: true, value: { phase: "COMPLETED" } });
  });
});

describe("a resolution", () => {
  test("completes what waits for a participant, and notes its answer when it comes back", async () => {
    const w = world();
    await w.start();
    const transactionId = await stuck(w);
    const { driver } = w.coordinator();
    expect(await driver.resolve(transactionId, "aborted", ada)).toMatchObject(refusedAs("state"));
    expect(await driver.resolve(transactionId, "committed", ada)).toMatchObject({ ok: true, value: { phase: "COMPLETED" } });
    expect(await w.log.get(transactionId)).toMatchObject({ resolution: byAda });
    expect(driver.owed(id("b")).unacknowledged).toBe(1);
    expect(driver.owed(id("b")).oldestUnacknowledgedMs).toBe((await found(driver, transactionId))?.decidedAtMs);
    const b = await scripted(w, "b");
    await b.ack(transactionId, "committed");
    expect(heuristicOf((await w.log.get(transactionId)) as Transaction)).toBe("CONFIRMED");
    expect([driver.owed(id("b")).unacknowledged, driver.owed(id("b")).oldestUnacknowledgedMs]).toEqual([0, undefined]);
  });

  test("that a participant contradicts is mixed, also after a restart", async () => {
    const w = world();
    await w.start();
    const transactionId = await stuck(w);
    await w.coordinator().driver.resolve(transactionId, "committed", ada);
    w.stop();
    await w.start();
    const b = await scripted(w, "b");
    await b.ack(transactionId, "aborted");
    expect(heuristicOf((await found(w.coordinator().driver, transactionId)) as Transaction)).toBe("MIXED");
    const timeline = await w.coordinator().driver.timeline(transactionId);
    expect(timeline.entries.map(({ type }) => type)).toEqual([
      "begun",
      "prepare-sent",
      "prepare-sent",
      "vote-received",
      "vote-received",
      "decided",
      "decision-sent",
      "decision-sent",
      "ack-received",
      "disconnected",
      "resolved",
      "taken-over",
      "connected",
      "decision-sent",
      "ack-received",
    ]);
  });

  test("of a lone participant answers its caller, and asks the participant when it comes back", async () => {
    const w = world();
    await w.start();
    const a = await scripted(w, "a");
    const running = w.run(["a"]);
    await flush();
    const [waiting] = await newest(w.coordinator().driver);
    const transactionId = waiting?.id ?? tx("");
    await a.leave();
    expect(await w.coordinator().driver.abort(transactionId, ada)).toMatchObject(refusedAs("state"));
    await w.coordinator().driver.resolve(transactionId, "aborted", ada);
    expect(await running).toMatchObject({ outcome: "aborted", abortReason: 'resolved by "ada": the disk is lost' });
    await (await scripted(w, "a")).ack(transactionId, "committed");
    expect(heuristicOf((await w.log.get(transactionId)) as Transaction)).toBe("MIXED");
  });

  test("that cannot be written is told so, and is tried on", async () => {
    const w = world();
    await w.start();
    const transactionId = await stuck(w);
    const { force } = w.log;
    w.log.force = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: true });
    const answer = await w.coordinator().driver.resolve(transactionId, "committed", ada);
    expect(answer).toEqual(err({ type: "storage-unavailable", transactionId }));
    w.log.force = force;
    await w.clock.advance(5_000);
    expect(await w.log.get(transactionId)).toMatchObject({ phase: "COMPLETED", resolution: byAda });
  });

  test("that waits for a flush when the coordinator closes is told so", async () => {
    const w = world();
    await w.start();
    const transactionId = await stuck(w);
    w.log.force = () => new Promise(() => {});
    const answer = w.coordinator().driver.resolve(transactionId, "committed", ada);
    const { driver } = w.coordinator();
    w.stop();
    expect(await answer).toEqual(err({ type: "shutting-down" }));
    expect(await driver.retry(transactionId, ada)).toEqual(err({ type: "shutting-down" }));
    expect(await driver.forget(transactionId, ada)).toEqual(err({ type: "shutting-down" }));
  });
});

describe("forgetting", () => {
  test("drops what is completed, and nothing that somebody may ask after", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const waiting = await stuck(w);
    expect(await driver.forget(waiting, ada)).toMatchObject(refusedAs("state"));
    await driver.resolve(waiting, "committed", ada);
    expect(await driver.forget(waiting, ada)).toMatchObject(refusedAs("state"));
    const over = await w.run([]);
    await flush();
    expect(await driver.forget(over.id, ada)).toMatchObject({ ok: true, value: { id: over.id, outcome: "committed" } });
    expect(await driver.forget(over.id, ada)).toEqual(err({ type: "not-found" }));
    expect([await found(driver, over.id), await driver.timeline(over.id)]).toEqual([undefined, emptyTimeline]);
  });

  test("drops an abort that an operator has guessed: who asks after it is told the same", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const a = await scripted(w, "a");
    void w.run(["a"]);
    await flush();
    const [guessed] = await newest(driver);
    const transactionId = guessed?.id ?? tx("");
    await a.leave();
    await driver.resolve(transactionId, "aborted", ada);
    expect(await driver.forget(transactionId, ada)).toMatchObject({ ok: true });
    expect(await newest(driver)).toEqual([]);
  });

  test("waits until the end is in the log, and is told if the log does not write", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const over = await w.run([]);
    await flush();
    const { forget, record } = w.log;
    w.log.forget = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false });
    expect(await driver.forget(over.id, ada)).toMatchObject({ error: { type: "storage-unavailable" } });
    w.log.forget = forget;
    w.log.record = async () => err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false });
    const late = await w.run([]);
    const failed = driver.forget(late.id, ada);
    await w.clock.advance(100);
    expect(await failed).toMatchObject({ error: { type: "storage-unavailable" } });
    w.log.record = record;
    const waits = driver.forget(late.id, ada);
    await w.clock.advance(5_000);
    expect(await waits).toMatchObject({ ok: true, value: { id: late.id } });
    await w.log.claim("c");
    expect(await driver.forget(over.id, ada)).toEqual(err({ type: "fenced", coordinatorEpoch: 2 }));
  });
});

describe("watching all", () => {
  test("begins with what is not over, then tells each change", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const first = await begin(w);
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { id: transactionId, phase } of transactionsOf(driver.watchAll(allUntil(stop.signal))))
        seen.push(`${transactionId} ${phase}`);
    })();
    await flush();
    const second = await begin(w);
    await flush();
    await driver.abort(first, nobody);
    await flush();
    expect(seen).toEqual([`${first} INIT`, `${second} INIT`, `${first} COMPLETED`]);
    stop.abort();
    await watching;
  });

  test("tells a slow reader the newest only, and ends the watch of one that is far behind", async () => {
    const w = world();
    await w.start();
    const { driver } = w.coordinator();
    const watch = driver.watchAll(allUntil(new AbortController().signal));
    for (const asOfMs of [undefined, w.clock.nowMs()]) expect((await watch.next()).value).toEqual({ type: "progress", asOfMs });
    const first = watch.next();
    await w.run([]);
    expect((await first).value).toMatchObject({ transaction: { phase: "COMPLETED" } });
    for (let i = 0; i <= watchCountMax; i += 1) await w.run([]);
    expect(await watch.next()).toEqual({ done: true, value: { type: "too-slow" } });
  });

  test("ends with the coordinator", async () => {
    const w = world();
    await w.start();
    await begin(w);
    const watched = collect(transactionsOf(w.coordinator().driver.watchAll(allUntil(new AbortController().signal))));
    await flush();
    w.stop();
    expect((await watched).map(({ phase }) => phase)).toEqual(["INIT"]);
  });
});

test("a full timeline keeps its beginning and its newest entries", () => {
  let timeline = emptyTimeline;
  for (let atMs = 0; atMs < timelineCountMax + 10; atMs += 1) timeline = withEntry(timeline, { atMs, type: "connected" });
  const times = timeline.entries.map(({ atMs }) => atMs);
  expect([times.length, timeline.omitted]).toEqual([timelineCountMax, 10]);
  expect([times[0], times[255], times[256], times.at(-1)]).toEqual([0, 255, 266, timelineCountMax + 9]);
});

test("an entry with a long detail keeps everything else", () => {
  const entry = { atMs: 1, type: "vote-received", participantId: id("a"), attempt: 2, detail: "x".repeat(100_000) } as const;
  const [kept] = withEntry(emptyTimeline, entry).entries;
  expect(kept).toEqual({ ...entry, detail: "x".repeat(timelineDetailLengthMax) });
});

test("each verb is told of with who has asked, and why; and where all goes well there is nothing to warn of", async () => {
  const asked: object[] = [];
  const warned: string[] = [];
  const info = (fields: object, message: string) => void (message === "asked for" && asked.push(fields));
  const w = world({ logger: { ...silent, info, warn: (_, message) => void warned.push(message) } });
  await w.start();
  const { driver } = w.coordinator();
  const one = await begin(w);
  await w.participant("a");
  await driver.enlist(one, work("a"), ada);
  await driver.commit(one, ada, undefined);
  await driver.retry(one, { ...nobody, authenticatedAs: "spiffe://lab/ada" });
  const two = await begin(w);
  await driver.abort(two, ada);
  await driver.resolve(two, "aborted", ada);
  await driver.forget(two, { ...ada, origin: { requestId: "r-1" } });
  const by = { ...byAda, principal: undefined };
  expect(asked).toEqual([
    { transaction: one, verb: "enlist", ...by },
    { transaction: one, verb: "commit", ...by },
    { transaction: one, verb: "retry", requestedBy: "", reason: "", principal: "spiffe://lab/ada" },
    { transaction: two, verb: "abort", ...by },
    { transaction: two, verb: "resolve", ...by },
    { transaction: two, verb: "forget", ...by, request: "r-1" },
  ]);
  expect(warned).toEqual(["forgotten"]);
});

test.each([
  [
    { type: "enlist", participantId: id("a") },
    { type: "enlisted", participantId: "a" },
  ],
  [{ type: "commit" }, { type: "commit-requested" }],
  [{ type: "retry" }, { type: "retried" }],
])("a timeline names who was proved to ask, and else nobody: %j", (input, line) => {
  expect(inputLine(input as CoordinatorInput)).toEqual(line);
  expect(inputLine({ ...input, authenticatedAs: "k" } as CoordinatorInput)).toEqual({ ...line, detail: 'authenticated as "k"' });
});

test("a contradiction is counted once, whatever else is heard", async () => {
  const mixed: string[] = [];
  const errors: string[] = [];
  const w = world({
    metrics: { ...noMetrics, mixed: () => void mixed.push("mixed") },
    logger: { ...silent, error: (_, message) => void errors.push(message) },
  });
  await w.start();
  const names = ["a", "b", "c"];
  const voters = await Promise.all(names.map((name) => scripted(w, name)));
  const running = w.run(names);
  await flush();
  const [{ id: transactionId = tx("") } = {}] = await newest(w.coordinator().driver);
  for (const voter of voters) await voter.vote(transactionId);
  await running;
  await w.coordinator().driver.resolve(transactionId, "committed", ada);
  const [a, b, c] = voters;
  await a?.ack(transactionId, "committed");
  expect([mixed, errors]).toEqual([[], []]);
  await b?.ack(transactionId, "aborted");
  await c?.ack(transactionId, "committed");
  expect([mixed, errors]).toEqual([["mixed"], ["HEURISTIC_MIXED: a participant contradicts the resolution"]]);
});

test("a Prepare that is sent again is counted and told as such, by its own attempts", async () => {
  const resent: string[] = [];
  const w = world({ metrics: { ...noMetrics, resent: (kind) => resent.push(kind) } });
  await w.start();
  await scripted(w, "b");
  const running = w.run(["a", "b"], { waitForParticipantsMs: 5_000 });
  await (await scripted(w, "a")).leave();
  const a = await scripted(w, "a");
  const [{ id: transactionId = tx("") } = {}] = await newest(w.coordinator().driver);
  await a.vote(transactionId, "abort");
  await running;
  expect(resent).toEqual(["prepare"]);
  const { entries } = await w.coordinator().driver.timeline(transactionId);
  const sent = entries.flatMap(({ type, participantId, attempt }) =>
    type.endsWith("-sent") ? [`${type} ${participantId} ${attempt}`] : [],
  );
  expect(sent).toEqual(["prepare-sent a 1", "prepare-sent b 1", "prepare-sent a 2", "decision-sent b 1"]);
});

test("what happens is counted", async () => {
  const counts: Record<string, number> = {};
  const phasesTookMs: [string, number][] = [];
  let read: (() => CommitGauges) | undefined;
  const count = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const metrics: CommitMetrics = {
    begun: () => count("begun"),
    decided: (outcome) => count(outcome),
    phaseEnded: (phase, tookMs) => {
      count(phase);
      phasesTookMs.push([phase, tookMs]);
    },
    resent: (kind) => count(`resent ${kind}`),
    resolved: (outcome) => count(`resolved ${outcome}`),
    mixed: () => count("mixed"),
    newerLogSeen() {},
    promiseLost: () => count("promise lost"),
    forced: () => count("forced"),
    sessionOpened: () => count("opened"),
    sessionEnded: (reason) => count(reason),
    observe: (gauges) => {
      read = gauges;
    },
  };
  const w = world({ metrics });
  await w.start();
  const transactionId = await stuck(w);
  await begin(w);
  await w.clock.advance(5_000);
  expect(read?.()).toMatchObject({ undecided: 1, inDoubt: 1, oldestInDoubtMs: 5_000, connectedParticipants: 1 });
  await w.coordinator().driver.resolve(transactionId, "committed", ada);
  await (await scripted(w, "b")).ack(transactionId, "aborted");
  expect(read?.()).toMatchObject({ inDoubt: 0, oldestInDoubtMs: 0 });
  expect(phasesTookMs.filter(([, tookMs]) => tookMs > 0)).toEqual([["COMMITTING", 5_000]]);
  expect(counts).toEqual({
    begun: 2,
    committed: 1,
    INIT: 1,
    PREPARING: 1,
    COMMITTING: 1,
    forced: 2,
    opened: 3,
    CLOSED: 1,
    "resolved committed": 1,
    mixed: 1,
    "resent decision": 1,
  });
});
