import type { WorkflowScope } from "../access/core/scope.ts";
import { workflowStates } from "../kernel/lifecycle.ts";
import { celJson, celRecord, celTime, workflowFields, workflowType } from "../predicate/core/bindings.ts";
import type { Comparison } from "../predicate/core/comparisons.ts";
import { explainCompileError, type Variables } from "../predicate/core/compile.ts";
import { type EnumNames, enumNames } from "../predicate/core/enum-names.ts";
import type { Bindings } from "../predicate/core/evaluate.ts";
import { anyRecord, enumOf, recordOf, types } from "../predicate/core/typing/type.ts";
import type { Deadline } from "../workflow/core/deadline.ts";
import type { Workflow, WorkflowEvent } from "../workflow/core/types.ts";
import type { EventRanges, LedBy, WorkflowRanges } from "../workflow/ports.ts";
import { compiledFilter } from "./compiled-filters.ts";
import { registry } from "./descriptors.ts";
import { invalidField } from "./errors.ts";
import { type Filter, narrowed } from "./narrowed-filter.ts";
import { type KnownFields, metadataRangesOf, rangesOf } from "./ranges.ts";

/** The names of an enum of the contract, for comparisons. `orNone`: a resource may have no value there. */
export function namesOf(typeName: string, orNone = false): EnumNames {
  const descriptor = registry.getEnum(typeName);
  if (descriptor?.sharedPrefix === undefined) throw new Error(`no descriptor of ${typeName}; run "make generate"`);
  const names = descriptor.values.filter(({ number }) => number !== 0).map(({ localName }) => localName);
  return enumNames(descriptor.sharedPrefix.toUpperCase(), names, orNone);
}

const workflowVariables: Variables = {
  workflow: recordOf({
    ...workflowType.fields,
    in_transition: types.bool,
    deadline: recordOf({
      at: types.timestamp,
      target_state: enumOf(namesOf("concord.workflow.v1.WorkflowState")),
      reason: types.string,
      set_by: types.string,
      set_at: types.timestamp,
    }),
  }),
};

const eventTypeNames = namesOf("concord.workflow.v1.WorkflowEventType");

const eventTypes = [...new Set(eventTypeNames.values())];

const eventVariables: Variables = {
  ...workflowVariables,
  event: recordOf({
    id: types.string,
    sequence: types.int,
    workflow_id: types.string,
    workflow_type: types.string,
    type: enumOf(eventTypeNames),
    from: enumOf(namesOf("concord.workflow.v1.WorkflowState", true)),
    to: enumOf(namesOf("concord.workflow.v1.WorkflowState")),
    version: types.int,
    occurred_at: types.timestamp,
    retry_count: types.int,
    reason: types.string,
    requested_by: types.string,
    rule_set_revision: types.int,
    metadata: anyRecord,
    metadata_patch: anyRecord,
    transaction_id: types.string,
    bulk_operation_id: types.string,
    authenticated_as: types.string,
  }),
};

/** The `filter` of a request. Throws the caller's error if it does not compile. */
export function filterOf<Resource, Known>(
  expression: string,
  variables: Variables,
  bindingsOf: (resource: Resource) => Bindings,
  knownOf: (comparisons: readonly Comparison[]) => Known,
): Filter<Resource, Known> | undefined {
  if (expression === "") return undefined;
  const compiled = compiledFilter(variables, expression);
  if (!compiled.ok) throw invalidField("filter", explainCompileError(compiled.error));
  const { matches, ...said } = compiled.value;
  return { ...said, matches: (resource) => matches(bindingsOf(resource)), known: knownOf(said.comparisons) };
}

const knownOfWorkflows: KnownFields<Omit<WorkflowRanges, "metadata">> = {
  "workflow.id": { as: "id", kind: "text" },
  "workflow.type": { as: "type", kind: "text" },
  "workflow.state": { as: "state", kind: workflowStates },
  "workflow.created_at": { as: "createdAtMs", kind: "time" },
  "workflow.created_by": { as: "createdBy", kind: "text" },
  "workflow.updated_at": { as: "updatedAtMs", kind: "time" },
  "workflow.updated_by": { as: "updatedBy", kind: "text" },
  "workflow.state_entered_at": { as: "stateEnteredAtMs", kind: "time" },
  "workflow.version": { as: "version", kind: "number" },
};

const workflowBindings = (workflow: Workflow): Bindings => ({
  workflow: celRecord({
    ...workflowFields(workflow),
    in_transition: workflow.hold !== undefined,
    // A field that is not there matches nothing that is asked of it.
    ...(workflow.deadline && { deadline: celDeadline(workflow.deadline) }),
  }),
});

const celDeadline = ({ atMs, targetState, reason, setBy, setAtMs }: Deadline) =>
  celRecord({ at: celTime(atMs), target_state: targetState, reason, set_by: setBy, set_at: celTime(setAtMs) });

/** `scope`: what its caller may see. */
export function workflowFilter(expression: string, scope: WorkflowScope = "all"): Filter<Workflow, WorkflowRanges> | undefined {
  const knownOf = (comparisons: readonly Comparison[]): WorkflowRanges => {
    const metadata = metadataRangesOf(comparisons);
    return { ...rangesOf(comparisons, knownOfWorkflows), ...(metadata.length > 0 && { metadata }) };
  };
  const filter = filterOf(expression, workflowVariables, workflowBindings, knownOf);
  return narrowed(filter, scope, { fields: { type: "workflow.type", id: "workflow.id" }, namedOf: (each) => each, knownOf });
}

/** By what no index led to that a filter compares: fields, and `*` for conditions that are no comparisons of a field. */
export function unledOf(
  { comparisons, onlyCompares }: Pick<Filter<Workflow, WorkflowRanges>, "comparisons" | "onlyCompares">,
  led: readonly LedBy[],
): readonly string[] {
  const isLed = ({ field }: Comparison): boolean => {
    const as = Object.hasOwn(knownOfWorkflows, field) ? knownOfWorkflows[field]?.as : field.slice("workflow.".length);
    return led.some((each) => each === as);
  };
  const unled = comparisons.filter((comparison) => !isLed(comparison)).map(({ field }) => field);
  return [...new Set([...unled, ...(onlyCompares ? [] : ["*"])])];
}

const knownOfEvents: KnownFields<EventRanges> = {
  "event.id": { as: "id", kind: "text" },
  "event.sequence": { as: "sequence", kind: "number" },
  "event.workflow_id": { as: "workflowId", kind: "text" },
  "event.workflow_type": { as: "workflowType", kind: "text" },
  "event.type": { as: "type", kind: eventTypes },
  "event.to": { as: "toState", kind: workflowStates },
  "event.occurred_at": { as: "occurredAtMs", kind: "time" },
  "event.requested_by": { as: "requestedBy", kind: "text" },
  "event.authenticated_as": { as: "authenticatedAs", kind: "text" },
  // These never change, so the event has them too.
  "workflow.id": { as: "workflowId", kind: "text" },
  "workflow.type": { as: "workflowType", kind: "text" },
};

/** A filter of events. If it reads the event's workflow, that is looked up for each event, as it is then. */
export type EventFilter = Omit<Filter<WorkflowEvent, EventRanges>, "matches"> & {
  readonly matches: (event: WorkflowEvent) => boolean | Promise<boolean>;
};

export function eventFilter(
  expression: string,
  workflowOf: (event: WorkflowEvent) => Promise<Workflow | undefined>,
  scope: WorkflowScope = "all",
): EventFilter | undefined {
  type Looked = { readonly event: WorkflowEvent; readonly workflow?: Workflow | undefined };
  const bindingsOf = ({ event, workflow }: Looked): Bindings => ({
    event: celRecord(eventFields(event)),
    // Without it what is said of it cannot be evaluated.
    ...(workflow === undefined ? {} : workflowBindings(workflow)),
  });
  const knownOf = (comparisons: readonly Comparison[]): EventRanges => rangesOf(comparisons, knownOfEvents);
  const filter = narrowed(filterOf(expression, eventVariables, bindingsOf, knownOf), scope, {
    fields: { type: "event.workflow_type", id: "event.workflow_id" },
    namedOf: ({ event: { workflowId: id, workflowType: type } }) => ({ id, type }),
    knownOf,
  });
  if (filter === undefined) return undefined;
  const { matches, reads } = filter;
  return {
    ...filter,
    matches: reads("workflow")
      ? async (event) => matches({ event, workflow: await workflowOf(event) })
      : (event) => matches({ event }),
  };
}

const eventFields = (event: WorkflowEvent) => ({
  id: event.id,
  sequence: BigInt(event.sequence),
  workflow_id: event.workflowId,
  workflow_type: event.workflowType,
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
  metadata_patch: celJson(event.metadataPatch ?? {}),
  transaction_id: event.transactionId ?? "",
  bulk_operation_id: event.bulkOperationId ?? "",
  authenticated_as: event.authenticatedAs ?? "",
});
