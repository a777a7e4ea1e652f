import {
  type DeepPartial,
  type InTransition,
  WorkflowEventType as WireEventType,
  WorkflowState as WireState,
  type Workflow as WireWorkflow,
  type WorkflowEvent as WireWorkflowEvent,
  type WorkflowDeadline,
} from "../gen/concord/workflow/v1/workflow.ts";
import type { JsonObject } from "../kernel/json.ts";
import { type WorkflowEventType, type WorkflowState, workflowEventTypes, workflowStates } from "../kernel/lifecycle.ts";
import type { Deadline } from "../workflow/core/deadline.ts";
import type { LastEvent, Workflow, WorkflowEvent } from "../workflow/core/types.ts";
import { invalidField } from "./errors.ts";

export function stateToWire(state: WorkflowState | undefined): WireState {
  return state === undefined ? WireState.UNSPECIFIED : WireState[state];
}

const statesByWire = new Map<WireState, WorkflowState>(workflowStates.map((state) => [WireState[state], state]));

/** Nothing for UNSPECIFIED; a number that the contract does not know is the caller's mistake. */
export function stateFromWire(state: WireState, field: string): WorkflowState | undefined {
  if (state === WireState.UNSPECIFIED) return undefined;
  const known = statesByWire.get(state);
  if (known === undefined) throw invalidField(field, `must be one of ${[...statesByWire.keys()].join(", ")}`);
  return known;
}

const eventTypesByWire = new Map<WireEventType, WorkflowEventType>(workflowEventTypes.map((type) => [WireEventType[type], type]));

/** Nothing for UNSPECIFIED. */
export const eventTypeFromWire = (type: WireEventType): WorkflowEventType | undefined => eventTypesByWire.get(type);

export function workflowToWire(workflow: Workflow): DeepPartial<WireWorkflow> {
  const { hold } = workflow;
  return {
    workflowId: workflow.id,
    type: workflow.type,
    state: stateToWire(workflow.state),
    previousState: stateToWire(workflow.previousState),
    version: BigInt(workflow.version),
    createdAt: new Date(workflow.createdAtMs),
    createdBy: workflow.createdBy,
    updatedAt: new Date(workflow.updatedAtMs),
    updatedBy: workflow.updatedBy,
    stateEnteredAt: new Date(workflow.stateEnteredAtMs),
    inTransition: hold === undefined ? undefined : holdToWire(hold),
    metadata: workflow.metadata,
    retryCount: workflow.retryCount,
    deadline: workflow.deadline && deadlineToWire(workflow.deadline),
    recoverableAt: workflow.recoverableAtMs === undefined ? undefined : new Date(workflow.recoverableAtMs),
  };
}

export function deadlineToWire({ atMs, targetState, reason, setBy, setAtMs }: Deadline): DeepPartial<WorkflowDeadline> {
  return { at: new Date(atMs), targetState: stateToWire(targetState), reason, setBy, setAt: new Date(setAtMs) };
}

function holdToWire(hold: NonNullable<Workflow["hold"]>): DeepPartial<InTransition> {
  return {
    transactionId: hold.transactionId,
    targetState: stateToWire(hold.move.targetState),
    preparedAt: new Date(hold.preparedAtMs),
    deadline: new Date(hold.deadlineMs),
    ruleSetRevision: BigInt(hold.ruleSetRevision),
    coordinatorId: hold.coordinatorId,
  };
}

export function eventToWire(event: WorkflowEvent): DeepPartial<WireWorkflowEvent> {
  return {
    ...lastEventToWire(event),
    eventId: event.id,
    sequence: BigInt(event.sequence),
    workflowId: event.workflowId,
    workflowType: event.workflowType,
    version: BigInt(event.version),
    retryCount: event.retryCount,
    ruleSetRevision: BigInt(event.ruleSetRevision),
    transactionId: event.transactionId ?? "",
    metadataPatch: event.metadataPatch,
    bulkOperationId: event.bulkOperationId ?? "",
    warnings: event.warnings.first,
    warningsOmitted: event.warnings.omitted,
    deadline: event.deadline && deadlineToWire(event.deadline),
  };
}

/** A caller of PredicateLogic may not know all of it. */
type DescribedEvent = Omit<LastEvent, "type" | "toState"> & {
  readonly type: WorkflowEventType | undefined;
  readonly toState: WorkflowState | undefined;
};

export function lastEventToWire(event: DescribedEvent): DeepPartial<WireWorkflowEvent> {
  return {
    type: WireEventType[event.type ?? "UNSPECIFIED"],
    fromState: stateToWire(event.fromState),
    toState: stateToWire(event.toState),
    occurredAt: new Date(event.occurredAtMs),
    reason: event.reason,
    requestedBy: event.requestedBy,
    authenticatedAs: event.authenticatedAs ?? "",
    metadata: event.metadata,
  };
}

/** A `Struct` that is not set is an empty one. */
export function structFromWire(struct: { readonly [key: string]: unknown } | undefined): JsonObject {
  return (struct ?? {}) as JsonObject;
}
