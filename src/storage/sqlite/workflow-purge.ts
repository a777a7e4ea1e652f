import type { WorkflowId } from "../../kernel/ids.ts";
import type { WorkflowState } from "../../kernel/lifecycle.ts";
import { ok } from "../../kernel/result.ts";
import { stretchOf } from "../../kernel/stretch.ts";
import type { PurgeFacts } from "../../workflow/core/purge.ts";
import type { WorkflowConflict, WorkflowStore } from "../../workflow/ports.ts";
import type { SqliteEngine, SqlValue, Statement } from "./statement.ts";

type Purge = Parameters<WorkflowStore["purgeWorkflows"]>[0];
type EndedPage = Parameters<WorkflowStore["ended"]>[0];

/** Refuses a new workflow the id of one that was purged, unless that was set free. */
export const isFree = (id: WorkflowId): Statement<WorkflowConflict> => ({
  sql: "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM purged_workflows WHERE id = ?)",
  params: [id],
  returning: true,
  expect: { changes: 1, conflict: { type: "purged", workflowId: id } },
});

// The index has these rows only, and is used by whom that is said to.
const isEnded = "state IN ('COMPLETED', 'CANCELLED')";

const newestSequence = "coalesce((SELECT max(sequence) FROM events WHERE workflow_id = workflows.id), 0)";

const isAnswered = `EXISTS
  (SELECT 1 FROM events JOIN answers ON answers.event_sequence = events.sequence WHERE workflow_id = workflows.id)`;

const selectFacts = `SELECT version, state, state_entered_at_ms, ${newestSequence} AS newest, ${isAnswered} AS answered
  FROM workflows WHERE id = ?`;

/** As a look has found it, in the moment of the write. */
const isPurgeable = `id = ? AND version = ? AND ${isEnded} AND hold IS NULL AND ${newestSequence} < ? AND NOT ${isAnswered}`;

const selectEvents = "SELECT events FROM counters";

const purgeEvents = `DELETE FROM events WHERE sequence IN (SELECT sequence FROM events WHERE workflow_id = ? ORDER BY sequence LIMIT ?)
  AND EXISTS (SELECT 1 FROM workflows WHERE ${isPurgeable})`;

const hasNoEvents = "NOT EXISTS (SELECT 1 FROM events WHERE workflow_id = workflows.id)";

const keepId = `INSERT OR REPLACE INTO purged_workflows (id, at_ms)
  SELECT id, ? FROM workflows WHERE ${isPurgeable} AND ${hasNoEvents}`;

const purgeWorkflow = `DELETE FROM workflows WHERE ${isPurgeable} AND ${hasNoEvents} RETURNING id`;

/** The events first: of a workflow with very many the rest goes, with itself, in another write. */
export async function purgeWorkflows(engine: SqliteEngine, { workflows, beforeSequence, eventCountMax, freeIds, atMs }: Purge) {
  const purged = await engine.apply<never>([
    { sql: selectEvents, params: [], returning: true },
    ...workflows.flatMap(({ id, version }): Statement<never>[] => {
      const purgeable: SqlValue[] = [id, version, beforeSequence];
      return [
        { sql: purgeEvents, params: [id, eventCountMax, ...purgeable] },
        ...(freeIds ? [] : [{ sql: keepId, params: [atMs, ...purgeable] }]),
        { sql: purgeWorkflow, params: purgeable, returning: true },
      ];
    }),
    { sql: selectEvents, params: [], returning: true },
  ]);
  if (!purged.ok) return purged;
  const [before = [], ...rest] = purged.value;
  const after = rest.pop() ?? [];
  return ok({
    workflows: rest.flat().map((row) => row["id"] as WorkflowId),
    events: Number(before[0]?.["events"]) - Number(after[0]?.["events"]),
  });
}

/** Each leads to the next: the types are few, and what has them is not walked. */
export function endedTypes(
  engine: SqliteEngine,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
) {
  const next = `SELECT workflow_type AS type FROM workflows WHERE ${isEnded} AND workflow_type > ? ORDER BY workflow_type LIMIT 1`;
  const first = `SELECT workflow_type AS type FROM workflows WHERE ${isEnded} ORDER BY workflow_type LIMIT 1`;
  const types: string[] = [];
  for (let place = after; types.length < limit; place = types.at(-1)) {
    const [row] = place === undefined ? engine.read(first) : engine.read(next, place);
    if (row === undefined) break;
    types.push(row["type"] as string);
  }
  return types;
}

const selectEnded = `SELECT id, version, state_entered_at_ms FROM workflows
  WHERE ${isEnded} AND workflow_type = ? AND state_entered_at_ms < ? AND (state_entered_at_ms, id) > (?, ?)
  ORDER BY state_entered_at_ms, id LIMIT ?`;

/** Before all of them. */
const beginning = { enteredAtMs: Number.MIN_SAFE_INTEGER, id: "" as WorkflowId };

export function endedWorkflows(engine: SqliteEngine, { type, beforeMs, after = beginning, limit }: EndedPage) {
  const rows = engine.read(selectEnded, type, beforeMs, after.enteredAtMs, after.id, limit).map((row) => ({
    id: row["id"] as WorkflowId,
    version: Number(row["version"]),
    enteredAtMs: Number(row["state_entered_at_ms"]),
  }));
  return stretchOf(rows, limit, ({ enteredAtMs, id }) => ({ enteredAtMs, id }));
}

export const purgeFacts = (engine: SqliteEngine, id: WorkflowId): PurgeFacts | undefined =>
  engine.read(selectFacts, id).map((row) => ({
    id,
    version: Number(row["version"]),
    state: row["state"] as WorkflowState,
    stateEnteredAtMs: Number(row["state_entered_at_ms"]),
    isAnswered: Number(row["answered"]) === 1,
    newestSequence: Number(row["newest"]),
  }))[0];
