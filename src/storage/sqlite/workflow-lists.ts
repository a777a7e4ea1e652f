import { isEmpty } from "../../kernel/range.ts";
import type { WorkflowStore } from "../../workflow/ports.ts";
import { conditions, highest, largest, listed, lowest, nothing, onlyChoice, scan, smallest, values } from "./scan.ts";
import type { SqliteEngine } from "./statement.ts";
import { toEvent, toWorkflow } from "./workflow-rows.ts";

/** Behind every id: no character sorts after this one, and no id begins with it. */
const behindAllIds = "\u{10ffff}";

type Page<Name extends "list" | "listEvents"> = Parameters<WorkflowStore[Name]>[0];

export function listWorkflows(engine: SqliteEngine, { afterId, limit, ranges = {} }: Page<"list">) {
  if (Object.values(ranges).some(isEmpty)) return nothing;
  const { id, type, state, createdAtMs, createdBy, updatedAtMs, updatedBy, stateEnteredAtMs } = ranges;
  const after = afterId ?? "";
  const oneType = onlyChoice(type);
  const stretch = scan(engine, {
    table: "workflows",
    key: "id",
    first: largest(after, lowest(id)),
    last: smallest(behindAllIds, highest(id)),
    always: oneType ? { sql: `id <> ? AND ${ofOneType}`, params: [after, oneType] } : { sql: "id <> ?", params: [after] },
    known: conditions({
      id: listed(id),
      workflow_type: oneType ? undefined : type,
      state,
      created_at_ms: createdAtMs,
      created_by: createdBy,
      updated_at_ms: updatedAtMs,
      updated_by: updatedBy,
      state_entered_at_ms: stateEnteredAtMs,
    }),
    limit,
  });
  return values(stretch, toWorkflow, ({ id }) => id);
}

export function listEvents(engine: SqliteEngine, { afterSequence, limit, ranges = {} }: Page<"listEvents">) {
  if (Object.values(ranges).some(isEmpty)) return nothing;
  const { id, sequence, workflowId, workflowType, type, toState, occurredAtMs, requestedBy } = ranges;
  const oneWorkflow = onlyChoice(workflowId);
  const stretch = scan(engine, {
    table: "events",
    key: "sequence",
    first: largest(afterSequence + 1, lowest(sequence)),
    last: smallest(Number.MAX_SAFE_INTEGER, highest(sequence)),
    always: oneWorkflow ? { sql: "workflow_id = ?", params: [oneWorkflow] } : { sql: "true", params: [] },
    known: conditions({
      id,
      sequence: listed(sequence),
      workflow_id: oneWorkflow ? undefined : workflowId,
      workflow_type: workflowType,
      type,
      to_state: toState,
      occurred_at_ms: occurredAtMs,
      requested_by: requestedBy,
    }),
    limit,
  });
  return values(stretch, toEvent, ({ sequence }) => sequence);
}

/** The index has no workflow without a type, and is used by whom that is said to. */
const ofOneType = "workflow_type = ? AND workflow_type <> ''";
