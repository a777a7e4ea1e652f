import { aboutWorkflow, isParticipantIn, nameOf, type Permission } from "../access/core/policy.ts";
import { hasAllWithId, isInScope, type Named, type WorkflowScope } from "../access/core/scope.ts";
import type { Guard } from "../workflow/ports.ts";
import { permissionDenied } from "./errors.ts";

/** For whoever acts upon workflows: it looks at each that it has loaded. Undefined: there is nothing to be looked for. */
export function guardOf(permission: Permission): Guard | undefined {
  const { workflows, visible } = permission;
  if (workflows === "all") return undefined;
  return { of: (workflow) => aboutWorkflow(permission, workflow), maySeeGone: (id) => hasAllWithId(visible, id) };
}

/** What a handler asks of its call. */
type Permitted = { readonly permission: Permission };

/** Of workflows that the request itself describes. */
export function checkWorkflows({ permission }: Permitted, workflows: Iterable<Named>): void {
  if (permission.workflows === "all") return;
  for (const { id, type } of workflows) {
    if (!isInScope(permission.workflows, { id, type }))
      throw permissionDenied(`what you are granted is not for workflow "${id}" of type "${type}"`, { workflow_id: id });
  }
}

export function checkParticipants({ permission }: Permitted, ids: Iterable<string>): void {
  if (permission.participants === "all") return;
  for (const id of ids) {
    if (!isParticipantIn(permission.participants, id))
      throw permissionDenied(`what you are granted is not for participant "${id}"`, { participant_id: id });
  }
}

/** What changes at once what judges takes both roles of rules. */
export function checkSetsRules({ permission }: Permitted, method: string): void {
  if (!permission.maySetRules)
    throw permissionDenied(
      `${nameOf(method)} changes at once what judges: it takes both rule-author and rule-activator; write a rule, and have it activated`,
    );
}

/** Of what concerns all workflows of a type, or (without one) of all types that have nothing of their own. */
export function checkWholeType(
  { permission: { workflows } }: Permitted,
  type: string,
  isWhole: (scope: WorkflowScope) => boolean,
): void {
  if (!isWhole(workflows)) throw permissionDenied(`what you are granted is not for all workflows of type "${type}"`);
}
