import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqliteSinkStore } from "../../src/storage/sqlite/sink-store.ts";
import { createStoreSet } from "../../src/storage/sqlite/store-marks.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { sinkRecord } from "../support/sink-values.ts";
import { storageDir } from "../support/storage-dir.ts";
import { creation } from "../support/storage-values.ts";

async function opened<T>(opening: Promise<{ ok: true; value: T } | { ok: false; error: { message: string } }>): Promise<T> {
  const result = await opening;
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

/** Two stores of one set, served until the next `stop`. */
async function served(folder: string) {
  const set = createStoreSet();
  const workflows = await opened(openSqliteWorkflowStore({ path: join(folder, "workflow.sqlite"), set }));
  const sinks = await opened(openSqliteSinkStore({ path: join(folder, "events.sqlite"), set }));
  const mismatches = set.mismatches();
  set.begin();
  return { workflows, sinks, mismatches, stop: async () => void (await Promise.all([workflows.close(), sinks.close()])) };
}

// A store that counted another's writes beside its own would say at the next start that the other one is older than it was.
test("stores that are served together fit when they are opened again, however unlike the numbers of their writes", async () => {
  const folder = storageDir();
  const first = await served(folder);
  await first.workflows.apply(creation("a"));
  await first.sinks.apply({ puts: [sinkRecord("bus")] });
  for (const id of ["b", "c", "d"]) await first.workflows.apply(creation(id));
  await first.stop();
  const second = await served(folder);
  expect([first.mismatches, second.mismatches]).toEqual([[], []]);
  await second.stop();
});
