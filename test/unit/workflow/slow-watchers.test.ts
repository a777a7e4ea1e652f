import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test, vi } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { stretchRowsMax } from "../../../src/kernel/limits.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { heldStretchMs } from "../../../src/workflow/limits.ts";
import type { WorkflowStore } from "../../../src/workflow/ports.ts";
import { createWatch, type WatchMessage } from "../../../src/workflow/watch.ts";
import { creation, managerOver, moveTo } from "../../support/workflow-manager.ts";

// What watchers cost who read slowly, or not at all: told in operations of the store, turns of the writer, and events in memory; not in time.

const bounds = { countMax: 50, bytesMax: 1_000_000 };
const moves = 400;

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
async function settled(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn();
}

/** The store, each of whose operations is written down. */
function counting(store: WorkflowStore, operations: string[]): WorkflowStore {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        operations.push(String(name));
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
}

type Watchers = { readonly never: number; readonly slow: number };

/** Moves one workflow to and fro, beside watchers that began before it, or in its middle. */
async function run({ never, slow }: Watchers) {
  const store = createMemoryWorkflowStore();
  const [written, read] = [[] as string[], [] as string[]];
  /** Of the values that watches were given: each a value of its own. */
  const given: WeakRef<object>[] = [];
  const kept = counting(store, read);
  const watched: WorkflowStore = {
    ...kept,
    onAppend: kept.onAppend,
    sequences: () => kept.sequences(),
    listEvents: async (page) => {
      const found = await kept.listEvents(page);
      const rows = found.rows.map((row) => ({ ...row }));
      given.push(...rows.map((row) => new WeakRef(row)));
      return { ...found, rows };
    },
  };
  const under = managerOver(counting(store, written));
  const watch = createWatch({ clock: systemClock, store: watched, turns: createTurns(), bounds });
  const stop = new AbortController();
  const open = (): AsyncGenerator<WatchMessage, void> =>
    watch({ workflowId: undefined, filter: undefined, afterSequence: 0, progressIntervalMs: 3_600_000, signal: stop.signal });
  await under.manager.create(creation("w"));
  const others = Array.from({ length: never }, open);
  for (const each of others) {
    await each.next();
    await each.next();
    // It has caught up, and is told the first move; then nobody asks for more.
    void each.next();
  }
  await settled();
  const slowOnes = Array.from({ length: slow }, open);
  read.length = 0;
  const move = (index: number) =>
    under.manager.move({ ...moveTo(index === 0 || index % 2 === 0 ? "ACTIVE" : "PAUSED"), workflowId: "w" as WorkflowId });
  for (let index = 0; index < moves; index += 1) {
    expect((await move(index)).ok).toBe(true);
    if (index % 50 === 0) for (const each of slowOnes) await each.next();
    await turn();
  }
  await settled();
  return { written, turns: under.breaths.count, read, given, others, slowOnes, stop };
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

test("watchers that read slowly, or never, cost the writer no operation and no turn", async () => {
  const alone = await run({ never: 0, slow: 0 });
  const watched = await run({ never: 200, slow: 20 });
  expect(watched.written).toEqual(alone.written);
  expect(watched.turns).toBe(alone.turns);
  expect(alone.read).toEqual([]);
});

test("what comes is read once for all of them", async () => {
  const one = await run({ never: 1, slow: 0 });
  const many = await run({ never: 200, slow: 0 });
  expect(many.read).toEqual(one.read);
  expect(one.read.filter((name) => name === "listEvents").length).toBeLessThanOrEqual(moves + 1);
});

afterEach(() => void vi.useRealTimers());

test("no more is in memory for them than the newest, and what each was just told", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { given, others, slowOnes } = await run({ never: 200, slow: 20 });
  vi.advanceTimersByTime(2 * heldStretchMs);
  await settled();
  collect();
  const alive = given.filter((each) => each.deref() !== undefined).length;
  expect(alive).toBeLessThanOrEqual(bounds.countMax + others.length + slowOnes.length + stretchRowsMax);
  expect(given.length).toBeGreaterThan(moves);
  // Whoever asks again is told all of it, once.
  const [first] = slowOnes;
  const rest: number[] = [];
  while (rest.at(-1) !== moves + 1) {
    const message = (await first?.next())?.value;
    if (message?.type === "events") rest.push(...message.events.map(({ sequence }) => sequence));
  }
  expect(rest).toEqual(rest.map((_, index) => (rest[0] ?? 0) + index));
  expect(rest.length).toBeGreaterThan(moves - 20);
});
