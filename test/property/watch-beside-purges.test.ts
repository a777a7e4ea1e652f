import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WorkflowId } from "../../src/kernel/ids.ts";
import { isTerminal } from "../../src/kernel/lifecycle.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createTurns } from "../../src/runtime/turns.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowEvent } from "../../src/workflow/core/types.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { createWatch, type Watch, type WatchOptions } from "../../src/workflow/watch.ts";
import { storageDir } from "../support/storage-dir.ts";
import { creation, event, put, workflowId } from "../support/storage-values.ts";

const ids = ["a", "b", "c"];
const wanted: readonly { readonly options: Partial<WatchOptions>; readonly wants: (event: WorkflowEvent) => boolean }[] = [
  { options: { together: { bytesMax: 3, bytesOf: () => 1 } }, wants: () => true },
  { options: { workflowId: "a" as WorkflowId }, wants: ({ workflowId }) => workflowId === "a" },
  {
    options: {
      together: { bytesMax: 2, bytesOf: () => 1 },
      filter: { text: "odd", matches: ({ sequence }) => sequence % 2 === 1, known: {} },
    },
    wants: ({ sequence }) => sequence % 2 === 1,
  },
];

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("live" as const),
      id: fc.constantFrom(...ids),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("purge" as const),
      id: fc.constantFrom(...ids),
      some: fc.constantFrom(1, 2, 99),
      /** Who reads meanwhile. */
      beside: fc.option(fc.nat({ max: 2 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("read" as const),
      watcher: fc.nat({ max: 2 }),
      count: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("resume" as const), watcher: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("restart" as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("wait" as const), turns: fc.integer({ min: 1, max: 6 }) }) },
);

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** How often a watch has met what was purged, in all runs. */
let compacted = 0;

/** Watches one store, life after life: each goes on where the one before it ended, or from the oldest if that is not kept any more. */
function createWatcher(
  store: WorkflowStore,
  { options, wants }: (typeof wanted)[number],
  watchOf: () => Watch,
  ever: readonly WorkflowEvent[],
) {
  let stop = new AbortController();
  /** All that is wanted up to here was told, or was purged and said so. */
  let cursor = 0;
  const begin = () => {
    stop = new AbortController();
    const wish = { workflowId: undefined, filter: undefined, progressIntervalMs: 1, afterSequence: cursor, signal: stop.signal };
    return watchOf()({ ...wish, ...options });
  };
  let messages = begin();

  async function readOne(): Promise<void> {
    const { oldest: oldestBefore } = await store.sequences();
    const { value } = await messages.next();
    if (value?.type === "events") {
      expect(value.events).not.toEqual([]);
      for (const event of value.events) {
        const skipped = ever.filter((each) => each.sequence > cursor && each.sequence < event.sequence && wants(each));
        expect(skipped).toEqual([]);
        expect(event.sequence).toBeGreaterThan(cursor);
        expect(event).toStrictEqual(ever[event.sequence - 1]);
        cursor = event.sequence;
      }
    } else if (value?.type === "progress") {
      expect(ever.filter((each) => each.sequence > cursor && each.sequence <= value.sequence && wants(each))).toEqual([]);
      expect(value.sequence).toBeGreaterThanOrEqual(cursor);
      cursor = value.sequence;
    } else {
      // The truth: an event that it has not been told of is gone.
      const { oldest } = await store.sequences();
      if (value?.type !== "purged") throw new Error("it has ended without a word");
      expect(value.oldest).toBeGreaterThanOrEqual(oldestBefore);
      expect(value.oldest).toBeLessThanOrEqual(oldest);
      expect(value.oldest - 1).toBeGreaterThan(cursor);
      compacted += 1;
      cursor = value.oldest - 1;
      messages = begin();
    }
  }

  return {
    readOne,
    resume: (): void => {
      stop.abort();
      messages = begin();
    },
    stop: () => stop.abort(),
    get cursor() {
      return cursor;
    },
  };
}

/** Between what a watch asks the store for, a purge may fall. */
const unhurried = (store: WorkflowStore): WorkflowStore => ({
  ...store,
  listEvents: async (page) => {
    await turn();
    return store.listEvents(page);
  },
});

const stores = {
  memory: { runs: 150, open: async (): Promise<WorkflowStore> => createMemoryWorkflowStore() },
  sqlite: {
    runs: 12,
    open: async (): Promise<WorkflowStore> => {
      const opened = await openSqliteWorkflowStore({ path: join(storageDir(), "workflows.db") });
      if (!opened.ok) throw new Error(opened.error.message);
      return opened.value;
    },
  },
};

describe.each(Object.entries(stores))("over a store in %s", (_, { runs, open }) => {
  test("each watch is told every event it wants once and in order, or that what it has not been told of was purged", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), async (steps, countMax) => {
        const store = await open();
        const ever: WorkflowEvent[] = [];
        const live = async (id: string): Promise<void> => {
          const stored = await store.get(workflowId(id));
          if (stored && isTerminal(stored.state)) return;
          const moved = stored && put(stored, { state: stored.state === "CREATED" ? "ACTIVE" : "COMPLETED" });
          const batch = moved ? { puts: [moved], events: [event(moved.workflow)] } : creation(id);
          const applied = await store.apply(batch);
          if (applied.ok) ever.push(...applied.value);
        };
        let watch: Watch;
        const restart = (): void => {
          watch = createWatch({
            ...{ clock: systemClock, store: unhurried(store), turns: createTurns() },
            bounds: { countMax, bytesMax: 1_000_000 },
          });
        };
        restart();
        const watchers = wanted.map((wish) => createWatcher(store, wish, () => watch, ever));
        for (const each of steps) {
          if (each.type === "live") for (let times = 0; times < each.times; times += 1) await live(each.id);
          else if (each.type === "wait") for (let turns = 0; turns < each.turns; turns += 1) await turn();
          else if (each.type === "resume") watchers[each.watcher]?.resume();
          else if (each.type === "read")
            for (let count = 0; count < each.count; count += 1) await watchers[each.watcher]?.readOne();
          else if (each.type === "restart") {
            restart();
            for (const watcher of watchers) watcher.resume();
          } else {
            for (let times = 0; times < 3; times += 1) await live(each.id);
            const stored = await store.get(workflowId(each.id));
            const workflows = stored ? [{ id: stored.id, version: stored.version }] : [];
            const bounds = { beforeSequence: Number.MAX_SAFE_INTEGER, eventCountMax: each.some };
            const reader = each.beside === null ? undefined : watchers[each.beside];
            reader?.resume();
            // It begins with progress; what it reads then is read beside the purge.
            await reader?.readOne();
            const purge = () => store.purgeWorkflows({ workflows, ...bounds, freeIds: true, atMs: 1 });
            await Promise.all([reader?.readOne(), turn().then(purge)]);
          }
        }
        // What was purged before anybody has read it is seen when something comes after it.
        const last = await store.apply(creation("last"));
        if (last.ok) ever.push(...last.value);
        for (const watcher of watchers) {
          while (watcher.cursor < ever.length) await watcher.readOne();
          watcher.stop();
        }
        await store.close();
      }),
      { numRuns: runs },
    );
    expect(compacted).toBeGreaterThan(0);
    compacted = 0;
  });
});
