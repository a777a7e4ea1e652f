import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import type { WorkflowStore } from "../../../src/workflow/ports.ts";
import { type WatchOptions, watch } from "../../../src/workflow/watch.ts";
import { creation, managerOver } from "../../support/workflow-manager.ts";

const seed = process.env["SEED"];
const replay = seed === undefined ? {} : { seed: Number(seed) };

function watching(store: WorkflowStore, options: Partial<WatchOptions> = {}) {
  const stop = new AbortController();
  const defaults = { afterSequence: 0, workflowId: undefined, matches: () => true, progressIntervalMs: 600_000 };
  return { messages: watch(store, { ...defaults, signal: stop.signal, ...options }), stop };
}

/** Reads until that many events were told. Progress in between must never go back. */
async function sequences(messages: AsyncGenerator<{ type: string }>, count: number): Promise<readonly number[]> {
  const told: number[] = [];
  while (told.length < count) {
    const { value } = await messages.next();
    if (value?.type === "event") told.push(value.event.sequence);
  }
  return told;
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

describe("NoEventSkipped", () => {
  test("every event is told once and in order, however appends fall between the reads", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom("append", "read", "append while reading"), { maxLength: 40 }), async (steps) => {
        const { store, manager } = managerOver(undefined, { workflowCountMax: 1_000 });
        let appended = 0;
        const append = async (): Promise<void> => {
          appended += 1;
          await manager.create(creation(`wf-${appended}`));
        };
        let during = false;
        const racing: WorkflowStore = {
          ...store,
          events: async (page) => {
            const found = await store.events(page);
            // After the page was read, before the watch can wait for the next append.
            if (during) {
              during = false;
              await append();
            }
            return found;
          },
        };
        const { messages, stop } = watching(racing);
        const told: number[] = [];
        for (const step of steps) {
          if (step === "append") await append();
          else if (step === "append while reading") during = true;
          else if (told.length < appended) told.push(...(await sequences(messages, 1)));
        }
        during = false;
        told.push(...(await sequences(messages, appended - told.length)));
        expect(told).toEqual(upTo(appended));
        stop.abort();
      }),
      { numRuns: 100, ...replay },
    );
  });

  test("an append between reading the newest sequence and reading the page is told, and progress does not run ahead of it", async () => {
    const { store, manager } = managerOver();
    await manager.create(creation("wf-1"));
    let late = true;
    const racing: WorkflowStore = {
      ...store,
      sequences: async () => {
        const found = await store.sequences();
        if (late) {
          late = false;
          await manager.create(creation("wf-2"));
        }
        return found;
      },
    };
    const { messages, stop } = watching(racing, { progressIntervalMs: 0, matches: ({ workflowId }) => workflowId === "wf-2" });
    expect(await messages.next()).toEqual({ done: false, value: { type: "progress", sequence: 0 } });
    expect(await sequences(messages, 1)).toEqual([2]);
    stop.abort();
  });

  test("more than a page of events at once", async () => {
    const { store, manager } = managerOver(undefined, { workflowCountMax: 1_000 });
    for (let index = 0; index < 600; index += 1) await manager.create(creation(`wf-${index}`));
    const { messages, stop } = watching(store);
    expect(await sequences(messages, 600)).toEqual(upTo(600));
    stop.abort();
  });
});

test("while nothing matches, progress tells how far it has come", async () => {
  const { store, manager } = managerOver();
  await manager.create(creation("wf-1"));
  const { messages, stop } = watching(store, { matches: () => false, progressIntervalMs: 0 });
  const progress = async () => (await messages.next()).value;
  expect(await progress()).toEqual({ type: "progress", sequence: 0 });
  expect(await progress()).toEqual({ type: "progress", sequence: 1 });
  await manager.create(creation("wf-2"));
  expect(await progress()).toEqual({ type: "progress", sequence: 2 });
  stop.abort();
});

test("it begins with progress, at the place that was asked for", async () => {
  const { store, manager } = managerOver();
  for (const id of ["wf-1", "wf-2"]) await manager.create(creation(id));
  const { messages, stop } = watching(store, { afterSequence: 1 });
  expect((await messages.next()).value).toEqual({ type: "progress", sequence: 1 });
  expect(await sequences(messages, 1)).toEqual([2]);
  stop.abort();
});

test("it ends when its signal aborts, also while it waits, and leaves no listener behind", async () => {
  const store = createMemoryWorkflowStore();
  const listeners = new Set<unknown>();
  const counting: WorkflowStore = {
    ...store,
    onAppend: (listener) => {
      listeners.add(listener);
      const unsubscribe = store.onAppend(listener);
      return () => {
        listeners.delete(listener);
        unsubscribe();
      };
    },
  };
  const { messages, stop } = watching(counting);
  await messages.next();
  const waiting = messages.next();
  stop.abort();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(listeners.size).toBe(0);
});
