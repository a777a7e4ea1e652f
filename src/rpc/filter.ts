import { celJson, celRecord, celTime, workflowFields } from "../predicate/core/bindings.ts";
import { describeCompileError, type Variables } from "../predicate/core/compile.ts";
import type { Bindings } from "../predicate/core/evaluate.ts";
import { compileFilter } from "../predicate/core/filter.ts";
import type { Workflow, WorkflowEvent } from "../workflow/core/types.ts";
import { invalidField } from "./errors.ts";

const workflowVariables: Variables = {
  workflow: ["id", "state", "previous_state", "version", "retry_count", "created_at", "updated_at", "metadata", "in_transition"],
};

const eventVariables: Variables = {
  event: [
    "id",
    "sequence",
    "workflow_id",
    "type",
    "from",
    "to",
    "version",
    "occurred_at",
    "retry_count",
    "reason",
    "requested_by",
    "rule_set_revision",
    "metadata",
    "transaction_id",
  ],
};

/** The `filter` of a request as a function of the resource. Throws the caller's error if it does not compile. */
export function filterOf<Resource>(
  expression: string,
  variables: Variables,
  bindingsOf: (resource: Resource) => Bindings,
): (resource: Resource) => boolean {
  if (expression === "") return () => true;
  const compiled = compileFilter(variables, expression);
  if (!compiled.ok) throw invalidField("filter", describeCompileError(compiled.error));
  const matches = compiled.value;
  return (resource) => matches(bindingsOf(resource));
}

export function workflowFilter(expression: string): (workflow: Workflow) => boolean {
  return filterOf(expression, workflowVariables, (workflow) => ({
    workflow: celRecord({ ...workflowFields(workflow), in_transition: workflow.hold !== undefined }),
  }));
}

export function eventFilter(expression: string): (event: WorkflowEvent) => boolean {
  return filterOf(expression, eventVariables, (event) => ({
    event: celRecord({
      id: event.id,
      sequence: BigInt(event.sequence),
      workflow_id: event.workflowId,
      type: event.type,
      from: event.fromState ?? "",
      to: event.toState,
      version: BigInt(event.version),
      occurred_at: celTime(event.occurredAtMs),
      retry_count: BigInt(event.retryCount),
      reason: event.reason,
      requested_by: event.requestedBy,
      rule_set_revision: BigInt(event.ruleSetRevision),
      metadata: celJson(event.metadata),
      transaction_id: event.transactionId ?? "",
    }),
  }));
}
