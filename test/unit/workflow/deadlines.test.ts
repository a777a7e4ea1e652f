import { afterEach, expect, test } from "vitest";
import { err } from "../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import type { MoveCommand } from "../../../src/workflow/attempt.ts";
import { noTerms } from "../../../src/workflow/core/policy.ts";
import { applyUpdate } from "../../../src/workflow/core/update.ts";
import { noWarnings } from "../../../src/workflow/core/warnings.ts";
import { createDeadlines } from "../../../src/workflow/deadlines.ts";
import { createFireDeadline, type Fired, firingAgain } from "../../../src/workflow/fire-deadline.ts";
import { dueAtOnceMax, duePauseMsMax, dueWakeMsMax } from "../../../src/workflow/limits.ts";
import { fakeClock, settled } from "../../support/fake-clock.ts";
import { allowed, beginTogether, creation, denied, managerOver, moveTo, tx, workflowId } from "../../support/workflow-manager.ts";

// The clock stands still: what happens, happens because its time has come, and not because somebody looks.

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

/** A manager whose deadlines are looked after. */
function worldOver(store = createMemoryWorkflowStore(), clock = fakeClock()) {
  const under = managerOver(store, {}, clock.nowMs);
  const fired: Fired[] = [];
  const failures: unknown[] = [];
  const reads = { count: 0 };
  const fire = firingAgain(store, createFireDeadline({ store, environment: under.environment, move: under.manager.move }));
  const deadlines = createDeadlines({
    store: {
      due: (page) => {
        reads.count += 1;
        return store.due(page);
      },
      onDeadline: store.onDeadline,
    },
    clock,
    fire,
    report: { fired: (_, each) => void fired.push(each), failed: (error) => void failures.push(error) },
  });
  opened.push(deadlines);
  return { ...under, time: clock, deadlines, fired, failures, reads, fire };
}

type World = ReturnType<typeof worldOver>;

const inMs = (afterMs: number, targetState: MoveCommand["move"]["targetState"] = "FAILED") =>
  ({ due: { afterMs }, targetState, reason: "too slow" }) as const;

async function startedWith(world: World, afterMs: number | undefined, id = workflowId): Promise<void> {
  await world.manager.create(creation(id));
  const { move, ...command } = moveTo("ACTIVE", { workflowId: id });
  await world.manager.move({ ...command, move: { ...move, ...(afterMs !== undefined && { deadline: inMs(afterMs) }) } });
}

/** By another process: it waits for nobody here. */
async function patchElsewhere(store: World["store"]): Promise<void> {
  const before = await store.get(workflowId);
  if (before === undefined) throw new Error("it is there");
  const stamp = { nowMs: 1_000, eventId: crypto.randomUUID(), terms: noTerms };
  const update = { patch: {}, reason: "because", requestedBy: "bob", eventMetadata: {} };
  const { workflow, event } = applyUpdate(before, update, {}, { ruleSetRevision: 3, warnings: noWarnings }, stamp);
  await store.apply({ puts: [{ workflow, expected: { version: before.version, heldBy: undefined } }], events: [event] });
}

const setTo = (world: World, wanted: ReturnType<typeof inMs> | undefined, id = workflowId) =>
  world.manager.setDeadline({
    ...{ workflowId: id, expectedVersion: undefined, wanted },
    ...{ reason: "because", requestedBy: "ada", request: undefined },
  });

const stateOf = async ({ store }: World, id = workflowId) => (await store.get(id))?.state;

test("a deadline passes at its time and not before, by the system's hand, without anybody looking in between", async () => {
  const world = worldOver();
  world.deadlines.start();
  await world.time.pass(0);
  await startedWith(world, 5_000);
  await world.time.pass(0);
  const { count } = world.reads;
  await world.time.pass(4_999);
  expect(world.reads.count).toBe(count);
  expect(await stateOf(world)).toBe("ACTIVE");
  await world.time.pass(1);
  expect(await world.store.getWithLastEvent(workflowId)).toMatchObject({
    workflow: { state: "FAILED", version: 3, deadline: undefined },
    lastEvent: { type: "FAILED", requestedBy: "system:deadline", reason: "too slow" },
  });
  expect(world.fired).toEqual([{ type: "moved", lateMs: 0 }]);
  expect(world.asked.at(-1)).toMatchObject({ requestedBy: "system:deadline", targetState: "FAILED", reason: "too slow" });
});

test("a deadline that is years away has no timer that could overflow, and a clock that is set ahead is noticed within a minute", async () => {
  const world = worldOver();
  world.deadlines.start();
  await world.time.pass(0);
  await startedWith(world, 3 * 365 * 24 * 3_600_000);
  await settled();
  expect(world.time.waiting()).toEqual([dueWakeMsMax]);
  await world.time.pass(10 * dueWakeMsMax);
  expect(world.fired).toEqual([]);
  world.time.set(world.time.nowMs() + 4 * 365 * 24 * 3_600_000);
  await world.time.pass(dueWakeMsMax);
  expect(await stateOf(world)).toBe("FAILED");
});

test("a deadline that comes before the one that is waited for is waited for instead; one that is cancelled or left never passes", async () => {
  const world = worldOver();
  world.deadlines.start();
  await world.time.pass(0);
  for (const id of ["late", "early", "cancelled", "left"]) await startedWith(world, 10_000, id as typeof workflowId);
  expect(await setTo(world, inMs(100), "early" as typeof workflowId)).toMatchObject({ ok: true });
  await setTo(world, undefined, "cancelled" as typeof workflowId);
  await world.manager.move(moveTo("PAUSED", { workflowId: "left" as typeof workflowId }));
  await world.time.pass(100);
  expect(await stateOf(world, "early" as typeof workflowId)).toBe("FAILED");
  await world.time.pass(100_000);
  expect(await stateOf(world, "late" as typeof workflowId)).toBe("FAILED");
  expect(await stateOf(world, "cancelled" as typeof workflowId)).toBe("ACTIVE");
  expect(await stateOf(world, "left" as typeof workflowId)).toBe("PAUSED");
});

test("what fell due while nobody was there is made at the start, a few at a time", async () => {
  const store = createMemoryWorkflowStore();
  const clock = fakeClock();
  const before = worldOver(store, clock);
  const ids = Array.from({ length: 90 }, (_, index) => `w-${index}` as typeof workflowId);
  for (const id of ids) await startedWith(before, 1_000, id);
  await before.deadlines.close();
  const world = worldOver(store, clock);
  await clock.pass(3_600_000);
  let underWay = 0;
  let most = 0;
  const answer = world.engine.answer;
  world.engine.answer = async (check) => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resolve) => void setImmediate(resolve));
    underWay -= 1;
    return answer(check);
  };
  world.deadlines.start();
  await clock.pass(0);
  while (world.fired.length < 90) await settled();
  expect(most).toBe(dueAtOnceMax);
  expect(world.fired.every((fired) => fired.type === "moved" && fired.lateMs > 3_000_000)).toBe(true);
  expect((await store.counts()).byState.FAILED).toBe(90);
});

test("a move that a rule denies is not tried again: the deadline is dropped, and the event says why", async () => {
  const world = worldOver();
  world.deadlines.start();
  await startedWith(world, 100);
  world.engine.answer = async () => denied;
  await world.time.pass(10_000);
  expect(world.fired).toEqual([{ type: "refused", why: "RULE_DENIED: cold: too warm" }]);
  expect(await world.store.getWithLastEvent(workflowId)).toMatchObject({
    workflow: { state: "ACTIVE", version: 3, deadline: undefined },
    lastEvent: {
      type: "DEADLINE_REFUSED",
      requestedBy: "system:deadline",
      reason: "RULE_DENIED: cold: too warm",
    },
  });
});

test("the event of a refused deadline has the revision of the rules that denied it", async () => {
  const world = worldOver();
  world.deadlines.start();
  await startedWith(world, 100);
  world.engine.answer = async () => denied;
  await world.time.pass(100);
  const { rows } = await world.store.listEvents({ afterSequence: 2, limit: 10 });
  expect(rows).toMatchObject([{ type: "DEADLINE_REFUSED", ruleSetRevision: 3 }]);
});

test("an automatic recovery comes when the workflow may be recovered, and ends when there are none left", async () => {
  const world = worldOver();
  world.policy.terms = {
    deadlines: [
      { state: "ACTIVE", afterMs: 10, targetState: "FAILED", reason: "too slow" },
      { state: "FAILED", afterMs: 1, targetState: "ACTIVE", reason: "tried again" },
    ],
    recovery: { maxAttempts: 2, initialBackoffMs: 1_000, multiplier: 2, maxBackoffMs: 60_000 },
  };
  world.deadlines.start();
  await startedWith(world, undefined);
  await world.time.pass(600_000);
  const { rows } = await world.store.listEvents({ afterSequence: 2, limit: 100 });
  expect(rows.map(({ type, retryCount }) => `${type} ${retryCount}`)).toEqual([
    ...["FAILED 0", "RECOVERED 1", "FAILED 1", "RECOVERED 2", "FAILED 2"],
    "DEADLINE_REFUSED 2",
  ]);
  expect(rows.at(-1)?.reason).toBe("RECOVERIES_EXHAUSTED: it was recovered 2 times, and its policy allows 2");
  const recovered = rows.filter(({ type }) => type === "RECOVERED" || type === "FAILED").map(({ occurredAtMs }) => occurredAtMs);
  expect((recovered[1] ?? 0) - (recovered[0] ?? 0)).toBeGreaterThanOrEqual(1_000);
  expect((recovered[3] ?? 0) - (recovered[2] ?? 0)).toBeGreaterThanOrEqual(2_000);
});

test("while the engine is away nothing is lost and little is asked; when it is back, all is made within the longest pause", async () => {
  const world = worldOver();
  world.deadlines.start();
  const ids = Array.from({ length: 40 }, (_, index) => `w-${index}` as typeof workflowId);
  for (const id of ids) await startedWith(world, 100, id);
  const { answer } = world.engine;
  world.engine.answer = async () => err({ type: "unavailable", cause: "away" });
  const before = world.asked.length;
  await world.time.pass(3_600_000);
  // One page each time, every five seconds.
  expect(world.asked.length - before).toBeLessThan(40 * (3_600_000 / duePauseMsMax + 10));
  expect((await world.store.counts()).byState.FAILED).toBe(0);
  world.engine.answer = answer;
  await world.time.pass(duePauseMsMax);
  expect((await world.store.counts()).byState.FAILED).toBe(40);
});

test("one that cannot be made now keeps no other waiting", async () => {
  const world = worldOver();
  world.deadlines.start();
  const ids = Array.from({ length: 100 }, (_, index) => `w-${index}` as typeof workflowId);
  for (const id of ids) await startedWith(world, 100 + ids.indexOf(id), id);
  const { answer } = world.engine;
  // The first ones, more than a page.
  const slow = new Set<string>(ids.slice(0, 70));
  world.engine.answer = async (check) =>
    slow.has(check.workflow.id) && check.targetState === "FAILED"
      ? err({ type: "overloaded", cause: "takes too long", retryAfterMs: 1 })
      : answer(check);
  await world.time.pass(60_000);
  expect((await world.store.counts()).byState.FAILED).toBe(30);
  slow.clear();
  await world.time.pass(duePauseMsMax);
  expect((await world.store.counts()).byState.FAILED).toBe(100);
});

test("what a transaction holds passes when the hold has ended, at once; what commits has another deadline", async () => {
  const world = worldOver();
  world.deadlines.start();
  for (const outcome of ["abort", "commit"] as const) {
    const id = `${outcome}-1` as typeof workflowId;
    await startedWith(world, 100, id);
    const under = await beginTogether(world, moveTo("PAUSED", { workflowId: id }));
    await under.prepare(tx(outcome));
    await world.time.pass(60_000);
    expect(world.fired).toEqual([]);
    expect(await stateOf(world, id)).toBe("ACTIVE");
    await world.participant.resource[outcome]({ transactionId: tx(outcome) });
    await world.time.pass(0);
    expect(await stateOf(world, id)).toBe(outcome === "abort" ? "FAILED" : "PAUSED");
    world.fired.length = 0;
    under.answer(err({ type: "pending", cause: "of no interest here" }));
    await under.moved;
  }
});

test("whoever is faster than a deadline leaves nothing for it to do", async () => {
  const world = worldOver();
  await startedWith(world, 100);
  const [due] = await world.store.due({ upToMs: 10_000, after: undefined, limit: 1 });
  if (due === undefined) throw new Error("none is due");
  await setTo(world, inMs(5_000));
  const { signal } = new AbortController();
  expect(await world.fire(due, signal)).toEqual({ type: "overtaken" });
  world.engine.answer = async () => denied;
  const [next] = await world.store.due({ upToMs: 10_000, after: undefined, limit: 1 });
  if (next === undefined) throw new Error("none is due");
  world.engine.answer = async () => {
    await setTo(world, undefined);
    return denied;
  };
  expect(await world.fire(next, signal)).toEqual({ type: "overtaken" });
  expect((await world.store.get(workflowId))?.version).toBe(4);
});

test("changes that leave a deadline alone do not keep it: it is tried again at once, whether its move is allowed or denied", async () => {
  for (const verdict of [allowed, denied]) {
    const world = worldOver();
    world.deadlines.start();
    await startedWith(world, 100);
    let left = 5;
    world.engine.answer = async () => {
      if (left > 0) {
        left -= 1;
        await patchElsewhere(world.store);
      }
      return verdict;
    };
    await world.time.pass(100);
    expect(world.fired).toMatchObject([{ type: verdict === allowed ? "moved" : "refused" }]);
    expect(await world.store.getWithLastEvent(workflowId)).toMatchObject({
      workflow: { state: verdict === allowed ? "FAILED" : "ACTIVE", version: 8, deadline: undefined },
    });
  }
});

test("a store that cannot be read, and a defect, are told of, and what is due is not lost", async () => {
  const store = createMemoryWorkflowStore();
  let broken = 2;
  const clock = fakeClock();
  const world = worldOver(
    {
      ...store,
      due: (page) => {
        if (page.limit === 1 || broken === 0) return store.due(page);
        broken -= 1;
        return Promise.reject(new Error("cannot be read"));
      },
    },
    clock,
  );
  await startedWith(world, 100);
  world.engine.answer = async () => {
    world.engine.answer = async () => denied;
    throw new Error("a defect");
  };
  world.deadlines.start();
  await clock.pass(60_000);
  expect(world.failures.map(String)).toEqual(["Error: cannot be read", "Error: cannot be read", "Error: a defect"]);
  expect(world.fired.map(({ type }) => type)).toEqual(["refused"]);
});

// Without a timer, it would wait until somebody sets a deadline, or starts the server anew.
test("one that is not found when the next is looked for is looked for again", async () => {
  const store = createMemoryWorkflowStore();
  let isReadable = false;
  const due: typeof store.due = async (page) => {
    if (page.limit === 1 && !isReadable) throw new Error("cannot be read");
    return store.due(page);
  };
  const world = worldOver({ ...store, due });
  await startedWith(world, 5_000);
  world.deadlines.start();
  await world.time.pass(0);
  expect(world.failures).toHaveLength(1);
  isReadable = true;
  await world.time.pass(5_000);
  expect(await stateOf(world)).toBe("FAILED");
});

test("when the server leaves, what is under way ends, and nothing new begins", async () => {
  const world = worldOver();
  world.deadlines.start();
  await startedWith(world, 100);
  world.engine.answer = () => new Promise(() => {});
  await world.time.pass(100);
  await world.deadlines.close();
  expect(world.fired).toEqual([{ type: "delayed", cause: "outcome-pending" }]);
  expect(world.time.waiting()).toEqual([]);
  await world.time.pass(60_000);
  expect(await stateOf(world)).toBe("ACTIVE");
});
