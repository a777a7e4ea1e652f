import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { loopHoldMsMax, sliceMs, stretchRowsMax } from "../../../src/kernel/limits.ts";
import { stretchOf } from "../../../src/kernel/stretch.ts";
import type { Turns } from "../../../src/kernel/turns.ts";
import { StorageUnavailableError } from "../../../src/kernel/write.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import type { NewWorkflowEvent, WorkflowEvent } from "../../../src/workflow/core/types.ts";
import { heldStretchMs } from "../../../src/workflow/limits.ts";
import type { EventRanges, WorkflowStore } from "../../../src/workflow/ports.ts";
import { createWatch, type Watch, type WatchOptions } from "../../../src/workflow/watch.ts";
import { fakeClock, settled } from "../../support/fake-clock.ts";
import { pausing } from "../../support/pausing.ts";
import { event, workflow } from "../../support/storage-values.ts";
import { creation, managerOver } from "../../support/workflow-manager.ts";

const watchOf = (store: WorkflowStore, bounds?: { readonly countMax: number; readonly bytesMax: number }): Watch =>
  createWatch({ clock: systemClock, store, turns: pausing(), ...(bounds && { bounds }) });

function start(watch: Watch, options: Partial<WatchOptions> = {}) {
  const stop = new AbortController();
  const defaults = { afterSequence: 0, workflowId: undefined, filter: undefined, progressIntervalMs: 600_000 };
  return { messages: watch({ ...defaults, signal: stop.signal, ...options }), stop };
}

const filter = (text: string, matches: (event: WorkflowEvent) => boolean, known: EventRanges = {}) => ({ text, matches, known });
const nothing = filter("nothing", () => false);

type Messages = ReturnType<Watch>;

/** Reads until that many events were told. Progress in between must never go back. */
async function sequences(messages: Messages, count: number): Promise<readonly number[]> {
  const told: number[] = [];
  let progress = 0;
  while (told.length < count) {
    const { value } = await messages.next();
    if (value?.type === "events") told.push(...value.events.map(({ sequence }) => sequence));
    if (value?.type !== "progress") continue;
    expect(value.sequence).toBeGreaterThanOrEqual(Math.max(progress, told.at(-1) ?? 0));
    progress = value.sequence;
  }
  return told;
}

/** Reads progress until it has come this far; no event may come. */
async function progressTo(messages: Messages, sequence: number): Promise<void> {
  for (;;) {
    const { value } = await messages.next();
    expect(value?.type).toBe("progress");
    if (value?.type === "progress" && value.sequence === sequence) return;
  }
}

async function append(store: WorkflowStore, events: readonly NewWorkflowEvent[]): Promise<readonly WorkflowEvent[]> {
  const applied = await store.apply({ puts: [], events });
  if (!applied.ok) throw new Error(applied.error.type);
  return applied.value;
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe("NoEventSkipped", () => {
  const wanted = {
    all: () => true,
    "one workflow": (event: WorkflowEvent) => event.workflowId === "wf-1",
    even: (event: WorkflowEvent) => event.sequence % 2 === 0,
    "even of one workflow": (event: WorkflowEvent) => event.workflowId === "wf-1" && event.sequence % 2 === 0,
    "of a workflow that the filter names": (event: WorkflowEvent) => event.workflowId === "wf-2",
    "from the tenth on": (event: WorkflowEvent) => event.sequence >= 10,
    "of one that the filter does not name": () => false,
  };
  type Name = keyof typeof wanted;
  const isEven = filter("even", wanted.even);
  const isOfSecond = filter("second", wanted["of a workflow that the filter names"], { workflowId: { oneOf: ["wf-2"] } });
  const optionsOf: Record<Name, Partial<WatchOptions>> = {
    all: {},
    "one workflow": { workflowId: "wf-1" as WorkflowId },
    even: { filter: isEven },
    "even of one workflow": { workflowId: "wf-1" as WorkflowId, filter: isEven },
    "of a workflow that the filter names": { filter: isOfSecond },
    "from the tenth on": { filter: filter("tenth", ({ sequence }) => sequence >= 10, { sequence: { min: 10 } }) },
    "of one that the filter does not name": { workflowId: "wf-1" as WorkflowId, filter: isOfSecond },
  };

  const names = fc.constantFrom(...(Object.keys(wanted) as Name[]));
  const watcher = fc.nat({ max: 3 });
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ type: fc.constant("append" as const), count: fc.integer({ min: 1, max: 40 }) }) },
    {
      weight: 4,
      arbitrary: fc.record({ type: fc.constant("read" as const), watcher, count: fc.integer({ min: 1, max: 30 }) }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("wait" as const), turns: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("resume" as const), watcher }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("restart" as const) }) },
  );

  test("each watch is told what it wants once and in order, at any pace and any bound, across restarts", async () => {
    const bounds = fc.record({ countMax: fc.integer({ min: 1, max: 40 }), bytesMax: fc.integer({ min: 1, max: 20_000 }) });
    const togethers = fc.option(fc.record({ bytesMax: fc.nat({ max: 20 }), bytesOf: fc.constant(() => 1) }), { nil: undefined });
    const watchers = fc.array(names, { minLength: 4, maxLength: 4 });
    /** How many turns of the loop each read of the store takes. */
    const latencies = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        bounds,
        togethers,
        watchers,
        latencies,
        fc.array(step, { maxLength: 40 }),
        async (bound, together, names, turns, steps) => {
          const memory = createMemoryWorkflowStore();
          let reads = 0;
          const store: WorkflowStore = {
            ...memory,
            listEvents: async (page) => {
              reads += 1;
              const before = (turns[reads % turns.length] ?? 0) % 2;
              for (let count = 0; count < before; count += 1) await turn();
              const found = await memory.listEvents(page);
              for (let count = before; count < (turns[reads % turns.length] ?? 0); count += 1) await turn();
              return found;
            },
          };
          const appended: WorkflowEvent[] = [];
          const appendMany = async (count: number): Promise<void> => {
            const events = Array.from({ length: count }, (_, index) => event(workflow(`wf-${(appended.length + index) % 3}`)));
            appended.push(...(await append(memory, events)));
          };
          let watch = watchOf(store, bound);
          const watching = names.map((name) => ({
            name,
            told: [] as number[],
            ...start(watch, { ...optionsOf[name], together }),
          }));
          const begin = (each: (typeof watching)[number]): void => {
            each.stop.abort();
            Object.assign(each, start(watch, { ...optionsOf[each.name], together, afterSequence: each.told.at(-1) ?? 0 }));
          };
          const read = async (each: (typeof watching)[number], count: number): Promise<void> => {
            const open = appended.filter(wanted[each.name]).length - each.told.length;
            each.told.push(...(await sequences(each.messages, Math.min(count, open))));
          };
          for (const each of steps) {
            if (each.type === "append") await appendMany(each.count);
            else if (each.type === "wait") for (let count = 0; count < each.turns; count += 1) await turn();
            else if (each.type === "restart") {
              watch = watchOf(store, bound);
              for (const every of watching) begin(every);
            } else {
              const one = watching[each.watcher];
              if (one && each.type === "read") await read(one, each.count);
              else if (one) begin(one);
            }
          }
          for (const each of watching) {
            await read(each, Infinity);
            expect(each.told).toEqual(appended.filter(wanted[each.name]).map(({ sequence }) => sequence));
          }
          // Nor is anything told twice.
          await appendMany(3);
          for (const each of watching) {
            await read(each, Infinity);
            expect(each.told).toEqual(appended.filter(wanted[each.name]).map(({ sequence }) => sequence));
            each.stop.abort();
          }
        },
      ),
      { numRuns: 150 },
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
    const second = filter("second", ({ workflowId }) => workflowId === "wf-2");
    const { messages, stop } = start(watchOf(racing), { progressIntervalMs: 0, filter: second });
    expect(await messages.next()).toEqual({ done: false, value: { type: "progress", sequence: 0 } });
    expect(await sequences(messages, 1)).toEqual([2]);
    stop.abort();
  });

  test("an append between the last page and the place in memory is told", async () => {
    const { store, manager } = managerOver();
    await manager.create(creation("wf-1"));
    let looks = 0;
    const racing: WorkflowStore = {
      ...store,
      sequences: async () => {
        const found = await store.sequences();
        looks += 1;
        // After the page, which was read to its end.
        if (looks === 2) await manager.create(creation("wf-2"));
        return found;
      },
    };
    const { messages, stop } = start(watchOf(racing));
    expect(await sequences(messages, 2)).toEqual([1, 2]);
    stop.abort();
  });

  test("more than a page of events at once", async () => {
    const { store, manager } = managerOver(undefined, { workflowCountMax: 1_000 });
    for (let index = 0; index < 600; index += 1) await manager.create(creation(`wf-${index}`));
    const { messages, stop } = start(watchOf(store));
    expect(await sequences(messages, 600)).toEqual(upTo(600));
    stop.abort();
  });
});

describe("of many events of which none matches", () => {
  const count = 30_000;

  /** So many events, made when they are read. */
  function storeOf(count: number) {
    const any = event(workflow("wf-1"));
    const reading = { rowsMax: 0 };
    const store: WorkflowStore = {
      ...createMemoryWorkflowStore(),
      sequences: async () => ({ oldest: 1, newest: count }),
      listEvents: async ({ afterSequence, limit }) => {
        const length = Math.max(0, Math.min(limit, count - afterSequence));
        reading.rowsMax = Math.max(reading.rowsMax, length);
        const rows = Array.from({ length }, (_, index) => ({ ...any, sequence: afterSequence + index + 1 }));
        return stretchOf(rows, limit, ({ sequence }) => sequence);
      },
    };
    return { store, reading };
  }

  /** A loop on which each judgement takes so many milliseconds, however fast the machine is. */
  function slowFilters(judgementMs: number) {
    const loop = { nowMs: 0, turnBeganMs: 0, longestMs: 0, turns: 0 };
    const turns = createTurns({
      monotonicMs: () => loop.nowMs,
      nextTurn: (run) =>
        void setImmediate(() => {
          loop.turnBeganMs = loop.nowMs;
          loop.turns += 1;
          run();
        }),
      afterwards: (run) => process.nextTick(run),
    });
    const judged: string[] = [];
    const matchesNothing = (name: string) =>
      filter(name, () => {
        judged.push(name);
        loop.nowMs += judgementMs;
        loop.longestMs = Math.max(loop.longestMs, loop.nowMs - loop.turnBeganMs);
        return false;
      });
    return { turns, loop, judged, matchesNothing };
  }

  test("they are read and judged in slices, and progress tells how far it has come meanwhile", async () => {
    const { turns, loop, matchesNothing } = slowFilters(1);
    const { store, reading } = storeOf(count);
    const { messages, stop } = start(createWatch({ clock: systemClock, store, turns }), {
      filter: matchesNothing("it"),
      progressIntervalMs: 0,
    });
    const progress: number[] = [];
    while (progress.at(-1) !== count) {
      const { value } = await messages.next();
      if (value?.type === "progress") progress.push(value.sequence);
    }
    expect(reading.rowsMax).toBeLessThanOrEqual(stretchRowsMax);
    expect(loop.longestMs).toBeLessThanOrEqual(loopHoldMsMax);
    expect(loop.turns).toBeGreaterThanOrEqual(count / sliceMs - 1);
    // Not once at the end, but all the way.
    expect(progress.length).toBeGreaterThanOrEqual(count);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    stop.abort();
  });

  test("a caller that leaves ends the work before the next event", async () => {
    const { turns, judged, loop, matchesNothing } = slowFilters(1);
    const { messages, stop } = start(createWatch({ clock: systemClock, store: storeOf(count).store, turns }), {
      filter: matchesNothing("it"),
    });
    await messages.next();
    const next = messages.next().catch((error: unknown) => error);
    while (loop.turns < 10) await turn();
    const before = judged.length;
    expect(before).toBeGreaterThan(0);
    const left = new Error("left");
    stop.abort(left);
    expect(await next).toBe(left);
    expect(judged.length).toBe(before);
    expect(judged.length).toBeLessThan(count);
  });

  test("who has caught up, or comes with nothing to catch up with, does not wait for them", async () => {
    const noTurns: Turns = () => () => new Promise(() => {});
    const store = createMemoryWorkflowStore();
    const looked = 2 * stretchRowsMax;
    await append(store, Array(looked).fill(event(workflow("wf-1"))));
    const watch = createWatch({ clock: systemClock, store, turns: noTurns, liveTurns: neverPausing });
    const behind = start(watch, { filter: nothing, progressIntervalMs: 0 });
    await progressTo(behind.messages, stretchRowsMax);
    // Told again, for it is due.
    await progressTo(behind.messages, stretchRowsMax);
    let isTold = false;
    void behind.messages.next().then(() => {
      isTold = true;
    });
    const live = start(watch, { afterSequence: looked });
    await progressTo(live.messages, looked);
    const told = sequences(live.messages, 2);
    await append(store, [event(workflow("wf-2"))]);
    await turn();
    await append(store, [event(workflow("wf-2"))]);
    expect(await told).toEqual([looked + 1, looked + 2]);
    expect(isTold).toBe(false);
    live.stop.abort();
    behind.stop.abort();
  });

  test("watches that catch up take turns", async () => {
    const { turns, judged, matchesNothing } = slowFilters(sliceMs);
    const names = ["a", "b", "c", "d"];
    const { store } = storeOf(100);
    const watch = createWatch({ clock: systemClock, store, turns });
    const watches = names.map((name) => start(watch, { filter: matchesNothing(name), progressIntervalMs: 0 }));
    await Promise.all(watches.map(({ messages }) => progressTo(messages, 100)));
    for (const { stop } of watches) stop.abort();
    for (let sum = 1; sum <= judged.length; sum += 1) {
      const shares = names.map((name) => judged.slice(0, sum).filter((each) => each === name).length);
      // A look at the store is a step, too.
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(2);
    }
  });
});

test("what there is now is told together, from the store and from memory, and never more than a message may have", async () => {
  const store = createMemoryWorkflowStore();
  await append(
    store,
    Array.from({ length: 5 }, () => event(workflow("wf-1"))),
  );
  const { messages, stop } = start(watchOf(store), { together: { bytesMax: 2, bytesOf: () => 1 } });
  const told = async () => {
    const { value } = await messages.next();
    return value?.type === "events" ? value.events.map(({ sequence }) => sequence) : value?.type;
  };
  expect(await told()).toBe("progress");
  expect([await told(), await told()]).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  const next = told();
  await turn();
  await append(
    store,
    Array.from({ length: 4 }, () => event(workflow("wf-1"))),
  );
  expect([await next, await told()]).toEqual([[6, 7, 8], [9]]);
  stop.abort();
});

test("while nothing matches, progress tells how far it has come", async () => {
  const { store, manager } = managerOver();
  await manager.create(creation("wf-1"));
  const { messages, stop } = start(watchOf(store), { filter: nothing, progressIntervalMs: 0 });
  await progressTo(messages, 0);
  await progressTo(messages, 1);
  await manager.create(creation("wf-2"));
  await progressTo(messages, 2);
  stop.abort();
});

const neverPausing: Turns = (ending) => () => {
  ending?.throwIfAborted();
  return undefined;
};

// Whoever is told of an event knows how far it has come.
test("progress is due an interval after whatever was told last", async () => {
  const clock = fakeClock(0);
  const store = createMemoryWorkflowStore();
  const watch = createWatch({ clock: { ...systemClock, ...clock, monotonicMs: clock.nowMs }, store, turns: neverPausing });
  const { messages, stop } = start(watch, { progressIntervalMs: 1_000 });
  const told: string[] = [];
  const reading = (async () => {
    for await (const { type } of messages) told.push(`${type} at ${clock.nowMs()}`);
  })().catch(() => {});
  await settled();
  await clock.pass(600);
  await append(store, [event(workflow("wf-1"))]);
  await settled();
  await clock.pass(2_400);
  expect(told).toEqual(["progress at 0", "events at 600", "progress at 1600", "progress at 2600"]);
  stop.abort();
  await reading;
  expect(clock.waiting()).toEqual([]);
});

describe("what it has read, and tells of no more, it lets go at once", () => {
  /** What it waits for when it has told all that it has. */
  async function waitingAfter(
    options: Partial<WatchOptions>,
    change: (store: WorkflowStore) => WorkflowStore = (store) => store,
  ) {
    const clock = fakeClock(0);
    const store = createMemoryWorkflowStore();
    await append(
      store,
      ["wf-1", "wf-2"].map((id) => event(workflow(id), { id })),
    );
    const watch = createWatch({
      clock: { ...systemClock, ...clock, monotonicMs: clock.nowMs },
      store: change(store),
      turns: neverPausing,
    });
    const { messages, stop } = start(watch, { progressIntervalMs: 10 * heldStretchMs, ...options });
    const told: string[] = [];
    const reading = (async () => {
      for await (const { type } of messages) told.push(type);
    })().catch(() => {});
    await settled();
    expect(clock.waiting()).toContain(heldStretchMs);
    // What is held still when somebody looks is looked at again.
    await clock.pass(heldStretchMs);
    const waiting = clock.waiting();
    stop.abort();
    await reading;
    return { told, waiting };
  }

  test("when it has caught up", async () => {
    const { told, waiting } = await waitingAfter({});
    expect(told).toEqual(["progress", "events", "events"]);
    expect(waiting).toEqual([9 * heldStretchMs]);
  });

  test("when what comes next was purged meanwhile", async () => {
    let looks = 0;
    const { told, waiting } = await waitingAfter({}, (store) => ({
      ...store,
      sequences: async () => ({ ...(await store.sequences()), oldest: ++looks === 1 ? 1 : 2 }),
    }));
    expect(told).toEqual(["progress", "purged"]);
    expect(waiting).toEqual([]);
  });
});

test("a watch of one workflow does not read what others have", async () => {
  const memory = createMemoryWorkflowStore();
  await append(
    memory,
    upTo(100).map((index) => event(workflow(`other-${index}`))),
  );
  let rows = 0;
  const store: WorkflowStore = {
    ...memory,
    listEvents: async (page) => {
      const found = await memory.listEvents(page);
      rows += found.rows.length;
      return found;
    },
  };
  const { messages, stop } = start(watchOf(store), { workflowId: "wf-1" as WorkflowId, progressIntervalMs: 0 });
  await progressTo(messages, 100);
  await append(memory, [event(workflow("wf-1"))]);
  expect(await sequences(messages, 1)).toEqual([101]);
  expect(rows).toBe(1);
  stop.abort();
});

test("what a filter says of fields that the store knows is not read, nor judged", async () => {
  const memory = createMemoryWorkflowStore();
  const of = (type: "CREATED" | "FAILED") => event(workflow("wf-1"), { type });
  await append(memory, [...upTo(50).map(() => of("CREATED")), of("FAILED")]);
  let rows = 0;
  const store: WorkflowStore = {
    ...memory,
    listEvents: async (page) => {
      const found = await memory.listEvents(page);
      if (page.ranges?.type) rows += found.rows.length;
      return found;
    },
  };
  const judged: number[] = [];
  const matches = ({ sequence, type }: WorkflowEvent): boolean => {
    judged.push(sequence);
    return type === "FAILED";
  };
  const failed = filter("failed", matches, { type: { oneOf: ["FAILED"] } });
  const { messages, stop } = start(watchOf(store), { filter: failed });
  expect(await sequences(messages, 1)).toEqual([51]);
  expect([rows, judged]).toEqual([1, [51]]);
  const next = sequences(messages, 1);
  await append(memory, [of("CREATED"), of("FAILED"), of("CREATED")]);
  expect(await next).toEqual([53]);
  expect(judged).toEqual([51, 53]);
  stop.abort();
});

test("it begins with progress, at the place that was asked for", async () => {
  const { store, manager } = managerOver();
  for (const id of ["wf-1", "wf-2"]) await manager.create(creation(id));
  const { messages, stop } = start(watchOf(store), { afterSequence: 1 });
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
  const watch = watchOf(counting);
  const watches = [start(watch), start(watch, { filter: nothing }), start(watch, { workflowId: "wf-1" as WorkflowId })];
  const waiting = watches.map(async ({ messages }) => {
    await messages.next();
    return messages.next().catch((error: unknown) => error);
  });
  while (listeners.size === 0) await turn();
  expect(listeners.size).toBe(1);
  const left = new Error("left");
  for (const { stop } of watches) stop.abort(left);
  expect(await Promise.all(waiting)).toEqual([left, left, left]);
  expect(listeners.size).toBe(0);
});

describe("what it has to tell is not kept any more", () => {
  /** A store that drops what is old. */
  function purging() {
    const { store, manager } = managerOver();
    let oldest = 1;
    const purged: WorkflowStore = {
      ...store,
      sequences: async () => ({ ...(await store.sequences()), oldest }),
      listEvents: async (page) => {
        const { rows, ...rest } = await store.listEvents(page);
        return { ...rest, rows: rows.filter(({ sequence }) => sequence >= oldest) };
      },
    };
    const purgeBefore = (sequence: number): void => {
      oldest = sequence;
    };
    return { store: purged, manager, purgeBefore };
  }

  test("before it begins", async () => {
    const { store, manager, purgeBefore } = purging();
    for (const id of ["wf-1", "wf-2", "wf-3"]) await manager.create(creation(id));
    purgeBefore(3);
    const { messages } = start(watchOf(store), { afterSequence: 1 });
    await messages.next();
    expect((await messages.next()).value).toEqual({ type: "purged", oldest: 3 });
    expect((await messages.next()).done).toBe(true);
  });

  // Its client would take event 3 for the next one, and never hear that it lacks another.
  test("from between the look at what there is and the read of its page on", async () => {
    const { store, manager, purgeBefore } = purging();
    for (const id of ["wf-1", "wf-2", "wf-3"]) await manager.create(creation(id));
    const purgedBeforeRead: WorkflowStore = {
      ...store,
      listEvents: async (page) => {
        purgeBefore(3);
        return store.listEvents(page);
      },
    };
    const { messages, stop } = start(watchOf(purgedBeforeRead), { afterSequence: 1 });
    await messages.next();
    expect((await messages.next()).value).toEqual({ type: "purged", oldest: 3 });
    stop.abort();
  });

  test("before its slow client has read on", async () => {
    const { store, manager, purgeBefore } = purging();
    const { messages } = start(watchOf(store, { countMax: 1, bytesMax: 10_000 }));
    await manager.create(creation("wf-1"));
    expect(await sequences(messages, 1)).toEqual([1]);
    for (const id of ["wf-2", "wf-3", "wf-4"]) await manager.create(creation(id));
    for (let turns = 0; turns < 5; turns += 1) await turn();
    purgeBefore(4);
    expect((await messages.next()).value).toEqual({ type: "purged", oldest: 4 });
  });

  test("before it is read for all", async () => {
    const { store, manager, purgeBefore } = purging();
    const { messages } = start(watchOf(store));
    await manager.create(creation("wf-1"));
    expect(await sequences(messages, 1)).toEqual([1]);
    const next = messages.next();
    await turn();
    purgeBefore(4);
    for (const id of ["wf-2", "wf-3", "wf-4"]) await manager.create(creation(id));
    expect((await next).value).toEqual({ type: "purged", oldest: 4 });
  });
});

test.each(["while it catches up", "while it waits"])("a store that cannot be read ends it: %s", async (when) => {
  const { store, manager } = managerOver();
  const gone = new StorageUnavailableError("the store is gone");
  let isGone = when === "while it catches up";
  const failing: WorkflowStore = {
    ...store,
    listEvents: async (page) => {
      if (isGone) throw gone;
      return store.listEvents(page);
    },
  };
  const watch = watchOf(failing);
  const { messages } = start(watch);
  await messages.next();
  const next = messages.next().catch((error: unknown) => error);
  await turn();
  await turn();
  isGone = true;
  await manager.create(creation("wf-1"));
  expect(await next).toBe(gone);
  // It is not remembered.
  isGone = false;
  const again = start(watch);
  expect(await sequences(again.messages, 1)).toEqual([1]);
  await manager.create(creation("wf-2"));
  expect(await sequences(again.messages, 1)).toEqual([2]);
  again.stop.abort();
});
