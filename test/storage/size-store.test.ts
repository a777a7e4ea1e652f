import { join } from "node:path";
import { expect, test } from "vitest";
import type { WorkflowId } from "../../src/kernel/ids.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { idOf, isMovable, makeStore } from "../bench/size-store.ts";
import { storageDir } from "../support/storage-dir.ts";
import { creation, event, put } from "../support/storage-values.ts";

test("a store that the benchmark has made is as if the program had written it: it counts, lists, and is written on", async () => {
  const path = join(storageDir(), "workflow.sqlite");
  const size = 200;
  await makeStore(path, size);
  const opened = await openSqliteWorkflowStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  const { newest } = await store.sequences();
  const { workflows, events } = await store.counts();
  expect({ workflows, events }).toEqual({ workflows: size, events: newest });
  const index = Array.from({ length: size }, (_, at) => at).find(isMovable) as number;
  const before = await store.getWithLastEvent(idOf(index) as WorkflowId);
  if (before === undefined) throw new Error("it is there");
  expect(before.workflow.state).toBe(before.lastEvent?.toState);
  const moved = put(before.workflow, { state: "PAUSED" });
  const applied = await store.apply({ puts: [moved], events: [event(moved.workflow)] });
  expect(applied.ok && applied.value.map(({ sequence }) => sequence)).toEqual([newest + 1]);
  expect((await store.apply(creation("another"))).ok).toBe(true);
  await store.close();
});
