import { expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { sliceMs, stretchRowsMax } from "../../../src/kernel/limits.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import type { WorkflowEvent } from "../../../src/workflow/core/types.ts";
import { createFanOut } from "../../../src/workflow/fan-out.ts";
import type { Place } from "../../../src/workflow/feed.ts";
import type { EventRanges, WorkflowStore } from "../../../src/workflow/ports.ts";
import { pausing } from "../../support/pausing.ts";
import { event, workflow } from "../../support/storage-values.ts";

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Long after whatever there is to do is done. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn();
}

function world(bounds = { countMax: 100, bytesMax: 1_000_000 }, turns = pausing()) {
  const memory = createMemoryWorkflowStore();
  const reads: number[] = [];
  const purged = new Set<number>();
  /** What a read waits for before it answers. */
  const held: { until?: Promise<void> } = {};
  const store: WorkflowStore = {
    ...memory,
    listEvents: async (page) => {
      const found = await memory.listEvents(page);
      await held.until;
      reads.push(found.rows.length);
      return { ...found, rows: found.rows.filter(({ sequence }) => !purged.has(sequence)) };
    },
  };
  const { follow } = createFanOut({ clock: systemClock, store, turns, bounds });
  return {
    reads,
    purged,
    held,
    follow: (
      workflowId?: string,
      filter?: { text: string; matches: (event: WorkflowEvent) => boolean | Promise<boolean>; known?: EventRanges },
      after = 0,
    ) => {
      const woken = { times: 0 };
      const wake = (): void => {
        woken.times += 1;
      };
      const place = follow(
        after,
        { workflowId: workflowId as WorkflowId | undefined, filter: filter && { known: {}, ...filter } },
        wake,
      );
      if (place === undefined) throw new Error("it is not in memory");
      return { place, woken };
    },
    tryFollow: (after: number) => follow(after, { workflowId: undefined, filter: undefined }, () => {}),
    append: (...ids: string[]) => memory.apply({ puts: [], events: ids.map((id) => event(workflow(id))) }),
  };
}

/** The sequences of what is in memory for it. */
function told(place: Place): readonly (number | "behind")[] {
  const found: (number | "behind")[] = [];
  for (;;) {
    const next = place.next();
    if (next === undefined) return found;
    found.push(next === "behind" ? next : next.sequence);
    if (next === "behind") return found;
  }
}

test("a flush is read once for all, and wakes only those that want one of its events", async () => {
  const { follow, append, reads } = world();
  const others = Array.from({ length: 100 }, (_, index) => follow(`other-${index}`));
  const ones = Array.from({ length: 10 }, () => follow("wf-1"));
  const alls = Array.from({ length: 10 }, () => follow());
  await settled();
  for (const { place } of [...others, ...ones, ...alls]) expect(told(place)).toEqual([]);
  reads.length = 0;
  await append("wf-1", "wf-2", "wf-1");
  await settled();
  expect(reads).toEqual([3]);
  expect(others.map(({ woken }) => woken.times)).toEqual(others.map(() => 0));
  expect(ones.every(({ woken }) => woken.times === 1)).toBe(true);
  for (const { place } of ones) expect(told(place)).toEqual([1, 3]);
  for (const { place } of alls) expect(told(place)).toEqual([1, 2, 3]);
  for (const { place } of others) {
    expect(told(place)).toEqual([]);
    // It has come as far as the others, though it was not woken.
    expect(place.cursor).toBe(3);
  }
});

// Until the next one is appended, which may be never, a client would wait for what has long happened.
test("events that come at once are told at once, though they are more than one read of the store has", async () => {
  const { follow, append, reads } = world({ countMax: 1_000, bytesMax: 1_000_000 });
  const count = 2 * stretchRowsMax + 1;
  const { place } = follow("wf-1");
  await settled();
  reads.length = 0;
  await append(...Array.from({ length: count }, () => "wf-1"));
  await settled();
  expect(reads).toEqual([stretchRowsMax, stretchRowsMax, 1]);
  expect(told(place)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
});

test("an event that is appended while those before it are being read is told, too", async () => {
  const { follow, append, held } = world();
  const { place } = follow();
  await settled();
  const gate = Promise.withResolvers<void>();
  held.until = gate.promise;
  await append("wf-1");
  await settled();
  await append("wf-2");
  await settled();
  delete held.until;
  gate.resolve();
  await settled();
  expect(told(place)).toEqual([1, 2]);
});

test("an event is judged once for all that have the same filter", async () => {
  const { follow, append } = world();
  let judged = 0;
  const filter = () => ({
    text: "the second",
    matches: ({ sequence }: WorkflowEvent) => {
      judged += 1;
      return sequence === 2;
    },
  });
  const watches = Array.from({ length: 100 }, () => follow(undefined, filter()));
  await settled();
  for (const { place } of watches) expect(told(place)).toEqual([]);
  await append("wf-1", "wf-2", "wf-3");
  await settled();
  expect(judged).toBe(3);
  for (const { place, woken } of watches) {
    expect(woken.times).toBe(1);
    expect(told(place)).toEqual([2]);
    expect(place.cursor).toBe(3);
  }
});

test("an expensive filter delays nobody who has another one, and what it has not judged it has not told", async () => {
  let nowMs = 0;
  const turns = createTurns({
    monotonicMs: () => nowMs,
    nextTurn: (run) => void setImmediate(run),
    afterwards: (run) => process.nextTick(run),
  });
  const { follow, append } = world(undefined, turns);
  let judged = 0;
  const expensive = follow(undefined, {
    text: "expensive",
    matches: () => {
      judged += 1;
      nowMs += sliceMs;
      return true;
    },
  });
  const cheap = follow();
  await append(...Array.from({ length: 50 }, () => "wf-1"));
  while (cheap.woken.times === 0 && told(cheap.place).length === 0) await turn();
  expect(judged).toBeLessThan(50);
  const soFar = told(expensive.place);
  expect(soFar.length).toBe(judged);
  expect(expensive.place.cursor).toBe(judged);
  await settled();
  while (judged < 50) await turn();
  expect([...soFar, ...told(expensive.place)]).toHaveLength(50);
});

test.each([
  { what: "too many events", bounds: { countMax: 10, bytesMax: 1_000_000 } },
  { what: "too many bytes", bounds: { countMax: 1_000, bytesMax: 10 * 600 } },
])("whoever is too slow for what is in memory is told so, and how far it has come: $what", async ({ bounds }) => {
  const { follow, append, tryFollow } = world(bounds);
  const slow = follow();
  const slowWithFilter = follow(undefined, { text: "all", matches: () => true });
  const rare = follow(undefined, { text: "the first", matches: ({ sequence }) => sequence === 1 });
  const other = follow("wf-2");
  for (let count = 0; count < 4; count += 1) await append(..."wf-1 ".repeat(8).trim().split(" "));
  await settled();
  for (const { place } of [slow, slowWithFilter, rare]) {
    expect(told(place)).toEqual(["behind"]);
    expect(place.cursor).toBe(0);
    place.leave();
  }
  expect(told(other.place)).toEqual([]);
  expect(other.place.cursor).toBe(32);
  // It comes back when it has read the store.
  expect(tryFollow(0)).toBeUndefined();
  const place = tryFollow(31);
  expect(place && told(place)).toEqual([32]);
});

test.each([
  { what: "each one", filter: undefined },
  { what: "those that a filter takes its time for", filter: { text: "all", matches: async () => true } },
])("as many events as are kept are told, $what; with one more, whoever has read none is behind", async ({ filter }) => {
  for (const [count, expected] of [
    [10, Array.from({ length: 10 }, (_, index) => index + 1)],
    [11, ["behind"]],
  ] as const) {
    const { follow, append } = world({ countMax: 10, bytesMax: 1_000_000 });
    const { place } = follow(undefined, filter);
    await settled();
    await append(...Array.from({ length: count }, () => "wf-1"));
    await settled();
    expect(told(place)).toEqual(expected);
  }
});

test("what a filter finds out later that it does not want is not told", async () => {
  const { follow, append } = world();
  const { place } = follow(undefined, { text: "the second", matches: async ({ sequence }) => sequence === 2 });
  await settled();
  await append("wf-1", "wf-2", "wf-3");
  await settled();
  expect(told(place)).toEqual([2]);
});

// It would never be told of what lies between.
test("whoever begins among events that left the memory before they were judged is sent to the store", async () => {
  const { follow, append } = world({ countMax: 100, bytesMax: 5 * 600 });
  const judged = Promise.withResolvers<boolean>();
  const filter = { text: "all", matches: ({ sequence }: WorkflowEvent) => (sequence === 1 ? judged.promise : true) };
  follow(undefined, filter);
  await settled();
  await append("wf-1");
  await settled();
  await append(..."wf-1 ".repeat(11).trim().split(" "));
  await settled();
  judged.resolve(true);
  await settled();
  const { place } = follow(undefined, filter, 10);
  expect(told(place)).toEqual(["behind"]);
  expect(place.cursor).toBe(10);
});

// Its client would wait for ever for an event that it wants.
test("what comes after too many have come, while one is judged, is judged and told all the same", async () => {
  const { follow, append } = world({ countMax: 2, bytesMax: 1_000_000 });
  const judged = Promise.withResolvers<boolean>();
  const filter = { text: "all", matches: ({ sequence }: WorkflowEvent) => (sequence === 1 ? judged.promise : true) };
  const slow = follow(undefined, filter);
  await settled();
  await append("wf-1");
  await settled();
  await append("wf-1", "wf-1");
  await settled();
  await append("wf-1");
  await settled();
  const { place } = follow(undefined, filter, 3);
  judged.resolve(true);
  await settled();
  expect(told(place)).toEqual([4]);
  expect(told(slow.place)).toEqual(["behind"]);
});

test("nobody reads while nobody follows", async () => {
  const { follow, append, reads } = world();
  const { place } = follow();
  await settled();
  place.leave();
  reads.length = 0;
  await append("wf-1");
  await settled();
  expect(reads).toEqual([]);
  const later = follow(undefined, undefined, 1);
  await append("wf-2");
  await settled();
  expect(told(later.place)).toEqual([2]);
});

// It would be told of what it has read already, or its watch would end with an error that is none.
test("what was read for those that have left is not told to whoever follows since then from further on", async () => {
  const { follow, append, held } = world();
  const first = follow();
  await settled();
  const gate = Promise.withResolvers<void>();
  held.until = gate.promise;
  await append("wf-1", "wf-2", "wf-3");
  await settled();
  first.place.leave();
  const second = follow(undefined, undefined, 3);
  delete held.until;
  gate.resolve();
  await settled();
  expect(told(second.place)).toEqual([]);
  await append("wf-4");
  await settled();
  expect(told(second.place)).toEqual([4]);
});

test("whoever has not been told of what was purged, in the middle of what is read for all, is sent to the store", async () => {
  const { follow, append, purged } = world();
  const { place } = follow();
  await settled();
  purged.add(2);
  purged.add(4);
  await append("wf-1", "wf-2", "wf-3", "wf-4", "wf-5");
  await settled();
  expect(told(place)).toEqual(["behind"]);
  expect(place.cursor).toBe(0);
  const later = follow(undefined, undefined, 4);
  expect(told(later.place)).toEqual([5]);
});
