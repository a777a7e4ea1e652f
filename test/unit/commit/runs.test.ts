import { expect, test } from "vitest";
import type { Transaction } from "../../../src/commit/core/types.ts";
import { footprint, notCharged } from "../../../src/commit/footprint.ts";
import type { Run } from "../../../src/commit/run.ts";
import { addRun, charge, createRuns, isAwaited, markDecided, removeRun } from "../../../src/commit/runs.ts";
import { emptyTimeline, type Timeline } from "../../../src/commit/timeline.ts";
import type { RequestId } from "../../../src/kernel/ids.ts";
import { begun, id, tx } from "./support.ts";

/** As far as the books of all runs look at one. */
function runOf(name: string, fields: Partial<Transaction> = {}, names = ["a", "b"]): Run {
  const view: Transaction = { ...begun(names).transaction, id: tx(name), ...fields };
  const share = { address: "10.0.0.1", count: 0, bytes: 0 };
  return {
    core: view,
    view,
    timeline: emptyTimeline,
    charged: notCharged,
    share,
    waiters: new Set(),
    end() {},
  } as Partial<Run> as Run;
}

const lines = (count: number): Timeline => ({
  entries: Array.from({ length: count }, (_, atMs) => ({ atMs, type: "begun" as const })),
  omitted: 0,
});

test("what a run takes is counted when it has more parts, when it is decided, and each few lines", () => {
  const runs = createRuns();
  const run = runOf("t1");
  const bytes = (): number => footprint(run.view, run.timeline);
  const counted = (): number => runs.bytes.undecided;
  addRun(runs, run);
  charge(runs, run);
  expect([counted(), run.share?.bytes]).toEqual([bytes(), bytes()]);
  run.timeline = lines(7);
  const before = counted();
  charge(runs, run, run.view);
  expect(counted()).toBe(before);
  run.timeline = lines(8);
  charge(runs, run, run.view);
  expect(counted()).toBe(bytes());
  run.timeline = { ...lines(8), omitted: 8 };
  const one = run.view;
  run.view = { ...one, parts: [...one.parts, ...begun(["c"]).transaction.parts] };
  charge(runs, run, one);
  expect([counted(), run.share?.bytes]).toEqual([bytes(), bytes()]);
  // As many lines as made it count again, whether they are kept or not.
  run.timeline = { ...lines(9), omitted: 14 };
  charge(runs, run, run.view);
  expect(counted()).not.toBe(bytes());
  run.timeline = { ...lines(9), omitted: 15 };
  charge(runs, run, run.view);
  expect(counted()).toBe(bytes());
  const two = run.view;
  run.view = { ...two, outcome: "committed" };
  charge(runs, run, two);
  expect(runs.bytes).toEqual({ undecided: 0, decided: bytes() });
  removeRun(runs, run);
  expect(runs.bytes).toEqual({ undecided: 0, decided: 0 });
});

test("a run that is over is in no list any more, and the others of its participants stay", () => {
  const runs = createRuns();
  const [first, second] = [runOf("t1"), runOf("t2", {}, ["b", "c"])];
  for (const run of [first, second]) addRun(runs, run);
  expect(runs.undecidedCount).toBe(2);
  removeRun(runs, first);
  removeRun(runs, first);
  expect([...runs.byId.keys(), runs.ids.size]).toEqual(["t2", 1]);
  expect([...runs.byParticipant].map(([name, its]) => [name, its.size])).toEqual([
    ["b", 1],
    ["c", 1],
  ]);
  // One that has taken its place is another.
  const again = runOf("t2");
  runs.byId.set(again.core.id, again);
  removeRun(runs, second);
  expect(runs.byId.get(tx("t2"))).toBe(again);
});

test("a request id leads to its transaction until that is over, or free for another try", () => {
  const request = { id: "r" as RequestId, digest: "d" };
  const requested = { digest: "d", found: Promise.resolve({} as Run), comingCount: 0 };
  const known = (fields: Partial<Transaction>, end: typeof markDecided): boolean => {
    const runs = createRuns();
    const run = runOf("t1", { request, ...fields });
    addRun(runs, run);
    runs.byRequest.set(request.id, requested);
    expect(isAwaited(runs, run)).toBe(false);
    end(runs, run);
    return runs.byRequest.has(request.id);
  };
  const decided = runOf("t2", { outcome: "committed" });
  const runs = createRuns();
  addRun(runs, decided);
  markDecided(runs, decided);
  expect([decided.share, runs.shares.size]).toEqual([undefined, 0]);
  expect([known({ outcome: "aborted" }, markDecided), known({ outcome: "committed" }, markDecided)]).toEqual([false, true]);
  expect([known({ outcome: "aborted" }, removeRun), known({ outcome: "committed" }, removeRun)]).toEqual([true, false]);
});

test("a decision is awaited by whoever waits, or is about to", () => {
  const runs = createRuns();
  const request = { id: "r" as RequestId, digest: "d" };
  const run = runOf("t1", { request });
  const requested = { digest: "d", found: Promise.resolve({} as Run), comingCount: 1 };
  runs.byRequest.set(request.id, requested);
  expect(isAwaited(runs, run)).toBe(true);
  requested.comingCount = 0;
  expect(isAwaited(runs, run)).toBe(false);
  run.waiters.add(() => {});
  expect([isAwaited(runs, run), isAwaited(createRuns(), runOf("t2"))]).toEqual([true, false]);
  expect(runs.byParticipant.get(id("a"))).toBeUndefined();
});
