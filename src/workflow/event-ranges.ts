import type { WorkflowId } from "../kernel/ids.ts";
import { intersection, isWithin } from "../kernel/range.ts";
import type { WorkflowEvent } from "./core/types.ts";
import type { EventRanges } from "./ports.ts";

/** A request can name a workflow, and so can its filter. */
export function rangesOf(workflowId: WorkflowId | undefined, known: EventRanges = {}): EventRanges {
  if (workflowId === undefined) return known;
  return { ...known, workflowId: intersection(known.workflowId ?? {}, { oneOf: [workflowId] }) };
}

export function isWithinRanges(event: WorkflowEvent, ranges: EventRanges): boolean {
  return (
    isWithin(ranges.id, event.id) &&
    isWithin(ranges.sequence, event.sequence) &&
    isWithin<string>(ranges.workflowId, event.workflowId) &&
    isWithin(ranges.workflowType, event.workflowType) &&
    isWithin<string>(ranges.type, event.type) &&
    isWithin<string>(ranges.toState, event.toState) &&
    isWithin(ranges.occurredAtMs, event.occurredAtMs) &&
    isWithin(ranges.requestedBy, event.requestedBy) &&
    isWithin(ranges.authenticatedAs, event.authenticatedAs ?? "")
  );
}
