import { assert } from "../../kernel/assert.ts";
import { assertOneStep, assertWorkflow } from "./invariants.ts";
import type { Change, Stamp } from "./step.ts";
import type { NewWorkflowEvent, Workflow } from "./types.ts";
import { noWarnings } from "./warnings.ts";

/** What is not said of it is as in every event without rules, metadata and transaction. */
type EventInPlace = Pick<NewWorkflowEvent, "type" | "reason" | "requestedBy"> & Partial<NewWorkflowEvent>;

/** A change that is no move: the workflow stays in its state, whose time goes on, and has one version and one event more. */
export function changeInPlace(
  workflow: Workflow,
  fields: Partial<Pick<Workflow, "deadline" | "metadata">>,
  event: EventInPlace,
  { nowMs, eventId }: Stamp,
): Change {
  assert(workflow.hold === undefined, "only the holder changes a held workflow");
  const next: Workflow = {
    ...workflow,
    ...fields,
    version: workflow.version + 1,
    // The wall clock may have been set back; a record's times must still make sense.
    updatedAtMs: Math.max(nowMs, workflow.updatedAtMs),
    updatedBy: event.requestedBy,
  };
  assertWorkflow(next);
  assertOneStep(workflow, next);
  return {
    workflow: next,
    event: {
      id: eventId,
      workflowId: next.id,
      workflowType: next.type,
      fromState: next.state,
      toState: next.state,
      version: next.version,
      occurredAtMs: next.updatedAtMs,
      retryCount: next.retryCount,
      ruleSetRevision: 0,
      warnings: noWarnings,
      metadata: {},
      transactionId: undefined,
      ...event,
    },
  };
}
