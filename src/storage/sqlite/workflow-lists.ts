import type { WorkflowId } from "../../kernel/ids.ts";
import { isEmpty } from "../../kernel/range.ts";
import type { Stretch } from "../../kernel/stretch.ts";
import type { Workflow } from "../../workflow/core/types.ts";
import type { WorkflowStore } from "../../workflow/ports.ts";
import { conditions, highest, largest, listed, lowest, nothing, onlyChoice, scan, smallest, values } from "./scan.ts";
import type { SqliteEngine } from "./statement.ts";
import { toEvent } from "./workflow-rows.ts";
import { listSorted } from "./workflow-sorted.ts";

type Page<Name extends "list" | "listEvents" | "listSorted"> = Parameters<WorkflowStore[Name]>[0];

/** In the order of ids. */
export function listWorkflows(
  engine: SqliteEngine,
  { afterId, limit, ranges = {} }: Page<"list">,
): Stretch<Workflow, WorkflowId> {
  const after = afterId === undefined ? undefined : { key: 0, id: afterId };
  const { upTo, ...stretch } = listSorted(engine, { order: { by: "id", descending: false }, after, limit, ranges });
  return { ...stretch, upTo: upTo?.id };
}

export function listEvents(engine: SqliteEngine, { afterSequence, limit, ranges = {} }: Page<"listEvents">) {
  if (Object.values(ranges).some(isEmpty)) return nothing;
  const { id, sequence, workflowId, workflowType, type, toState, occurredAtMs, requestedBy, authenticatedAs } = ranges;
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
      authenticated_as: authenticatedAs,
    }),
    limit,
  });
  return values(stretch, toEvent, ({ sequence }) => sequence);
}
