import { celJson, celRecord, celTime, workflowFields, workflowVariable } from "../predicate/core/bindings.ts";
import { describeCompileError, type Variables } from "../predicate/core/compile.ts";
import { type EnumNames, enumNames } from "../predicate/core/enum-names.ts";
import type { Bindings } from "../predicate/core/evaluate.ts";
import type { Workflow, WorkflowEvent } from "../workflow/core/types.ts";
import { compiledFilter } from "./compiled-filters.ts";
import { registry } from "./descriptors.ts";
import { invalidField } from "./errors.ts";

/** The names of an enum of the contract, for comparisons. `orNone`: a resource may have no value there. */
export function namesOf(typeName: string, orNone = false): EnumNames {
  const descriptor = registry.getEnum(typeName);
  if (descriptor?.sharedPrefix === undefined) throw new Error(`no descriptor of ${typeName}; run "make generate"`);
  const names = descriptor.values.filter(({ number }) => number !== 0).map(({ localName }) => localName);
  return enumNames(descriptor.sharedPrefix.toUpperCase(), names, orNone);
}

const workflowVariables: Variables = { workflow: { ...workflowVariable, in_transition: "value" } };

const eventVariables: Variables = {
  event: {
    id: "value",
    sequence: "value",
    workflow_id: "value",
    type: namesOf("concord.workflow.v1.WorkflowEventType"),
    from: namesOf("concord.workflow.v1.WorkflowState", true),
    to: namesOf("concord.workflow.v1.WorkflowState"),
    version: "value",
    occurred_at: "value",
    retry_count: "value",
    reason: "value",
    requested_by: "value",
    rule_set_revision: "value",
    metadata: "value",
    transaction_id: "value",
  },
};

/** The `filter` of a request as a function of the resource. Throws the caller's error if it does not compile. */
export function filterOf<Resource>(
  expression: string,
  variables: Variables,
  bindingsOf: (resource: Resource) => Bindings,
): (resource: Resource) => boolean {
  if (expression === "") return () => true;
  const compiled = compiledFilter(variables, expression);
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
