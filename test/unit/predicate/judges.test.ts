import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import type { RuleId } from "../../../src/kernel/ids.ts";
import { callCostMax, checkCostMax, threadShadowCostMax } from "../../../src/predicate/core/limits.ts";
import type { RuleSet } from "../../../src/predicate/core/rule-set.ts";
import type { Check, Verdict } from "../../../src/predicate/core/types.ts";
import type { Judged, JudgeThread } from "../../../src/predicate/judge-thread.ts";
import { createJudges } from "../../../src/predicate/judges.ts";
import {
  askedBytesMax,
  askedCountMax,
  callerShare,
  checkTickMs,
  checkTicksMax,
  stopGraceMs,
} from "../../../src/predicate/limits.ts";
import { checkOf, ruleOf, ruleSetOf } from "../../support/rule-values.ts";

const ruleSet = ruleSetOf(7, ruleOf({ id: "cheap", priority: 1 }), ruleOf({ id: "dear" }));
const nothing = { warnings: [], audits: [], shadows: [], shadowsNotJudged: 0, cost: 0 };
const allowed: Verdict = { type: "allowed", ruleSetRevision: 7, ...nothing };

const named = (reason: string): Check => checkOf({ reason });
const patient = (): AbortSignal => new AbortController().signal;
const options = (signal = patient(), costMax = 1_000) => ({ caller: "", signal, costMax });
const of = (caller: string, signal = patient()) => ({ ...options(signal), caller });

/** Lets everything run that waits for nothing else. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Threads that answer when they are told, and a clock that goes on when it is told. */
function world(threadCount = 1) {
  const started: FakeThread[] = [];
  let timers: { readonly atMs: number; readonly run: () => void }[] = [];
  let nowMs = 0;
  const counted = { judged: 0, replaced: 0 };
  const tookMs: number[] = [];
  const judges = createJudges({
    threadCount,
    onJudged: (took) => {
      counted.judged += 1;
      tookMs.push(took);
    },
    onReplaced: () => {
      counted.replaced += 1;
    },
    startThread: () => {
      const thread = fakeThread();
      started.push(thread);
      return thread;
    },
    clock: {
      monotonicMs: () => nowMs,
      setTimer: (delayMs, run) => {
        const timer = { atMs: nowMs + delayMs, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((each) => each !== timer);
        };
      },
    },
  });
  return {
    judges,
    started,
    counted,
    tookMs,
    timerCount: () => timers.length,
    async pass(ms: number): Promise<void> {
      nowMs += ms;
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { run } of due) run();
      await settled();
    },
    /** What the thread judges now, and its answer to that. */
    async finish(judged: Partial<Judged> = {}, thread = started[0]): Promise<string | undefined> {
      const check = thread?.asked?.check.reason;
      thread?.answer({ type: "judged", verdict: allowed, cost: 1, ...judged } as Judged);
      await settled();
      return check;
    },
  };
}

type FakeThread = JudgeThread & {
  alive: boolean;
  rule: number;
  stopped: boolean;
  ended: boolean;
  readonly prepared: Set<number>;
  asked:
    | { readonly check: Check; readonly explained: readonly RuleId[] | undefined; readonly shadowsMax: number | undefined }
    | undefined;
  answer(judged: Judged): void;
};

function fakeThread(): FakeThread {
  let answer: (judged: Judged) => void = () => {};
  return {
    alive: true,
    rule: -1,
    stopped: false,
    ended: false,
    prepared: new Set(),
    asked: undefined,
    prepare({ revision }: RuleSet) {
      this.prepared.add(revision);
    },
    judge(_set, check, explained, shadowsMax) {
      this.asked = { check, explained, shadowsMax };
      this.rule = 1;
      return new Promise((resolve) => {
        answer = (judged) => {
          this.asked = undefined;
          resolve(judged);
        };
      });
    },
    stop() {
      this.stopped = true;
    },
    async end() {
      this.alive = false;
      this.ended = true;
      this.answer({ type: "ended", rule: this.rule, cause: "the thread was ended" });
    },
    answer: (judged) => answer(judged),
  };
}

test.each([
  [1, threadShadowCostMax],
  [30, threadShadowCostMax],
  [60, callCostMax / 60],
  [1000, callCostMax / 1000],
])("the rules in shadow of %i checks cost together what a call may, at most", async (count, shadowsMax) => {
  const { judges, started } = world();
  const leaving = new AbortController();
  const checks = Array.from({ length: count }, () => named("a"));
  const call = judges.judge(ruleSet, checks, options(leaving.signal));
  expect(started[0]?.asked?.shadowsMax).toBe(shadowsMax);
  leaving.abort("left");
  await expect(call).rejects.toBe("left");
});

describe("calls take turns", () => {
  test("a batch delays others by one check of it", async () => {
    const { judges, finish } = world();
    const batch = judges.judge(ruleSet, ["a1", "a2", "a3", "a4"].map(named), options());
    const single = judges.judge(ruleSet, [named("b")], options());
    const order = [];
    for (let turn = 0; turn < 5; turn += 1) order.push(await finish());
    expect(order).toEqual(["a1", "a2", "b", "a3", "a4"]);
    expect(await single).toEqual({ ok: true, value: [allowed] });
    expect(await batch).toEqual({ ok: true, value: [allowed, allowed, allowed, allowed] });
  });

  test("the answers are in the order of the checks, whichever thread is faster", async () => {
    const { judges, started, finish } = world(2);
    const batch = judges.judge(ruleSet, ["a1", "a2"].map(named), options());
    const denied: Verdict = { type: "rule-denied", ruleSetRevision: 7, violations: [], ...nothing };
    expect(await finish({ verdict: denied }, started[1])).toBe("a2");
    await finish();
    expect(await batch).toEqual({ ok: true, value: [allowed, denied] });
  });
});

describe("callers take turns", () => {
  test("however many calls the other one has made", async () => {
    const { judges, finish } = world();
    const many = ["a1", "a2", "a3", "a4"].map((reason) => judges.judge(ruleSet, [named(reason)], of("a")));
    const moves = ["b1", "b2"].map((reason) => judges.judge(ruleSet, [named(reason)], of("b")));
    const late = judges.judge(ruleSet, ["c1", "c2"].map(named), of("c"));
    const order = [];
    for (let turn = 0; turn < 8; turn += 1) order.push(await finish());
    expect(order).toEqual(["a1", "a2", "b1", "c1", "a3", "b2", "c2", "a4"]);
    await Promise.all([...many, ...moves, late]);
  });

  test("a call that leaves takes nobody's turn", async () => {
    const { judges, finish } = world();
    const leaving = new AbortController();
    const first = judges.judge(ruleSet, [named("a1")], of("a"));
    const left = judges.judge(ruleSet, [named("b1")], of("b", leaving.signal));
    const second = judges.judge(ruleSet, [named("c1")], of("c"));
    leaving.abort("left");
    await expect(left).rejects.toBe("left");
    expect([await finish(), await finish()]).toEqual(["a1", "c1"]);
    await Promise.all([first, second]);
  });
});

describe("what waits is bounded", () => {
  const half = Array.from({ length: askedCountMax * callerShare }, () => named("many"));
  const text = "x".repeat(askedBytesMax * callerShare - 1_000);
  const largest = checkOf({ context: { text } });
  const event = { type: undefined, fromState: undefined, toState: undefined, occurredAtMs: 0, requestedBy: "", reason: "" };
  const afterLargest = checkOf({ lastEvent: { ...event, metadata: { text } } });

  test.each([
    { what: "checks of one caller", checks: half, limit: askedCountMax * callerShare },
    { what: "bytes of checks of one caller", checks: [largest], limit: askedBytesMax * callerShare },
    { what: "bytes of checks of one caller", checks: [afterLargest], limit: askedBytesMax * callerShare },
  ])("in $what, and another finds room", async ({ what, checks, limit }) => {
    const { judges } = world();
    const leaving = new AbortController();
    const all = judges.judge(ruleSet, checks, of("a", leaving.signal));
    const refused = { ok: false, error: { type: "overloaded", what, limit } };
    expect(await judges.judge(ruleSet, checks.slice(0, 1), of("a"))).toEqual(refused);
    const other = judges.judge(ruleSet, checks.slice(0, 1), of("b", leaving.signal));
    leaving.abort("left");
    await expect(all).rejects.toBe("left");
    await expect(other).rejects.toBe("left");
    const later = new AbortController();
    const again = judges.judge(ruleSet, checks, of("a", later.signal));
    later.abort("left, too");
    await expect(again).rejects.toBe("left, too");
  });

  test("in count, and there is room again when a caller has its answer or leaves", async () => {
    const { judges, finish } = world();
    const leaving = new AbortController();
    const full = judges.judge(ruleSet, half, of("a", leaving.signal));
    const most = judges.judge(ruleSet, half.slice(1), of("b", leaving.signal));
    const last = judges.judge(ruleSet, [named("last")], of("c"));
    const refused = { ok: false, error: { type: "overloaded", what: "checks", limit: askedCountMax } };
    expect(await judges.judge(ruleSet, [named("more")], of("d"))).toEqual(refused);
    leaving.abort("left");
    await expect(full).rejects.toBe("left");
    await expect(most).rejects.toBe("left");
    const later = new AbortController();
    const again = judges.judge(ruleSet, half, of("d", later.signal));
    later.abort("left, too");
    await expect(again).rejects.toBe("left, too");
    await finish();
    expect(await finish()).toBe("last");
    expect(await last).toEqual({ ok: true, value: [allowed] });
  });

  test("in bytes", async () => {
    const { judges } = world();
    const large = checkOf({ context: { text: "x".repeat(askedBytesMax / 4) } });
    const refused = { ok: false, error: { type: "overloaded", what: "bytes of checks", limit: askedBytesMax } };
    expect(await judges.judge(ruleSet, [large, large, large, large], options())).toEqual(refused);
  });

  test("a call in what its checks cost", async () => {
    const { judges, started, finish } = world();
    const call = judges.judge(ruleSet, ["a1", "a2", "a3"].map(named), options(patient(), 100));
    await finish({ cost: 60 });
    await finish({ cost: 60 });
    expect(await call).toMatchObject({ ok: false, error: { type: "call-cost-limit" } });
    expect(started[0]?.asked).toBeUndefined();
  });

  test("which may use all of it", async () => {
    const { judges, finish } = world();
    const call = judges.judge(ruleSet, ["a1", "a2"].map(named), options(patient(), 100));
    await finish({ cost: 60 });
    await finish({ cost: 40 });
    expect(await call).toEqual({ ok: true, value: [allowed, allowed] });
  });
});

describe("nothing runs for a caller that has left", () => {
  test("what waits is dropped, what is under way is stopped, and its thread is free for others", async () => {
    const { judges, started, finish } = world();
    const leaving = new AbortController();
    const left = judges.judge(ruleSet, ["a1", "a2", "a3"].map(named), options(leaving.signal));
    const other = judges.judge(ruleSet, [named("b")], options());
    leaving.abort("the deadline");
    await expect(left).rejects.toBe("the deadline");
    expect(started[0]?.stopped).toBe(true);
    expect(await finish({ type: "ended", rule: 1, cause: "stopped" } as Judged)).toBe("a1");
    expect(await finish()).toBe("b");
    expect(await other).toEqual({ ok: true, value: [allowed] });
    expect(started).toHaveLength(1);
  });

  test("a thread that does not stop is ended and replaced, with the newest rules, and counted", async () => {
    const { judges, started, counted, pass, finish } = world();
    judges.prepare(ruleSet);
    const leaving = new AbortController();
    const left = judges.judge(ruleSet, [named("a")], options(leaving.signal));
    const other = judges.judge(ruleSet, [named("b")], options());
    leaving.abort("left");
    await expect(left).rejects.toBe("left");
    await pass(stopGraceMs);
    expect(started.map(({ ended, prepared }) => [ended, [...prepared]])).toEqual([
      [true, [7]],
      [false, [7]],
    ]);
    expect(await finish({}, started[1])).toBe("b");
    expect(await other).toEqual({ ok: true, value: [allowed] });
    // Both checks have taken their time, also the one that was ended.
    expect(counted).toEqual({ judged: 2, replaced: 1 });
  });

  test("a thread that still compiles is asked to stop again, and is ended only once it has begun and does not", async () => {
    const { judges, started, counted, pass } = world();
    const leaving = new AbortController();
    const left = judges.judge(ruleSet, [named("a")], options(leaving.signal));
    const [thread] = started;
    if (thread === undefined) throw new Error("no thread");
    thread.rule = -1;
    leaving.abort("left");
    await expect(left).rejects.toBe("left");
    for (let grace = 0; grace < 3; grace += 1) await pass(stopGraceMs);
    expect([thread.ended, counted.replaced]).toEqual([false, 0]);
    // The first of its rules.
    thread.rule = 0;
    await pass(stopGraceMs);
    expect(thread.ended).toBe(true);
  });

  test("who has its answer leaves nothing behind: no timer, no listener, and nothing that is stopped when it leaves", async () => {
    const { judges, started, tookMs, timerCount, pass, finish } = world();
    await pass(10_000);
    const leaving = new AbortController();
    const call = judges.judge(ruleSet, [named("a")], options(leaving.signal));
    expect([timerCount(), getEventListeners(leaving.signal, "abort").length]).toEqual([1, 1]);
    await pass(300);
    await finish();
    expect(await call).toEqual({ ok: true, value: [allowed] });
    expect([timerCount(), getEventListeners(leaving.signal, "abort").length]).toEqual([0, 0]);
    leaving.abort("left");
    expect([started[0]?.stopped, tookMs]).toEqual([false, [300]]);
  });

  test("who has left before asks nothing", async () => {
    const { judges, started } = world();
    await expect(judges.judge(ruleSet, [named("a")], options(AbortSignal.abort("left")))).rejects.toBe("left");
    expect(started).toEqual([]);
  });
});

describe("a check that never ends is denied, with the rule that was asked", () => {
  const violation = (message: string) => ({
    ruleId: "dear",
    message: `rule "dear" could not be evaluated: ${message}`,
    evaluationFailed: true,
  });

  test("if it can be stopped", async () => {
    const { judges, started, timerCount, pass, finish } = world();
    const call = judges.judge(ruleSet, [named("a"), named("b")], options());
    for (let tick = 0; tick < checkTicksMax; tick += 1) await pass(checkTickMs);
    expect([started[0]?.stopped, timerCount()]).toEqual([true, 1]);
    await finish({ type: "ended", rule: 1, cause: "stopped" } as Judged);
    await finish();
    const denied = { type: "rule-denied", violations: [violation(`it took longer than ${checkTicksMax * checkTickMs} ms`)] };
    expect(await call).toMatchObject({ ok: true, value: [denied, allowed] });
  });

  test("if it cannot", async () => {
    const { judges, started, pass, finish } = world();
    const call = judges.judge(ruleSet, [named("a"), named("b")], options());
    for (let tick = 0; tick < checkTicksMax; tick += 1) await pass(checkTickMs);
    await pass(stopGraceMs);
    await finish({}, started[1]);
    const denied = { type: "rule-denied", violations: [violation(`it took longer than ${checkTicksMax * checkTickMs} ms`)] };
    expect(await call).toMatchObject({ ok: true, value: [denied, allowed] });
  });

  test("if its thread dies of it", async () => {
    const { judges, finish } = world();
    const call = judges.judge(ruleSet, [named("a")], options());
    await finish({ type: "ended", rule: 1, cause: "the thread died: out of memory" } as Judged);
    const violations = [{ ...violation("the thread died: out of memory"), ruleVersion: 1 }];
    // What it would have found is lost, and it has cost what a check may.
    const verdict = { type: "rule-denied", ruleSetRevision: 7, violations, ...nothing, cost: checkCostMax };
    expect(await call).toEqual({ ok: true, value: [verdict] });
  });

  test("but not because the process was stopped: that is one tick, however late", async () => {
    const { judges, started, pass, finish } = world();
    const call = judges.judge(ruleSet, [named("a")], options());
    await pass(3_600_000);
    expect(started[0]?.stopped).toBe(false);
    await finish();
    expect(await call).toEqual({ ok: true, value: [allowed] });
  });

  test("nor is the time in which a thread compiles its rules the rule's", async () => {
    const { judges, started, pass, finish } = world();
    const call = judges.judge(ruleSet, [named("a")], options());
    const [thread] = started;
    if (thread === undefined) throw new Error("no thread");
    thread.rule = -1;
    for (let tick = 0; tick < 2 * checkTicksMax; tick += 1) await pass(checkTickMs);
    expect(thread.stopped).toBe(false);
    await finish();
    expect(await call).toEqual({ ok: true, value: [allowed] });
  });

  test("but from when it has begun, it is, also the first one", async () => {
    const { judges, started, pass } = world();
    void judges.judge(ruleSet, [named("a")], options());
    const [thread] = started;
    if (thread === undefined) throw new Error("no thread");
    thread.rule = -1;
    for (let tick = 0; tick < checkTicksMax; tick += 1) await pass(checkTickMs);
    thread.rule = 0;
    for (let tick = 0; tick < checkTicksMax - 1; tick += 1) await pass(checkTickMs);
    expect(thread.stopped).toBe(false);
    await pass(checkTickMs);
    expect(thread.stopped).toBe(true);
  });

  test("a thread that cannot even begin is a defect, not a verdict", async () => {
    const { judges, finish } = world();
    const call = judges.judge(ruleSet, [named("a")], options());
    await Promise.all([
      expect(call).rejects.toThrow("no such file"),
      finish({ type: "ended", rule: -1, cause: "no such file" } as Judged),
    ]);
  });
});

test("threads are started when there are rules", () => {
  const { judges, started } = world(2);
  judges.prepare(ruleSetOf(0));
  expect(started).toEqual([]);
  judges.prepare(ruleSet);
  expect(started.map(({ prepared }) => [...prepared])).toEqual([[7], [7]]);
  const one = world();
  one.judges.prepare(ruleSetOf(8, ruleOf({ id: "only" })));
  expect([one.started.length, one.counted.replaced]).toEqual([1, 0]);
});

test("closing ends all threads, waits for their end, and begins nothing that has waited", async () => {
  const { judges, started } = world(2);
  judges.prepare(ruleSet);
  void judges.judge(ruleSet, ["a1", "a2", "a3", "a4"].map(named), options());
  const end = Promise.withResolvers<void>();
  const [first] = started;
  if (first === undefined) throw new Error("no thread");
  const { end: endFirst } = first;
  first.end = async () => {
    await endFirst.call(first);
    await end.promise;
  };
  let isClosed = false;
  const closed = judges.close().then(() => {
    isClosed = true;
  });
  await settled();
  expect([started.map(({ ended }) => ended), isClosed]).toEqual([[true, true], false]);
  end.resolve();
  await closed;
  expect(started.length).toBe(2);
});

describe("explanations", () => {
  const ruleIds = ["dear" as RuleId];
  const explanation = { rules: [], facts: [], omittedCount: 2 };

  test("take turns with checks, and name the rules that are asked for", async () => {
    const { judges, finish, started } = world();
    const first = judges.explain(ruleSet, named("a"), { caller: "", signal: patient(), ruleIds });
    const second = judges.judge(ruleSet, [named("b")], options());
    expect(started[0]?.asked?.explained).toEqual(ruleIds);
    await finish({ type: "judged", verdict: allowed, explanation, cost: 900_000 });
    expect(await first).toMatchObject({ ok: true, value: { verdict: allowed, explanation } });
    expect(started[0]?.asked?.explained).toBeUndefined();
    await finish();
    expect(await second).toEqual({ ok: true, value: [allowed] });
  });

  test("one that takes too long has a verdict, and nothing else", async () => {
    const { judges, pass, started } = world();
    const explained = judges.explain(ruleSet, named("a"), { caller: "", signal: patient(), ruleIds });
    for (let tick = 0; tick < checkTicksMax; tick += 1) await pass(checkTickMs);
    started[0]?.answer({ type: "ended", rule: 1, cause: "" });
    const answer = await explained;
    expect(answer).toMatchObject({ ok: true, value: { verdict: { type: "rule-denied", violations: [{ ruleId: "dear" }] } } });
    expect(answer.ok && answer.value.explanation).toBeUndefined();
  });

  test("are refused like checks when too many wait", async () => {
    const { judges } = world();
    void judges.judge(
      ruleSet,
      Array.from({ length: askedCountMax * callerShare }, () => named("a")),
      options(),
    );
    const refused = await judges.explain(ruleSet, named("b"), { caller: "", signal: patient(), ruleIds });
    expect(refused).toMatchObject({ ok: false, error: { type: "overloaded" } });
  });
});
