import type { TransactionId, WorkflowId } from "../../kernel/ids.ts";
import type { JsonObject } from "../../kernel/json.ts";
import type { WorkflowState } from "../../kernel/lifecycle.ts";
import type { Hold, Workflow, WorkflowEvent, WorkflowEventType } from "../../workflow/core/types.ts";
import type { Row } from "./statement.ts";

export const toWorkflow = (row: Row): Workflow => ({
  id: row["id"] as WorkflowId,
  state: row["state"] as WorkflowState,
  previousState: (row["previous_state"] ?? undefined) as WorkflowState | undefined,
  version: Number(row["version"]),
  createdAtMs: Number(row["created_at_ms"]),
  updatedAtMs: Number(row["updated_at_ms"]),
  hold: row["hold"] === null ? undefined : withUndefined(JSON.parse(row["hold"] as string) as Hold),
  metadata: JSON.parse(row["metadata"] as string) as JsonObject,
  retryCount: Number(row["retry_count"]),
});

/** JSON drops what is undefined; the types name it. */
export function parseWorkflow(json: string): Workflow {
  const workflow = JSON.parse(json) as Workflow;
  return { ...workflow, previousState: workflow.previousState, hold: workflow.hold && withUndefined(workflow.hold) };
}

const withUndefined = (hold: Hold): Hold => ({ ...hold, move: { ...hold.move, request: hold.move.request } });

export const toEvent = (row: Row): WorkflowEvent => ({
  sequence: Number(row["sequence"]),
  id: row["id"] as string,
  workflowId: row["workflow_id"] as WorkflowId,
  type: row["type"] as WorkflowEventType,
  fromState: (row["from_state"] ?? undefined) as WorkflowState | undefined,
  toState: row["to_state"] as WorkflowState,
  version: Number(row["version"]),
  occurredAtMs: Number(row["occurred_at_ms"]),
  retryCount: Number(row["retry_count"]),
  reason: row["reason"] as string,
  requestedBy: row["requested_by"] as string,
  ruleSetRevision: Number(row["rule_set_revision"]),
  metadata: JSON.parse(row["metadata"] as string) as JsonObject,
  transactionId: (row["transaction_id"] ?? undefined) as TransactionId | undefined,
});
