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

// Nobody could change that workflow any more, until a restart.
test.each(["before", "after"])("whoever leaves just %s its turn comes keeps nobody behind it from theirs", async (when) => {
  let handOn = (): void => {};
  const rivals = createRivals({
    setTimer: (_, run) => {
      handOn = run;
      return () => {};
    },
  });
  const done: string[] = [];
  const run = (name: string) => async () => void done.push(name);
  const endless = Promise.withResolvers<void>();
  const leaving = new AbortController();
  const inTurn = <T>(signal: AbortSignal, act: () => Promise<T>) =>
    rivals.inTurn(workflowId, { age: rivals.age(), hasLost: true }, signal, act);
  const first = inTurn(caller.signal, () => endless.promise);
  const second = inTurn(leaving.signal, run("second"));
  const third = inTurn(caller.signal, run("third"));
  if (when === "before") leaving.abort();
  handOn();
  if (when === "after") leaving.abort();
  for (let turns = 0; turns < 5; turns += 1) await soon();
  expect(done).toContain("third");
  // There is no line any more.
  const fourth = inTurn(caller.signal, run("fourth"));
  await soon();
  expect(done).toContain("fourth");
  endless.resolve();
  await Promise.all([first, second, third, fourth]);
});
