import type { TransactionId, WorkflowId } from "../../kernel/ids.ts";
import type { JsonObject } from "../../kernel/json.ts";
import type { WorkflowEventType, WorkflowState } from "../../kernel/lifecycle.ts";
import { provedFrom } from "../../kernel/principal.ts";
import type { Deadline } from "../../workflow/core/deadline.ts";
import type { TypePolicy } from "../../workflow/core/policy.ts";
import type { Hold, LastEvent, Workflow, WorkflowEvent } from "../../workflow/core/types.ts";
import { noWarnings, type Warnings } from "../../workflow/core/warnings.ts";
import type { DueWorkflow, StoredAnswer, WorkflowWithLastEvent } from "../../workflow/ports.ts";
import type { Row } from "./statement.ts";

export const toWorkflow = (row: Row): Workflow => ({
  id: row["id"] as WorkflowId,
  type: row["workflow_type"] as string,
  state: row["state"] as WorkflowState,
  previousState: (row["previous_state"] ?? undefined) as WorkflowState | undefined,
  version: Number(row["version"]),
  createdAtMs: Number(row["created_at_ms"]),
  createdBy: row["created_by"] as string,
  updatedAtMs: Number(row["updated_at_ms"]),
  updatedBy: row["updated_by"] as string,
  stateEnteredAtMs: Number(row["state_entered_at_ms"]),
  hold: row["hold"] === null ? undefined : withUndefined(JSON.parse(row["hold"] as string) as Hold),
  metadata: JSON.parse(row["metadata"] as string) as JsonObject,
  retryCount: Number(row["retry_count"]),
  recoverableAtMs: row["recoverable_at_ms"] === null ? undefined : Number(row["recoverable_at_ms"]),
  deadline: row["deadline"] === null ? undefined : toDeadline(row),
});

const toDeadline = (row: Row): Deadline => JSON.parse(row["deadline"] as string) as Deadline;

export const toDueWorkflow = (row: Row): DueWorkflow => ({
  workflowId: row["id"] as WorkflowId,
  version: Number(row["version"]),
  deadline: toDeadline(row),
});

export function toAnswer(row: Row): StoredAnswer {
  const digest = row["digest"] as string;
  if (row["policy"] !== null) return { digest, policy: JSON.parse(row["policy"] as string) as TypePolicy };
  // Of no event: it has started a bulk operation.
  if (row["sequence"] === null) return { digest, bulkOperationId: row["workflow"] as string };
  return { digest, workflow: parseWorkflow(row["workflow"] as string), event: toEvent(row) };
}

/** JSON drops what is undefined; the types name it. */
function parseWorkflow(json: string): Workflow {
  const workflow = JSON.parse(json) as Workflow;
  const { previousState, recoverableAtMs, deadline } = workflow;
  return { ...workflow, previousState, recoverableAtMs, deadline, hold: workflow.hold && withUndefined(workflow.hold) };
}

const withUndefined = (hold: Hold): Hold => ({ ...hold, move: { ...hold.move, request: hold.move.request } });

export const toEvent = (row: Row): WorkflowEvent => ({
  ...toLastEvent(row, row["metadata"] as string),
  sequence: Number(row["sequence"]),
  id: row["id"] as string,
  workflowId: row["workflow_id"] as WorkflowId,
  workflowType: row["workflow_type"] as string,
  version: Number(row["version"]),
  retryCount: Number(row["retry_count"]),
  ruleSetRevision: Number(row["rule_set_revision"]),
  warnings: row["warnings"] === null ? noWarnings : (JSON.parse(row["warnings"] as string) as Warnings),
  ...(row["metadata_patch"] !== null && { metadataPatch: JSON.parse(row["metadata_patch"] as string) as JsonObject }),
  transactionId: (row["transaction_id"] ?? undefined) as TransactionId | undefined,
  ...(row["deadline"] !== null && { deadline: toDeadline(row) }),
  ...(row["bulk_operation_id"] === null ? {} : { bulkOperationId: row["bulk_operation_id"] as string }),
});

const toLastEvent = (row: Row, metadata: string): LastEvent => ({
  type: row["type"] as WorkflowEventType,
  fromState: (row["from_state"] ?? undefined) as WorkflowState | undefined,
  toState: row["to_state"] as WorkflowState,
  occurredAtMs: Number(row["occurred_at_ms"]),
  requestedBy: row["requested_by"] as string,
  ...provedFrom(row["authenticated_as"] as string),
  reason: row["reason"] as string,
  metadata: JSON.parse(metadata) as JsonObject,
});

export const selectWithLastEvent = `SELECT
    workflows.*, type, from_state, to_state, occurred_at_ms, requested_by, authenticated_as, reason, events.metadata AS event_metadata
  FROM workflows LEFT JOIN events ON events.sequence = (SELECT max(sequence) FROM events WHERE workflow_id = workflows.id)
  WHERE workflows.id = ?`;

export const toWorkflowWithLastEvent = (row: Row): WorkflowWithLastEvent => ({
  workflow: toWorkflow(row),
  lastEvent: row["type"] === null ? undefined : toLastEvent(row, row["event_metadata"] as string),
});

/** Of all of it, as text. */
export const metadataLengthOf = (row: Row): number =>
  (row["metadata"] as string).length + ((row["event_metadata"] as string | null) ?? "").length;
