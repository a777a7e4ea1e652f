import { compare } from "../kernel/range.ts";
import type { Workflow } from "./core/types.ts";
import type { WorkflowOrder, WorkflowPlace } from "./ports.ts";

/** Where a workflow is in an order, as it is. */
export function placeOf({ by }: Pick<WorkflowOrder, "by">, workflow: Workflow): WorkflowPlace {
  const keys = { id: 0, created: workflow.createdAtMs, updated: workflow.updatedAtMs, version: workflow.version };
  return { key: keys[by], id: workflow.id };
}

/** Below 0: `a` comes first in ascending order. */
export const comparePlaces = (a: WorkflowPlace, b: WorkflowPlace): number => a.key - b.key || compare(a.id, b.id);

/** Below 0: `a` comes first. */
export const inOrder =
  ({ descending }: WorkflowOrder) =>
  (a: WorkflowPlace, b: WorkflowPlace): number =>
    descending ? comparePlaces(b, a) : comparePlaces(a, b);
