import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openSqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { acquireLock } from "../../src/storage/sqlite/lock.ts";
import { openSqliteParticipantLog } from "../../src/storage/sqlite/participant-log.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { storageDir } from "../support/storage-dir.ts";

// Whoever mends the file, or tries another one, does it in the same process.
test.each([
  ["workflows", "counters", openSqliteWorkflowStore],
  ["the decision log", "coordinator", openSqliteDecisionLog],
  ["a participant's log", "transactions", openSqliteParticipantLog],
] as const)("what cannot be opened for want of a table is let go: %s", async (_, table, open) => {
  const path = join(storageDir(), "store.sqlite");
  const made = await open({ path });
  if (!made.ok) throw new Error(made.error.message);
  await made.value.close();
  const db = new DatabaseSync(path);
  db.exec(`DROP TABLE ${table}`);
  db.close();
  expect(await open({ path })).toMatchObject({ ok: false });
  const lock = acquireLock(path);
  expect(lock.ok).toBe(true);
  if (lock.ok) lock.value.release();
});
