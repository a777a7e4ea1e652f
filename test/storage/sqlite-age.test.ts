import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { answerRetentionMs } from "../../src/kernel/limits.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";
import { answering, creation, requestId } from "../support/storage-values.ts";

const [minuteMs, hourMs, dayMs] = [60_000, 3_600_000, 24 * 3_600_000];

/** What the test has let pass. */
let passedMs = 0;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout"] });
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + passedMs);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const setWallClock = (byMs: number): void => void vi.setSystemTime(Date.now() + byMs);

/** Time passes, for every clock, and the store looks at them. */
function pass(durationMs: number): void {
  passedMs += durationMs;
  setWallClock(durationMs);
  vi.advanceTimersByTime(500);
}

async function open(path: string): Promise<WorkflowStore> {
  const result = await openSqliteWorkflowStore({ path });
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

async function answer(store: WorkflowStore, id: string): Promise<void> {
  expect(await store.apply({ ...creation(id), ...answering(id, "d", Date.now()) })).toMatchObject({ ok: true });
}

/** What the server does each second. Which of these answers are left? */
async function leftOf(store: WorkflowStore, ...ids: readonly string[]): Promise<string[]> {
  await store.purge({ olderThanMs: store.keptBeforeMs(answerRetentionMs), limit: 100 });
  const answers = await Promise.all(ids.map((id) => store.answer(requestId(id))));
  return ids.filter((_, index) => answers[index] !== undefined);
}

test("a clock that is ahead at the start drops nothing early, and what is old by open time is dropped", async () => {
  const path = join(storageDir(), "workflow.sqlite");
  const first = await open(path);
  await answer(first, "a");
  await first.close();

  setWallClock(8 * dayMs);
  const second = await open(path);
  pass(24 * hourMs);
  expect(await leftOf(second, "a")).toStrictEqual(["a"]);
  pass(hourMs + minuteMs);
  expect(await leftOf(second, "a")).toStrictEqual([]);
  await second.close();
});

test("a clock that was set ahead while it was open, and is still at the next start, drops nothing early", async () => {
  const path = join(storageDir(), "workflow.sqlite");
  const first = await open(path);
  await answer(first, "a");
  pass(hourMs);
  setWallClock(8 * dayMs);
  pass(hourMs);
  await answer(first, "b");
  expect(await leftOf(first, "a", "b")).toStrictEqual(["a", "b"]);
  await first.close();

  const second = await open(path);
  pass(22 * hourMs);
  expect(await leftOf(second, "a", "b")).toStrictEqual(["a", "b"]);
  setWallClock(-8 * dayMs);
  pass(2 * hourMs);
  expect(await leftOf(second, "a", "b")).toStrictEqual(["b"]);
  // It bears the time of a clock that was ahead, and so is kept longer.
  pass(10 * dayMs);
  expect(await leftOf(second, "a", "b")).toStrictEqual([]);
  await second.close();
});

test("the open times of many short runs add up, however long it was closed between them", async () => {
  const path = join(storageDir(), "workflow.sqlite");
  for (let run = 0; run <= 25; run += 1) {
    const store = await open(path);
    if (run === 0) await answer(store, "a");
    expect(await leftOf(store, "a")).toStrictEqual(run < 25 ? ["a"] : []);
    pass(hourMs);
    await store.close();
    setWallClock(3 * dayMs);
  }
});

test("what a process that is killed has counted is lost for a minute at most", async () => {
  const path = join(storageDir(), "workflow.sqlite");
  const store = await open(path);
  await answer(store, "a");
  pass(26 * hourMs);
  const due = store.keptBeforeMs(answerRetentionMs);
  // Written with what comes next. The file as a kill would leave it.
  await answer(store, "b");
  const copy = join(storageDir(), "workflow.sqlite");
  for (const suffix of ["", "-wal"]) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`);
  const after = await open(copy);
  pass(0);
  expect(Math.abs(after.keptBeforeMs(answerRetentionMs) - due)).toBeLessThanOrEqual(minuteMs);
  expect(await leftOf(after, "a", "b")).toStrictEqual(["b"]);
  await after.close();
  await store.close();
});

test("what is older than anything is kept is not remembered: the open times do not grow for ever", async () => {
  const path = join(storageDir(), "workflow.sqlite");
  const countAfter = async (durationMs: number): Promise<unknown> => {
    const store = await open(path);
    pass(durationMs);
    await store.close();
    const database = new DatabaseSync(path);
    const row = database.prepare("SELECT count(*) AS n FROM open_times").get();
    database.close();
    setWallClock(3 * dayMs);
    return row?.["n"];
  };
  for (const count of [1, 2, 3]) expect(await countAfter(hourMs)).toBe(count);
  await countAfter(61 * dayMs);
  expect(await countAfter(hourMs)).toBe(2);
});
