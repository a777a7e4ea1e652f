import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";
import { contents } from "../support/storage-values.ts";
import { rounds, toBatches, workflowStoreSuite } from "./workflow-store-suite.ts";

async function openSqlite(): Promise<WorkflowStore> {
  const opened = await openSqliteWorkflowStore({ path: join(storageDir(), "workflows.db") });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

workflowStoreSuite("sqlite", openSqlite);
workflowStoreSuite("memory", async () => createMemoryWorkflowStore());

test("sqlite and memory answer alike, whatever is written together", async () => {
  await fc.assert(
    fc.asyncProperty(rounds, async (wanted) => {
      const stores = [await openSqlite(), createMemoryWorkflowStore()];
      const [sqlite, memory] = await Promise.all(
        stores.map(async (store) => {
          const results: unknown[] = [];
          for (const round of wanted) {
            results.push(await Promise.all((await toBatches(round, store)).map((batch) => store.apply(batch))));
          }
          return { results, ...(await contents(store)) };
        }),
      );
      for (const store of stores) await store.close();
      expect(sqlite).toStrictEqual(memory);
    }),
    { numRuns: 20 },
  );
});
