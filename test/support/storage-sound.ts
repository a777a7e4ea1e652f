import { expect } from "vitest";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { loadBatch } from "./storage-load.ts";
import { contents, recount, requestId, transactionId } from "./storage-values.ts";

/** Opens what a process that was killed, or whose power went, left behind of `loadBatch`: all that it acknowledged is there, nothing is there by half, and writing goes on. */
export async function expectSound(path: string, acknowledged: readonly string[], next: string): Promise<void> {
  const reopened = await openSqliteWorkflowStore({ path });
  if (!reopened.ok) throw new Error(reopened.error.message);
  const store = reopened.value;
  const found = await contents(store);
  expect(found.events.map(({ sequence }) => sequence)).toStrictEqual(found.events.map((_, index) => index + 1));
  expect(found.counts).toStrictEqual(recount(found));

  // A batch appends its two events side by side, so half a batch would shift all that follow.
  const names = found.events.filter((_, index) => index % 2 === 0).map(({ workflowId }) => workflowId.replace("-left", ""));
  const pairs = names.flatMap((name) => [`${name}-left`, `${name}-right`]);
  expect(found.events.map(({ workflowId }) => workflowId)).toStrictEqual(pairs);
  expect(found.workflows.map(({ id }) => id)).toStrictEqual(pairs.toSorted());
  for (const name of names) {
    expect(await store.answer(requestId(name))).toMatchObject({ workflow: { id: `${name}-left` } });
    expect(await store.outcome(transactionId(name))).toMatchObject({ outcome: "committed" });
  }
  const present = new Set(names);
  expect(acknowledged.filter((name) => !present.has(name))).toStrictEqual([]);

  expect(await store.apply(loadBatch(next, 0))).toMatchObject({ ok: true });
  await store.close();
}
