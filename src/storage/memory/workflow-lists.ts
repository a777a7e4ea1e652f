import { isWithin } from "../../kernel/range.ts";
import type { Workflow, WorkflowEvent } from "../../workflow/core/types.ts";
import { inOrder, placeOf } from "../../workflow/place.ts";
import type { ChangeSince, SortedStretch, WorkflowRanges, WorkflowStore } from "../../workflow/ports.ts";

type Page<Name extends "listSorted" | "changesSince"> = Parameters<WorkflowStore[Name]>[0];

export const isWanted = (workflow: Workflow, ranges: WorkflowRanges): boolean =>
  isWithin<string>(ranges.id, workflow.id) &&
  isWithin(ranges.type, workflow.type) &&
  isWithin<string>(ranges.state, workflow.state) &&
  isWithin(ranges.createdAtMs, workflow.createdAtMs) &&
  isWithin(ranges.createdBy, workflow.createdBy) &&
  isWithin(ranges.updatedAtMs, workflow.updatedAtMs) &&
  isWithin(ranges.updatedBy, workflow.updatedBy) &&
  isWithin(ranges.stateEnteredAtMs, workflow.stateEnteredAtMs) &&
  isWithin(ranges.version, workflow.version);

/** There are no indexes: all is looked at. */
export function listSorted(all: Iterable<Workflow>, { order, after, limit, ranges = {} }: Page<"listSorted">): SortedStretch {
  const compare = inOrder(order);
  const wanted = [...all]
    .map((workflow) => ({ workflow, place: placeOf(order, workflow) }))
    .filter(({ workflow, place }) => isWanted(workflow, ranges) && (after === undefined || compare(place, after) > 0))
    .toSorted((a, b) => compare(a.place, b.place));
  const rows = wanted.slice(0, limit);
  const upTo = rows.length === limit ? rows.at(-1)?.place : undefined;
  return { rows: rows.map(({ workflow }) => workflow), upTo, looked: rows.length, led: [] };
}

export function changesSince(
  events: readonly WorkflowEvent[],
  { snapshot, afterSequence, limit }: Page<"changesSince">,
): ChangeSince[] {
  return events
    .filter(({ sequence }) => sequence > afterSequence)
    .slice(0, limit)
    .map(({ sequence, workflowId, version }) => {
      const last = events.findLast((each) => each.workflowId === workflowId && each.sequence <= snapshot);
      const before = last && { version: last.version, updatedAtMs: last.occurredAtMs };
      return { sequence, workflowId, before: before ?? (version === 1 ? "absent" : "unknown") };
    });
}
