import { expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { createDeadlines } from "../../../src/workflow/deadlines.ts";
import type { Fired } from "../../../src/workflow/fire-deadline.ts";
import { dueAtOnceMax, duePageSize, duePauseMsMin } from "../../../src/workflow/limits.ts";
import type { DueWorkflow } from "../../../src/workflow/ports.ts";
import { fakeClock, settled } from "../../support/fake-clock.ts";

// When deadlines are tried, one by one; what each does is told in deadlines.test.ts.

const delayed: Fired = { type: "delayed", cause: "away" };

const names = (count: number, from = 0): readonly string[] =>
  Array.from({ length: count }, (_, index) => `w-${String(from + index).padStart(3, "0")}`);

/** A store that has these deadlines, and moves that are made at once or end as the test says. */
function worldOf(dueAtMs: Readonly<Record<string, number>>) {
  const clock = fakeClock();
  const due = new Map(Object.entries(dueAtMs));
  let tell = (_atMs: number): void => {};
  const world = {
    clock,
    due,
    reads: 0,
    isBroken: false,
    isFollowed: false,
    tried: [] as string[],
    answer: async (_id: string): Promise<Fired> => ({ type: "moved", lateMs: 0 }),
    /** What is tried until so much time has passed. */
    async within(ms: number): Promise<readonly string[]> {
      world.tried.length = 0;
      await clock.pass(ms);
      return [...world.tried];
    },
    add(id: string, atMs: number): void {
      due.set(id, atMs);
      tell(atMs);
    },
  };
  const deadlines = createDeadlines({
    store: {
      async due({ upToMs, after, limit }) {
        world.reads += 1;
        if (world.isBroken) throw new Error("cannot be read");
        return [...due]
          .filter(([, atMs]) => atMs <= upToMs)
          .filter(([id, atMs]) => after === undefined || atMs > after.atMs || (atMs === after.atMs && id > after.workflowId))
          .toSorted(([a, aAtMs], [b, bAtMs]) => aAtMs - bAtMs || (a < b ? -1 : 1))
          .slice(0, limit)
          .map(([id, atMs]) => ({ workflowId: id as WorkflowId, version: 1, deadline: { atMs } }) as DueWorkflow);
      },
      onDeadline(callback) {
        tell = callback;
        world.isFollowed = true;
        return () => {
          world.isFollowed = false;
        };
      },
    },
    clock,
    async fire({ workflowId }) {
      world.tried.push(workflowId);
      const fired = await world.answer(workflowId);
      if (fired.type !== "delayed") due.delete(workflowId);
      return fired;
    },
    report: { fired: () => {}, failed: () => {} },
  });
  return Object.assign(world, { deadlines });
}

async function started(dueAtMs: Readonly<Record<string, number>>) {
  const world = worldOf(dueAtMs);
  world.deadlines.start();
  await world.clock.pass(0);
  return world;
}

test("what cannot be made is tried again after a pause that doubles, from the shortest again once anything can be made", async () => {
  const world = worldOf({ slow: 0 });
  world.answer = async () => delayed;
  world.deadlines.start();
  expect(await world.within(0)).toEqual(["slow"]);
  expect(await world.within(duePauseMsMin - 1)).toEqual([]);
  expect(await world.within(1)).toEqual(["slow"]);
  expect(await world.within(2 * duePauseMsMin - 1)).toEqual([]);
  expect(await world.within(1)).toEqual(["slow"]);
  await world.clock.pass(20 * duePauseMsMin);
  world.add("quick", world.clock.nowMs());
  world.answer = async (id) => (id === "slow" ? delayed : { type: "moved", lateMs: 0 });
  while ((await world.within(duePauseMsMin)).length === 0);
  expect(world.due.has("quick")).toBe(false);
  // Not at once again: there is nothing else to be made.
  expect(world.tried).toEqual(["slow", "quick"]);
  expect(await world.within(duePauseMsMin)).toEqual(["slow"]);
});

test("of more than a page each is tried once before any is tried again, with a pause behind a page of which none could be made", async () => {
  const ids = names(duePageSize + 36);
  const world = worldOf(Object.fromEntries(ids.map((id) => [id, 0])));
  world.answer = async () => delayed;
  world.deadlines.start();
  expect(await world.within(0)).toEqual(ids.slice(0, duePageSize));
  expect(await world.within(duePauseMsMin)).toEqual(ids.slice(duePageSize));
  expect(await world.within(2 * duePauseMsMin)).toEqual(ids.slice(0, duePageSize));
  world.answer = async (id) => (ids.indexOf(id) < duePageSize ? delayed : { type: "moved", lateMs: 0 });
  // With the first page in mind there is a pause behind the second, too.
  expect(await world.within(4 * duePauseMsMin)).toEqual(ids.slice(duePageSize));
  expect(await world.within(duePauseMsMin)).toEqual(ids.slice(0, duePageSize));
  world.answer = async () => ({ type: "moved", lateMs: 0 });
  await world.clock.pass(60_000);
  expect(world.due.size).toBe(0);
});

test("a page of which some were made is followed by the next at once, and those left behind are tried again when all have had their turn", async () => {
  const ids = names(duePageSize + 2);
  const world = worldOf(Object.fromEntries(ids.map((id) => [id, 0])));
  world.answer = async (id) => (id === ids[0] ? delayed : { type: "moved", lateMs: 0 });
  world.deadlines.start();
  expect(await world.within(0)).toEqual(ids);
  expect(await world.within(duePauseMsMin)).toEqual([ids[0]]);
});

test("when all is made nothing is looked at until the next is due; one timer waits for it, whatever comes behind it", async () => {
  const world = worldOf({ slow: 0, next: 20_000 });
  world.answer = async () => delayed;
  world.deadlines.start();
  await world.clock.pass(duePauseMsMin);
  world.answer = async () => ({ type: "moved", lateMs: 0 });
  await world.clock.pass(5_000);
  const { reads } = world;
  world.add("later", 30_000);
  await world.clock.pass(10_000);
  expect([world.reads, world.clock.waiting().length, world.due.size]).toEqual([reads, 1, 2]);
  await world.clock.pass(4_000);
  expect([...world.due.keys()]).toEqual(["later"]);
  await world.clock.pass(10_000);
  expect([...world.due.keys()]).toEqual([]);
});

test("a timer that rang early, since none runs for long, looks at nothing", async () => {
  const world = await started({ far: 3_600_000 });
  const { reads } = world;
  await world.clock.pass(3_000_000);
  expect(world.reads).toBe(reads);
  await world.clock.pass(600_000);
  expect(world.due.size).toBe(0);
});

test("what becomes due while others are made waits for these: there is one round at a time", async () => {
  const world = await started({});
  const slow = Promise.withResolvers<Fired>();
  world.answer = () => slow.promise;
  world.add("slow", world.clock.nowMs());
  await world.clock.pass(0);
  world.add("quick", world.clock.nowMs());
  expect(await world.within(1_000)).toEqual([]);
  expect(world.clock.waiting()).toEqual([]);
  world.answer = async () => ({ type: "moved", lateMs: 0 });
  slow.resolve({ type: "moved", lateMs: 0 });
  await settled();
  expect(await world.within(0)).toEqual(["quick"]);
});

test("a store that cannot be read is asked until it can, also for what is due next", async () => {
  const world = worldOf({ w: 0 });
  world.isBroken = true;
  world.deadlines.start();
  await world.clock.pass(60_000);
  world.isBroken = false;
  await world.clock.pass(10_000);
  expect(world.due.size).toBe(0);
});

test("who leaves begins no other, leaves no timer, and hears of no deadline any more", async () => {
  const ids = names(dueAtOnceMax + 5);
  const world = worldOf(Object.fromEntries(ids.map((id) => [id, 0])));
  const first = Promise.withResolvers<Fired>();
  world.answer = () => first.promise;
  world.deadlines.start();
  await world.clock.pass(0);
  const closed = world.deadlines.close();
  first.resolve({ type: "moved", lateMs: 0 });
  await closed;
  expect(world.tried).toEqual(ids.slice(0, dueAtOnceMax));
  expect([world.isFollowed, world.clock.waiting()]).toEqual([false, []]);

  const paused = worldOf({ slow: 0 });
  paused.answer = async () => delayed;
  paused.deadlines.start();
  await paused.clock.pass(0);
  await paused.deadlines.close();
  expect(paused.clock.waiting()).toEqual([]);

  const idle = await started({ far: 10_000 });
  idle.add("sooner", idle.clock.nowMs() + 5_000);
  expect(idle.clock.waiting()).toEqual([5_000]);
  await idle.deadlines.close();
  expect(idle.clock.waiting()).toEqual([]);
});
