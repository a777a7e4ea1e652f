import type { WorkflowId } from "../../kernel/ids.ts";
import type { ChangeSince, WorkflowStore } from "../../workflow/ports.ts";
import type { Row, SqliteEngine } from "./statement.ts";

/** Each event with the last one of its workflow up to the snapshot: a look into the index of events, a few microseconds. */
const selectChanges = `SELECT e.sequence, e.workflow_id, e.version, b.version AS before_version, b.occurred_at_ms AS before_ms
  FROM events e LEFT JOIN events b
    ON b.sequence = (SELECT max(sequence) FROM events WHERE workflow_id = e.workflow_id AND sequence <= ?)
  WHERE e.sequence > ? ORDER BY e.sequence LIMIT ?`;

export function changesSince(
  engine: SqliteEngine,
  { snapshot, afterSequence, limit }: Parameters<WorkflowStore["changesSince"]>[0],
): ChangeSince[] {
  return engine.read(selectChanges, snapshot, afterSequence, limit).map(toChange);
}

/** Only the first event of a workflow has version 1: a later one, with none up to the snapshot, does not say that it was absent. */
const toChange = (row: Row): ChangeSince => ({
  sequence: Number(row["sequence"]),
  workflowId: row["workflow_id"] as WorkflowId,
  before:
    row["before_version"] !== null
      ? { version: Number(row["before_version"]), updatedAtMs: Number(row["before_ms"]) }
      : Number(row["version"]) === 1
        ? "absent"
        : "unknown",
});
