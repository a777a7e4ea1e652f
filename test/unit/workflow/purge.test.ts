import { describe, expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { keptBecause, type PurgeFacts, purgeBounds, slicesOf } from "../../../src/workflow/core/purge.ts";
import { historyOf } from "../../../src/workflow/export.ts";
import type { WorkflowStore } from "../../../src/workflow/ports.ts";
import { createPurges } from "../../../src/workflow/purge.ts";
import { pausing } from "../../support/pausing.ts";
import { answering, creation, event, put, workflow, workflowId } from "../../support/storage-values.ts";
import { managerOver, moveTo } from "../../support/workflow-manager.ts";

const id = "w" as WorkflowId;
const facts: PurgeFacts = { id, version: 3, state: "COMPLETED", stateEnteredAtMs: 10, isAnswered: false, newestSequence: 7 };
const bounds = { endedByMs: 10, beforeSequence: 8 };

// specs/WorkflowManager.tla: Purge
describe("a workflow may be purged", () => {
  test("if it has ended by then, is as it was seen, and nobody needs anything of it", () => {
    expect(keptBecause({ id, version: 3 }, facts, bounds)).toBeUndefined();
    expect(keptBecause({ id, version: 3 }, { ...facts, state: "CANCELLED" }, bounds)).toBeUndefined();
  });

  test.each([
    { because: "not-found", now: undefined },
    { because: "not-terminal", now: { state: "FAILED" } },
    { because: "not-terminal", now: { state: "PAUSED" } },
    { because: "changed", now: { version: 4 } },
    { because: "too-young", now: { stateEnteredAtMs: 11 } },
    { because: "answered", now: { isAnswered: true } },
    { because: "undelivered", now: { newestSequence: 8 } },
  ] as const)("otherwise it is kept: $because", ({ because, now }) => {
    expect(keptBecause({ id, version: 3 }, now && { ...facts, ...now }, bounds)).toBe(because);
  });
});

test("a write purges so many workflows and events at most; one with more events is alone in it", () => {
  const { workflowCountMax, eventCountMax } = purgeBounds;
  expect(purgeBounds).toEqual({ workflowCountMax: 100, eventCountMax: 500 });
  const seen = (...versions: readonly number[]) => versions.map((version) => ({ id, version }));
  const sizes = (...versions: readonly number[]) => slicesOf(seen(...versions)).map(({ length }) => length);
  expect(sizes()).toEqual([]);
  expect(sizes(...Array.from({ length: 2 * workflowCountMax + 1 }, () => 1))).toEqual([workflowCountMax, workflowCountMax, 1]);
  expect(sizes(eventCountMax - 1, 1, 1)).toEqual([2, 1]);
  expect(sizes(eventCountMax, 1, 1)).toEqual([1, 2]);
  expect(sizes(1, 10 * eventCountMax, 1)).toEqual([1, 1, 1]);
});

describe("purging", () => {
  const terms = { endedByMs: 10_000, withUndelivered: false, freeIds: false };

  function world(oldestNeeded?: number) {
    const memory = createMemoryWorkflowStore();
    const writes: number[] = [];
    const store: WorkflowStore = {
      ...memory,
      purgeWorkflows: async (purge) => {
        const purged = await memory.purgeWorkflows(purge);
        writes.push(purged.ok ? purged.value.events : -1);
        return purged;
      },
    };
    const behind = (sequence: number) => (sequence >= (oldestNeeded ?? Number.POSITIVE_INFINITY) ? ["bus"] : []);
    const undelivered = { oldestNeeded: async () => oldestNeeded, behind };
    return { store, writes, purges: createPurges({ store, undelivered, turns: pausing(), nowMs: () => 1_000 }) };
  }

  /** With as many events as its version says. */
  async function ended(store: WorkflowStore, name: string, version = 2) {
    let current = workflow(name);
    await store.apply(creation(name));
    for (let next = 2; next <= version; next += 1) {
      const moved = put(current, { state: next === version ? "COMPLETED" : "ACTIVE", stateEnteredAtMs: next });
      await store.apply({ puts: [moved], events: [event(moved.workflow)] });
      current = moved.workflow;
    }
    return { id: workflowId(name), version };
  }

  test("of a workflow with very many events, each write takes as many as it may", async () => {
    const { store, writes, purges } = world();
    const long = await ended(store, "long", 2 * purgeBounds.eventCountMax + 3);
    expect(await purges.purge([long], terms)).toMatchObject({ ok: true, value: { purged: ["long"], events: long.version } });
    expect(writes).toEqual([purgeBounds.eventCountMax, purgeBounds.eventCountMax, 3]);
    expect(await store.sequences()).toEqual({ oldest: long.version + 1, newest: long.version });
  });

  test("what somebody has still to be told of stays, unless it is to go", async () => {
    const { store, purges } = world(3);
    const seen = [await ended(store, "told"), await ended(store, "untold")];
    expect(await purges.purge(seen, terms)).toMatchObject({
      value: { purged: ["told"], kept: [{ workflow: { id: "untold" }, because: "undelivered" }], behind: [] },
    });
    expect(await purges.look(seen.slice(1), { ...terms, withUndelivered: true })).toMatchObject({ behind: ["bus"] });
    expect(await purges.purge(seen.slice(1), { ...terms, withUndelivered: true })).toMatchObject({
      value: { purged: ["untold"], behind: ["bus"] },
    });
  });

  describe("what a sink needs that is reset meanwhile stays", () => {
    /** A sink is reset, to publish everything again, as soon as a workflow was looked at or written so often. */
    async function resetAfter(when: { readonly looks?: number; readonly writes?: number }, ...versions: readonly number[]) {
      const { store, writes } = world();
      const seen = await Promise.all(versions.map((version, index) => ended(store, `w-${index}`, version)));
      const { oldest } = await store.sequences();
      let looks = 0;
      const looking: WorkflowStore = {
        ...store,
        purgeFacts: (workflow) => {
          looks += 1;
          return store.purgeFacts(workflow);
        },
      };
      const isReset = () =>
        looks >= (when.looks ?? Number.POSITIVE_INFINITY) || writes.length >= (when.writes ?? Number.POSITIVE_INFINITY);
      const undelivered = { oldestNeeded: async () => (isReset() ? oldest : undefined), behind: () => [] };
      const its = createPurges({ store: looking, undelivered, turns: pausing(), nowMs: () => 1 });
      return { purged: await its.purge(seen, terms), writes, store };
    }

    test("after the look: nothing is purged", async () => {
      const { purged, store } = await resetAfter({ looks: 2 }, 2, 3);
      const because = "changed";
      expect(purged).toMatchObject({ value: { purged: [], events: 0, kept: [{ because }, { because }] } });
      expect(await store.sequences()).toEqual({ oldest: 1, newest: 5 });
    });

    test("between two writes: what is purged by then is gone, and nothing more", async () => {
      const { eventCountMax } = purgeBounds;
      const { purged } = await resetAfter({ writes: 1 }, eventCountMax, eventCountMax);
      expect(purged).toMatchObject({ value: { purged: ["w-0"], events: eventCountMax, kept: [{ workflow: { id: "w-1" } }] } });
    });

    test("between two writes of one workflow with very many events, too", async () => {
      const { eventCountMax } = purgeBounds;
      const { purged, writes } = await resetAfter({ writes: 1 }, 3 * eventCountMax);
      expect(purged).toMatchObject({ value: { purged: [], events: eventCountMax, kept: [{ workflow: { id: "w-0" } }] } });
      expect(writes).toEqual([eventCountMax, 0]);
    });
  });

  test("what is changed between the look and the write is not purged", async () => {
    const { store, purges } = world();
    const seen = await ended(store, "w");
    const racing: WorkflowStore = {
      ...store,
      purgeFacts: async (workflow) => {
        const found = await store.purgeFacts(workflow);
        await store.purgeWorkflows({ workflows: [seen], beforeSequence: 9, eventCountMax: 9, freeIds: true, atMs: 1 });
        await store.apply(creation("w"));
        return found;
      },
    };
    const its = createPurges({
      store: racing,
      undelivered: { oldestNeeded: async () => undefined, behind: () => [] },
      turns: pausing(),
      nowMs: () => 1,
    });
    expect(await its.purge([seen], terms)).toMatchObject({ value: { purged: [], events: 0, kept: [{ because: "changed" }] } });
    expect(await purges.look([seen], terms)).toMatchObject({ purgeable: [], kept: [{ because: "not-terminal" }] });
  });

  test("whoever leaves ends it between two writes", async () => {
    const { store, writes, purges } = world();
    const { eventCountMax } = purgeBounds;
    const seen = [await ended(store, "a", eventCountMax), await ended(store, "b", eventCountMax)];
    const left = new AbortController();
    const leaving: WorkflowStore = {
      ...store,
      purgeWorkflows: (purge) => {
        left.abort(new Error("left"));
        return store.purgeWorkflows(purge);
      },
    };
    const undelivered = { oldestNeeded: async () => undefined, behind: () => [] };
    const its = createPurges({ store: leaving, undelivered, turns: pausing(), nowMs: () => 1 });
    expect(await its.purge(seen, terms, left.signal)).toMatchObject({ value: { purged: ["a"], kept: [] } });
    expect(writes).toEqual([eventCountMax]);
    await expect(purges.purge(seen, terms, left.signal)).rejects.toThrow("left");
  });

  test("who moves a workflow that is gone hears when it was purged, and of one that never was that there is none", async () => {
    const { store, purges } = world();
    await purges.purge([await ended(store, "w")], terms);
    const { manager } = managerOver(store);
    const move = (id: string) => manager.move({ ...moveTo("ACTIVE"), workflowId: workflowId(id) });
    expect(await move("w")).toEqual(err({ type: "workflow-purged", workflowId: "w", purgedAtMs: 1_000 }));
    expect(await move("x")).toEqual(err({ type: "workflow-not-found", workflowId: "x" }));
  });

  test("a store that cannot be written says so", async () => {
    const { store, purges } = world();
    const seen = await ended(store, "w");
    await store.close();
    expect(await purges.purge([seen], terms)).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
  });

  test("a workflow with a remembered answer stays until that is forgotten", async () => {
    const { store, purges } = world();
    const created = workflow("w", { state: "COMPLETED", stateEnteredAtMs: 1 });
    const answers = answering("r", "d", 5);
    await store.apply({ puts: [{ workflow: created, expected: "absent" }], events: [event(created)], ...answers });
    const seen = [{ id: created.id, version: 1 }];
    expect(await purges.purge(seen, terms)).toMatchObject({ value: { purged: [], kept: [{ because: "answered" }] } });
    await store.purge({ olderThanMs: 6, limit: 9 });
    expect(await purges.purge(seen, terms)).toMatchObject({ value: { purged: ["w"] } });
  });

  test("an exported history is that of the workflow as it was read, though it has moved on", async () => {
    const { store } = world();
    await ended(store, "w", 300);
    const history = async (version: number): Promise<readonly (readonly number[])[]> => {
      const parts: number[][] = [];
      for await (const { events, isLast } of historyOf(store, workflow("w", { version }), pausing()())) {
        parts.push(events.map((each) => each.version));
        if (isLast) return parts;
      }
      throw new Error("there is a last part");
    };
    const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    for (const version of [1, 128, 129, 299, 300]) expect((await history(version)).flat()).toEqual(upTo(version));
    expect(await history(128)).toHaveLength(1);
    await store.purgeWorkflows({
      workflows: [{ id: workflowId("w"), version: 300 }],
      beforeSequence: 999,
      eventCountMax: 999,
      freeIds: false,
      atMs: 1,
    });
    expect(await history(300)).toEqual([[]]);
  });
});
