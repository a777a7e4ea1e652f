import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openSqlite } from "../../src/storage/sqlite/engine.ts";
import { schemaChange } from "../../src/storage/sqlite/schema-change.ts";
import type { Statement } from "../../src/storage/sqlite/statement.ts";
import { workflowMigrations } from "../../src/storage/sqlite/workflow-migrations.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { noWarnings } from "../../src/workflow/core/warnings.ts";
import { storageDir } from "../support/storage-dir.ts";
import { hold, requestId, transactionId, workflowId } from "../support/storage-values.ts";

/** A write of the version before workflows had a type, as it was. */
function insert(table: string, row: Readonly<Record<string, string | number | null>>): Statement {
  const columns = Object.keys(row);
  const places = columns.map(() => "?").join(", ");
  return { sql: `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${places})`, params: Object.values(row) };
}

const times = { created_at_ms: 10, updated_at_ms: 30 };
const old = { ...times, state: "ACTIVE", previous_state: "CREATED", version: 2, retry_count: 0, metadata: "{}", hold: null };

const oldEvent = (sequence: number, id: string, fields: Readonly<Record<string, string | number>>): Statement =>
  insert("events", {
    sequence,
    id: `e-${sequence}`,
    workflow_id: id,
    type: "TRANSITION",
    to_state: "ACTIVE",
    version: 2,
    occurred_at_ms: 30,
    retry_count: 0,
    reason: "",
    rule_set_revision: 0,
    metadata: '{"note":"n"}',
    ...fields,
  });

/** As it was answered when it was created: it has moved since. */
const answered =
  '{"id":"w","state":"CREATED","version":1,"createdAtMs":10,"updatedAtMs":10,"metadata":{"ratio":1.50,"text":"\\ud83d\\ude00"},"retryCount":0}';

/** As it was held before rules could warn. */
const { warnings: _, ...oldHold } = hold("tx", { reason: 'say "go"' });

test("a store that was written before workflows had a type opens, and knows from its events who has changed what", async () => {
  const path = join(storageDir(), "workflows.db");
  const before = await openSqlite({
    path,
    kind: "workflows",
    migrations: workflowMigrations.filter(({ version }) => version < 4),
  });
  if (!before.ok) throw new Error(before.error.message);
  await before.value.apply([
    insert("workflows", { id: "w", ...old }),
    insert("workflows", { id: "silent", ...old }),
    insert("workflows", { id: "held", ...old, state: "CREATED", hold: JSON.stringify(oldHold) }),
    oldEvent(1, "w", { type: "CREATED", to_state: "CREATED", version: 1, requested_by: "grace" }),
    oldEvent(2, "other", { requested_by: "kurt" }),
    oldEvent(3, "w", { from_state: "CREATED", requested_by: "ada" }),
    insert("answers", { request_id: "r", digest: "d", workflow: answered, event_sequence: 1, at_ms: 10 }),
  ]);
  await before.value.close();
  const to = workflowMigrations.at(-1)?.version;
  expect(schemaChange(path, workflowMigrations)).toEqual({ from: 3, to });

  const opened = await openSqliteWorkflowStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  const byAll = { type: "", createdBy: "grace", updatedBy: "ada", createdAtMs: 10, updatedAtMs: 30, stateEnteredAtMs: 30 };
  expect(await store.getWithLastEvent(workflowId("w"))).toMatchObject({
    workflow: byAll,
    lastEvent: { fromState: "CREATED", requestedBy: "ada", metadata: { note: "n" } },
  });
  // Of a workflow whose events are gone nobody knows.
  expect(await store.get(workflowId("silent"))).toMatchObject({ createdBy: "", updatedBy: "", stateEnteredAtMs: 30 });
  expect((await store.listEvents({ afterSequence: 0, limit: 1 })).rows).toMatchObject([
    { workflowType: "", warnings: noWarnings },
  ]);
  expect(await store.heldBy({ transactionId: transactionId("tx"), limit: 2 })).toMatchObject([
    { id: "held", hold: { ...oldHold, warnings: noWarnings } },
  ]);
  expect(await store.answer(requestId("r"))).toMatchObject({
    workflow: {
      ...{ type: "", createdBy: "grace", updatedBy: "grace", stateEnteredAtMs: 10 },
      ...{ state: "CREATED", previousState: undefined, metadata: { ratio: 1.5, text: "😀" } },
    },
    event: { requestedBy: "grace", workflowType: "" },
  });
  expect(await store.sequences()).toEqual({ oldest: 1, newest: 3 });
  expect(await store.counts()).toMatchObject({ workflows: 3, events: 3, held: 1, byState: { ACTIVE: 2, CREATED: 1 } });
  expect(await store.get(workflowId("w"))).toMatchObject({ deadline: undefined, recoverableAtMs: undefined });
  expect(await store.due({ upToMs: Number.MAX_SAFE_INTEGER, after: undefined, limit: 1 })).toEqual([]);
  expect(await store.policies()).toEqual({ newest: 0, policies: [] });
  // What lists are led by was made of what was there.
  expect(await store.typeCounts({ after: undefined, limit: 9 })).toEqual([
    { type: "", state: "ACTIVE", count: 2 },
    { type: "", state: "CREATED", count: 1 },
  ]);
  const order = { by: "updated", descending: true } as const;
  expect((await store.listSorted({ order, after: undefined, limit: 9 })).rows.map(({ id }) => id)).toEqual([
    "w",
    "silent",
    "held",
  ]);
  await store.close();
  expect(schemaChange(path, workflowMigrations)).toBeUndefined();
  expect(schemaChange(`${path}.none`, workflowMigrations)).toBeUndefined();
  // One that has not got so far as to say what it is.
  writeFileSync(`${path}.short`, new Uint8Array(62));
  expect(schemaChange(`${path}.short`, workflowMigrations)).toBeUndefined();
});

test("a store that was written before workflows had a creator counts those whose creation says who has proved to make it", async () => {
  const path = join(storageDir(), "workflows.db");
  const before = await openSqlite({ path, kind: "workflows", migrations: workflowMigrations.slice(0, 15) });
  if (!before.ok) throw new Error(before.error.message);
  const created = { type: "CREATED", to_state: "CREATED", version: 1, requested_by: "x" };
  await before.value.apply([
    ...["a", "b", "c", "d"].map((id) => insert("workflows", { id, ...old })),
    oldEvent(1, "a", { ...created, authenticated_as: "ada" }),
    oldEvent(2, "b", { ...created, authenticated_as: "ada" }),
    oldEvent(3, "a", { from_state: "CREATED", requested_by: "x", authenticated_as: "eve" }),
    oldEvent(4, "c", created),
    oldEvent(5, "gone", { ...created, authenticated_as: "ada" }),
  ]);
  await before.value.close();
  const opened = await openSqliteWorkflowStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  const store = opened.value;
  expect(await Promise.all(["ada", "eve", ""].map((principal) => store.countCreatedAs(principal)))).toEqual([2, 0, 0]);
  expect(await store.counts()).toMatchObject({ workflows: 4, events: 5 });
  await store.close();
});

test("who has proved to create what was there before is known from its events, and counted", async () => {
  const path = join(storageDir(), "workflows.db");
  const migrations = workflowMigrations.filter(({ version }) => version < 16);
  const before = await openSqlite({ path, kind: "workflows", migrations });
  if (!before.ok) throw new Error(before.error.message);
  const ids = { a: "ada", b: "ada", c: "kurt", d: "" };
  const entered = { state_entered_at_ms: 10, created_by: "", updated_by: "" };
  await before.value.apply([
    ...Object.keys(ids).map((id) => insert("workflows", { id, ...old, ...entered })),
    ...Object.entries(ids).map(([id, authenticated_as], index) =>
      oldEvent(index + 1, id, { type: "CREATED", version: 1, requested_by: "", authenticated_as }),
    ),
    oldEvent(5, "d", { requested_by: "", authenticated_as: "grace" }),
  ]);
  await before.value.close();
  const after = await openSqlite({ path, kind: "workflows", migrations: workflowMigrations });
  if (!after.ok) throw new Error(after.error.message);
  await after.value.close();
  const db = new DatabaseSync(path);
  const rows = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => Object.values(row));
  expect(rows("SELECT id, created_as FROM workflows ORDER BY id")).toEqual(Object.entries(ids));
  expect(rows("SELECT * FROM creators ORDER BY principal")).toEqual([
    ["ada", 2],
    ["kurt", 1],
  ]);
  db.exec("DELETE FROM workflows WHERE id IN ('a', 'c', 'd')");
  expect(rows("SELECT * FROM creators")).toEqual([["ada", 1]]);
  db.close();
});
