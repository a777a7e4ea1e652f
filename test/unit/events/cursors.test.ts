import { describe, expect, test } from "vitest";
import { createCursors } from "../../../src/events/cursors.ts";
import type { SinkBatch, SinkStore } from "../../../src/events/ports.ts";
import { createMemorySinkStore } from "../../../src/storage/memory/sink-store.ts";
import { sinkRecord } from "../../support/sink-values.ts";
import { silentLog } from "../../support/sink-world.ts";

type Written = Awaited<ReturnType<SinkStore["apply"]>>;

const done: Written = { ok: true, value: undefined };
const lost: Written = { ok: false, error: { type: "storage-unavailable", cause: "the disk is full", outcomeUnknown: false } };
const unknown: Written = { ok: false, error: { type: "storage-unavailable", cause: "an I/O error", outcomeUnknown: true } };

/** What is written waits for the test's answer, and time passes when the test says so. */
function world() {
  const timers = new Set<() => void>();
  const writes: { readonly cursors: Readonly<Record<string, number>>; readonly answer: (written: Written) => void }[] = [];
  const apply = ({ puts = [] }: SinkBatch): Promise<Written> =>
    new Promise((answer) => {
      writes.push({ cursors: Object.fromEntries(puts.map(({ name, cursor }) => [name, cursor])), answer });
    });
  const setTimer = (_delayMs: number, run: () => void) => {
    timers.add(run);
    return () => void timers.delete(run);
  };
  const cursors = createCursors({ store: { ...createMemorySinkStore(), apply }, clock: { setTimer }, log: silentLog });
  const moved = (name: string, cursor: number): void => cursors.moved(sinkRecord(name, { cursor }));
  async function pass(): Promise<void> {
    const due = [...timers];
    timers.clear();
    for (const run of due) run();
    await new Promise(setImmediate);
  }
  async function answer(index: number, written: Written): Promise<void> {
    writes[index]?.answer(written);
    await new Promise(setImmediate);
  }
  return { cursors, moved, pass, answer, written: () => writes.map((each) => each.cursors) };
}

test("what an operator resets is written after how far the sink had come, or a restart would skip what was to be published again", async () => {
  const { cursors, moved, pass, answer, written } = world();
  moved("bus", 1_000);
  const reset = cursors.apply({ puts: [sinkRecord("bus", { cursor: 5 })] });
  await pass();
  expect(written(), "the reset waits for the write before it").toEqual([{ bus: 1_000 }]);
  await answer(0, done);
  await answer(1, done);
  expect(await reset).toEqual(done);
  await pass();
  expect(written()).toEqual([{ bus: 1_000 }, { bus: 5 }]);
  expect(cursors.stored("bus")).toBe(5);
});

test("a reset waits also for a write that is under way already, or that write could come after it and undo it", async () => {
  const { cursors, moved, pass, answer, written } = world();
  moved("bus", 1_000);
  await pass();
  const reset = cursors.apply({ puts: [sinkRecord("bus", { cursor: 5 })] });
  await pass();
  expect(written()).toEqual([{ bus: 1_000 }]);
  await answer(0, done);
  await answer(1, done);
  await reset;
  expect(written()).toEqual([{ bus: 1_000 }, { bus: 5 }]);
});

test("what could not be written is written later, but not over what is newer, or a crash would publish again what the operator saw stored", async () => {
  const { cursors, moved, pass, answer, written } = world();
  moved("bus", 10);
  moved("hook", 7);
  await pass();
  moved("bus", 20);
  await answer(0, lost);
  expect([cursors.stored("bus"), cursors.stored("hook")]).toEqual([undefined, undefined]);
  await pass();
  await answer(1, done);
  expect(written()).toEqual([
    { bus: 10, hook: 7 },
    { bus: 20, hook: 7 },
  ]);
  expect([cursors.stored("bus"), cursors.stored("hook")]).toEqual([20, 7]);
});

describe("when how far a sink has come cannot be stored, and an operator changes it right after that", () => {
  const fields = { cursor: 5, isPaused: true };

  test.each([
    { outcome: "stored", change: done, later: [], because: "a restart would not find it as the operator was told" },
    { outcome: "not stored", change: lost, later: [{ bus: 1_000 }], because: "it has come so far all the same" },
  ])("what failed is written later only if the change is not stored: it is $outcome", async ({ change, later, because }) => {
    const { cursors, moved, pass, answer, written } = world();
    moved("bus", 1_000);
    const changed = cursors.apply({ puts: [sinkRecord("bus", fields)] });
    await pass();
    await answer(0, lost);
    await answer(1, change);
    expect(await changed).toEqual(change);
    await pass();
    expect(written(), because).toEqual([{ bus: 1_000 }, { bus: 5 }, ...later]);
  });

  test("its time to be tried again may come while the change is being written: it waits, and is not written over it", async () => {
    const { cursors, moved, pass, answer, written } = world();
    moved("bus", 1_000);
    moved("hook", 7);
    const changed = cursors.apply({ puts: [sinkRecord("bus", fields)] });
    await pass();
    await answer(0, lost);
    await pass();
    expect(written()).toEqual([{ bus: 1_000, hook: 7 }, { bus: 5 }]);
    await answer(1, done);
    await changed;
    expect(written()).toEqual([{ bus: 1_000, hook: 7 }, { bus: 5 }, { hook: 7 }]);
  });

  test("a move while the change is being written is newer, whether that is stored or not", async () => {
    for (const change of [done, lost]) {
      const { cursors, moved, pass, answer, written } = world();
      moved("bus", 1_000);
      const changed = cursors.apply({ puts: [sinkRecord("bus", fields)] });
      await pass();
      await answer(0, lost);
      moved("bus", 6);
      await answer(1, change);
      await changed;
      await pass();
      expect(written()).toEqual([{ bus: 1_000 }, { bus: 5 }, { bus: 6 }]);
    }
  });
});

test("while a reset is being written, and if nobody knows whether it was, what follows the older place is needed", async () => {
  const { cursors, moved, pass, answer } = world();
  moved("bus", 1_000);
  await pass();
  await answer(0, done);
  for (const [index, cursor] of [
    [1, 5],
    [2, 2_000],
  ] as const) {
    const reset = cursors.apply({ puts: [sinkRecord("bus", { cursor })] });
    await pass();
    expect(cursors.stored("bus")).toBe(5);
    await answer(index, unknown);
    await reset;
    expect(cursors.stored("bus")).toBe(5);
  }
  moved("bus", 1_000);
  await pass();
  await answer(3, done);
  expect(cursors.stored("bus")).toBe(1_000);
});

test("what cannot be stored at the end is not tried again: its store is about to be closed", async () => {
  const { cursors, moved, pass, answer, written } = world();
  moved("bus", 9);
  const closed = cursors.close();
  await pass();
  await answer(0, lost);
  await closed;
  await pass();
  expect(written()).toEqual([{ bus: 9 }]);
});
