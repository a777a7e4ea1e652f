import { expect, test } from "vitest";
import { stretchRowsMax } from "../../../src/kernel/limits.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { historyOf } from "../../../src/workflow/export.ts";
import { pausing } from "../../support/pausing.ts";
import { creation, event, put, workflow, workflowId } from "../../support/storage-values.ts";

/** A workflow with so many events, beside another one. */
async function storeWith(versions: number) {
  const store = createMemoryWorkflowStore();
  await store.apply(creation("w"));
  await store.apply(creation("other"));
  let current = workflow("w");
  for (let version = 2; version <= versions; version += 1) {
    const changed = put(current, { state: version % 2 === 0 ? "ACTIVE" : "PAUSED" });
    await store.apply({ puts: [changed], events: [event(changed.workflow)] });
    current = changed.workflow;
  }
  return { store, current };
}

async function partsOf({ store, current }: Awaited<ReturnType<typeof storeWith>>, version = current.version) {
  const parts: { readonly versions: readonly number[]; readonly isLast: boolean }[] = [];
  for await (const { events, isLast } of historyOf(store, { ...current, version }, pausing()())) {
    expect(events.every((each) => each.workflowId === workflowId("w"))).toBe(true);
    parts.push({ versions: events.map((each) => each.version), isLast });
  }
  return parts;
}

const upTo = (version: number, from = 1) => Array.from({ length: version - from + 1 }, (_, index) => from + index);

test("an export has all events of the workflow as it was read, and ends with the last of them", async () => {
  expect(await partsOf(await storeWith(3))).toEqual([{ versions: [1, 2, 3], isLast: true }]);
  expect(await partsOf(await storeWith(1))).toEqual([{ versions: [1], isLast: true }]);
});

test("what has happened to it since is left out", async () => {
  expect(await partsOf(await storeWith(4), 2)).toEqual([{ versions: [1, 2], isLast: true }]);
});

test("a long history comes in parts; the last one says so, though the store has not said that nothing follows", async () => {
  const world = await storeWith(2 * stretchRowsMax);
  expect(await partsOf(world)).toEqual([
    { versions: upTo(stretchRowsMax), isLast: false },
    { versions: upTo(2 * stretchRowsMax, stretchRowsMax + 1), isLast: true },
  ]);
  expect(await partsOf(world, stretchRowsMax)).toEqual([{ versions: upTo(stretchRowsMax), isLast: true }]);
  expect(await partsOf(world, stretchRowsMax + 1)).toEqual([
    { versions: upTo(stretchRowsMax), isLast: false },
    { versions: [stretchRowsMax + 1], isLast: true },
  ]);
});

test("of one that is purged meanwhile there is a last part, which is empty", async () => {
  const { current } = await storeWith(3);
  expect(await partsOf({ store: createMemoryWorkflowStore(), current })).toEqual([{ versions: [], isLast: true }]);
});
