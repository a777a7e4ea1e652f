import type { RequestId, WorkflowId } from "../../kernel/ids.ts";
import { provedFrom } from "../../kernel/principal.ts";
import { ok } from "../../kernel/result.ts";
import type { BulkAction, BulkOperation, BulkResult, BulkState, BulkStore } from "../../workflow/bulk-ports.ts";
import type { NewWorkflowEvent } from "../../workflow/core/types.ts";
import type { ManagerError } from "../../workflow/errors.ts";
import type { WorkflowConflict } from "../../workflow/ports.ts";
import type { Row, SqliteEngine, Statement } from "./statement.ts";
import { readStretch } from "./stretch.ts";

/** The bulk operations of a workflow store, in its file. */
export function sqliteBulkStore(engine: SqliteEngine): BulkStore {
  return {
    get: async (id) => engine.read("SELECT * FROM bulk_operations WHERE id = ?", id).map(toOperation)[0],
    byRequest: async (id) => engine.read("SELECT * FROM bulk_operations WHERE request_id = ?", id).map(toOperation)[0],
    list: async ({ beforeId, limit }) => {
      const { rows, isCut } = readStretch(engine, selectOperations, [beforeId ?? behindAllIds], limit);
      const operations = rows.map(toOperation);
      return { rows: operations, upTo: isCut ? operations.at(-1)?.id : undefined, looked: operations.length };
    },
    standing: async () =>
      engine.read(selectStanding).map((row) => ({
        id: row["id"] as string,
        state: row["state"] as BulkState,
        stateEnteredAtMs: Number(row["state_entered_at_ms"]),
        resultCount: Number(row["results"]),
      })),
    results: async ({ id, afterId, limit, refusedOnly = false }) => {
      const { rows, isCut } = readStretch(engine, refusedOnly ? selectRefused : selectResults, [id, afterId ?? ""], limit);
      const results = rows.map(toResult);
      return { rows: results, upTo: isCut ? results.at(-1)?.workflowId : undefined, looked: results.length };
    },
    add: (operation, underWayMax) =>
      engine.apply<{ readonly type: "limit" | "request-exists" }>([
        ...answerStatement(operation),
        {
          sql: "SELECT 1 WHERE (SELECT count(*) FROM bulk_operations WHERE state IN ('RUNNING', 'PAUSED')) < ?",
          params: [underWayMax],
          expect: { changes: 1, conflict: { type: "limit" } },
          returning: true,
        },
        {
          sql: insertOperation,
          params: [
            operation.id,
            operation.filter,
            JSON.stringify(operation.action),
            operation.isDryRun ? 1 : 0,
            operation.ratePerSecond,
            operation.state,
            operation.position,
            operation.reason,
            operation.requestedBy,
            operation.request?.id ?? null,
            operation.request?.digest ?? null,
            operation.createdAtMs,
            operation.stateEnteredAtMs,
            operation.authenticatedAs ?? "",
          ],
        },
      ]),
    enter: (id, from, to, atMs) =>
      engine.apply([
        {
          sql: `UPDATE bulk_operations SET state = ?, state_entered_at_ms = ?
            WHERE id = ? AND state IN (SELECT value FROM json_each(?))`,
          params: [to, atMs, id, JSON.stringify(from)],
          expect: { changes: 1, conflict: { type: "other-state" } as const },
        },
      ]),
    advance: (id, position, results) =>
      engine.apply<never>([
        ...results.map((result) => ({
          sql: insertResult,
          params: [
            id,
            result.workflowId,
            "sequence" in result ? result.sequence : null,
            "error" in result ? JSON.stringify(result.error) : null,
          ],
        })),
        { sql: "UPDATE bulk_operations SET position = ? WHERE id = ?", params: [position, id] },
      ]),
    drop: async (id, limit) => {
      const dropped = await engine.apply<never>([
        { sql: deleteResults, params: [id, id, limit], returning: true },
        { sql: deleteOperation, params: [id, id], returning: true },
      ]);
      return dropped.ok ? ok(dropped.value[0]?.length ?? 0) : dropped;
    },
  };
}

/** The result of the change that the last event records. There is one of each workflow at most. */
export const bulkResultStatement = (event: NewWorkflowEvent): Statement<WorkflowConflict>[] =>
  event.bulkOperationId === undefined
    ? []
    : [
        {
          sql: insertChanged,
          params: [event.bulkOperationId, event.workflowId],
          expect: { changes: 1, conflict: { type: "request-exists" } },
        },
      ];

/** By its request, the answer is the operation: its id stands for it. */
const answerStatement = ({ id, request, createdAtMs }: BulkOperation) =>
  request === undefined
    ? []
    : [
        {
          sql: "INSERT INTO answers (request_id, digest, workflow, event_sequence, at_ms) VALUES (?, ?, ?, 0, ?)",
          params: [request.id, request.digest, id, createdAtMs],
          expect: { changes: 1, conflict: { type: "request-exists" } as const },
        },
      ];

/** Behind every id: no character sorts after this one. */
const behindAllIds = "\u{10ffff}";

const selectOperations = "SELECT * FROM bulk_operations WHERE id < ? ORDER BY id DESC LIMIT ?";

const selectStanding = `SELECT id, state, state_entered_at_ms, done_count + refused_count AS results
  FROM bulk_operations ORDER BY id DESC`;

const insertOperation = `INSERT INTO bulk_operations
  (id, filter, action, dry_run, rate_per_second, state, position, reason, requested_by, request_id, request_digest, created_at_ms,
   state_entered_at_ms, authenticated_as)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const insertChanged = `INSERT INTO bulk_results (operation_id, workflow_id, sequence)
  VALUES (?, ?, (SELECT newest_sequence FROM counters))`;

const insertResult = `INSERT INTO bulk_results (operation_id, workflow_id, sequence, error) VALUES (?, ?, ?, ?)
  ON CONFLICT DO NOTHING`;

const selectOf = (more: string): string =>
  `SELECT * FROM bulk_results WHERE operation_id = ? AND workflow_id > ? ${more} ORDER BY workflow_id LIMIT ?`;
const selectResults = selectOf("");
const selectRefused = selectOf("AND error IS NOT NULL");

const deleteResults = `DELETE FROM bulk_results WHERE operation_id = ? AND workflow_id IN
  (SELECT workflow_id FROM bulk_results WHERE operation_id = ? ORDER BY workflow_id LIMIT ?) RETURNING 1`;

const deleteOperation = `DELETE FROM bulk_operations WHERE id = ?
  AND NOT EXISTS (SELECT 1 FROM bulk_results WHERE operation_id = ?) RETURNING 1`;

const toOperation = (row: Row): BulkOperation => ({
  id: row["id"] as string,
  filter: row["filter"] as string,
  action: JSON.parse(row["action"] as string) as BulkAction,
  isDryRun: row["dry_run"] === 1,
  ratePerSecond: Number(row["rate_per_second"]),
  state: row["state"] as BulkState,
  doneCount: Number(row["done_count"]),
  refusedCount: Number(row["refused_count"]),
  position: row["position"] as string,
  reason: row["reason"] as string,
  requestedBy: row["requested_by"] as string,
  request:
    row["request_id"] === null ? undefined : { id: row["request_id"] as RequestId, digest: row["request_digest"] as string },
  createdAtMs: Number(row["created_at_ms"]),
  stateEnteredAtMs: Number(row["state_entered_at_ms"]),
  ...provedFrom(row["authenticated_as"] as string),
});

const toResult = (row: Row): BulkResult => ({
  workflowId: row["workflow_id"] as WorkflowId,
  ...(row["error"] === null
    ? { sequence: Number(row["sequence"]) }
    : { error: JSON.parse(row["error"] as string) as ManagerError }),
});
