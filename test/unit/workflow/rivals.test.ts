import { expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createManager } from "../../../src/workflow/manager.ts";
import { createRivals } from "../../../src/workflow/rivals.ts";
import { allowed, creation, managerOver, moveTo, workflowId } from "../../support/workflow-manager.ts";

// Many who change one workflow and expect no version: each of them comes to its turn.

const caller = { signal: new AbortController().signal };
const soon = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** An engine that takes a moment, so that all who ask at once lose to one of them. */
async function crowded() {
  const under = managerOver();
  const { store, environment, engine, ownPart } = under;
  engine.answer = async () => {
    await soon();
    return allowed;
  };
  const manager = createManager({
    ...{ store, environment, ownPart, clock: systemClock, turns: () => () => undefined, workflowCountMax: 100 },
    predicates: {
      check: (check) => engine.answer(check),
      checkMetadata: () => engine.answerOfMetadata(),
      checkMoves: () => Promise.reject(new Error("nobody asks")),
    },
    sessions: { connectedTo: () => false, reread: () => {} },
  });
  await manager.create(creation(), caller);
  await manager.move(moveTo("ACTIVE"), caller);
  const patch = (key: string, id: WorkflowId = workflowId, signal = caller.signal) =>
    manager.update(
      {
        ...{ workflowId: id, expectedVersion: undefined, context: {}, request: undefined },
        update: { patch: { [key]: 1 }, reason: "because", requestedBy: "bob", eventMetadata: {} },
      },
      { signal },
    );
  return { store, engine, manager, patch };
}

test("a hundred patches of one workflow at once are all made", async () => {
  const { patch, store } = await crowded();
  const patched = await Promise.all(Array.from({ length: 100 }, (_, index) => patch(`k${index}`)));
  expect(patched.filter(({ ok }) => !ok)).toEqual([]);
  expect(Object.keys((await store.get(workflowId))?.metadata ?? {})).toHaveLength(100);
});

test("a move beside sixteen who patch without a pause is made, and soon", async () => {
  const { patch, manager, store } = await crowded();
  let isOver = false;
  const patching = Array.from({ length: 16 }, async (_, index) => {
    while (!isOver) expect(await patch(`k${index}`)).toMatchObject({ ok: true });
  });
  for (let round = 0; round < 25; round += 1) {
    const before = (await store.get(workflowId))?.version ?? 0;
    const moved = await manager.move(moveTo(round % 2 === 0 ? "PAUSED" : "ACTIVE"), caller);
    expect(moved).toMatchObject({ ok: true });
    if (moved.ok) expect(moved.value.workflow.version - before).toBeLessThan(60);
  }
  isOver = true;
  await Promise.all(patching);
});

test("an engine that does not answer for one workflow keeps those of another one waiting no moment", async () => {
  const { patch, manager, engine } = await crowded();
  const other = "wf-2" as WorkflowId;
  await manager.create(creation(other), caller);
  const { answer } = engine;
  const held = Promise.withResolvers<void>();
  engine.answer = async (check) => {
    if (check.workflow.id === workflowId) await held.promise;
    return answer(check);
  };
  const slow = Array.from({ length: 10 }, (_, index) => patch(`k${index}`));
  expect(await patch("x", other)).toMatchObject({ ok: true });
  held.resolve();
  expect((await Promise.all(slow)).every(({ ok }) => ok)).toBe(true);
});

test("a turn that lasts too long is handed on; the next turns go by age, and who leaves gives up its place", async () => {
  const rivals = createRivals(systemClock, 5);
  const [oldest, middle, newest, leaver] = [rivals.age(), rivals.age(), rivals.age(), rivals.age()];
  const done: string[] = [];
  const { signal } = caller;
  const endless = Promise.withResolvers<void>();
  const run = (name: string) => async () => void done.push(name);
  const first = rivals.inTurn(workflowId, { age: oldest, hasLost: true }, signal, () => endless.promise);
  const leaving = new AbortController();
  const left = rivals.inTurn(workflowId, { age: leaver, hasLost: false }, leaving.signal, run("leaver"));
  const last = rivals.inTurn(workflowId, { age: newest, hasLost: false }, signal, run("newest"));
  const second = rivals.inTurn(workflowId, { age: middle, hasLost: true }, signal, run("middle"));
  leaving.abort();
  await Promise.all([second, last, left]);
  expect(done).toEqual(["middle", "newest"]);
  endless.resolve();
  await first;
});

/** Rivals whose turns last until the test says so. */
function handTimed() {
  const timers = new Set<() => void>();
  const rivals = createRivals({
    setTimer: (_, run) => {
      timers.add(run);
      return () => timers.delete(run);
    },
  });
  const done: string[] = [];
  return {
    timers,
    done,
    /** The turns that are under way last too long. */
    handOn: () => {
      for (const run of timers) run();
    },
    inTurn: <T>(act: () => Promise<T>, { hasLost = true, signal = caller.signal } = {}) =>
      rivals.inTurn(workflowId, { age: rivals.age(), hasLost }, signal, act),
    run: (name: string) => async () => void done.push(name),
  };
}

const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 5; turns += 1) await soon();
};

// Nobody could change that workflow any more, until a restart.
test.each(["long before", "just before", "just after"])(
  "whoever leaves %s its turn comes keeps nobody behind it from theirs",
  async (when) => {
    const { handOn, done, inTurn, run } = handTimed();
    const endless = Promise.withResolvers<void>();
    const leaving = new AbortController();
    const first = inTurn(() => endless.promise);
    const second = inTurn(run("second"), { signal: leaving.signal });
    const third = inTurn(run("third"));
    if (when !== "just after") leaving.abort();
    if (when === "long before") await settled();
    expect(done).toEqual([]);
    handOn();
    if (when === "just after") leaving.abort();
    await settled();
    expect(done).toContain("third");
    // There is no line any more.
    const fourth = inTurn(run("fourth"));
    await soon();
    expect(done).toContain("fourth");
    endless.resolve();
    await Promise.all([first, second, third, fourth]);
  },
);

test("whoever leaves the middle of the line gives nobody a turn that is another's", async () => {
  const { handOn, done, inTurn, run } = handTimed();
  const endless = Promise.withResolvers<void>();
  const leaving = new AbortController();
  const turns = [inTurn(() => endless.promise), inTurn(run("second")), inTurn(run("third"), { signal: leaving.signal })];
  leaving.abort();
  await settled();
  expect(done).toEqual([]);
  handOn();
  await settled();
  expect(done).toEqual(["second"]);
  endless.resolve();
  await Promise.all(turns);
});

test("as long as nobody has lost, nobody waits for anybody", async () => {
  const { done, inTurn, run } = handTimed();
  const endless = Promise.withResolvers<void>();
  const first = inTurn(() => endless.promise, { hasLost: false });
  await inTurn(run("second"), { hasLost: false });
  expect(done).toEqual(["second"]);
  endless.resolve();
  await first;
});

test("a turn that has lasted too long and then ends hands on no second time, and one that ends leaves no timer", async () => {
  const { handOn, timers, done, inTurn, run } = handTimed();
  const [long, longer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const turns = [inTurn(() => long.promise), inTurn(() => longer.promise), inTurn(run("third"))];
  handOn();
  await settled();
  long.resolve();
  await settled();
  expect(done).toEqual([]);
  longer.resolve();
  await Promise.all(turns);
  expect(done).toEqual(["third"]);
  expect(timers.size).toBe(0);
});
