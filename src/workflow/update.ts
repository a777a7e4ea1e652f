import type { WorkflowId } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";
import { provedOf } from "../kernel/principal.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Answer, type Attempts, barredFrom, missing, unjudged } from "./attempt.ts";
import type { Call } from "./calls.ts";
import { changeOnce } from "./change-once.ts";
import { admit } from "./core/step.ts";
import type { Consent, Workflow } from "./core/types.ts";
import { applyUpdate, consentToUpdate, proposedMetadata, type Update } from "./core/update.ts";
import type { ManagerError } from "./errors.ts";
import type { Asker } from "./ports.ts";

export type UpdateCommand = {
  readonly workflowId: WorkflowId;
  readonly expectedVersion: number | undefined;
  readonly context: JsonObject;
  readonly update: Update;
  readonly request: RequestKey | undefined;
};

type Judged = { readonly workflow: Workflow; readonly metadata: JsonObject; readonly consent: Consent };

/** Changes the metadata of a workflow, as it is then. */
export function updateOnce(attempts: Attempts, command: UpdateCommand, call: Call): Promise<Result<Answer, ManagerError>> {
  return changeOnce(attempts, command, call, {
    judgeNow: () => judgeUpdate(attempts, command, call),
    change: ({ workflow, metadata, consent }, stamp) => applyUpdate(workflow, command.update, metadata, consent, stamp),
  });
}

/** All checks, in the agreed order. Schema and rules are one question, so that they are those of one revision. */
export async function judgeUpdate(
  { store, predicates, environment }: Attempts,
  command: Omit<UpdateCommand, "request">,
  asker: Asker,
): Promise<Result<Judged, ManagerError>> {
  const { context, update } = command;
  const found = await store.getWithLastEvent(command.workflowId);
  if (found === undefined) return err(await missing(store, command.workflowId, asker));
  const barred = barredFrom(found.workflow, asker);
  if (barred !== undefined) return err(barred);
  const admitted = admit(found.workflow, command);
  if (!admitted.ok) return admitted;
  const workflow = admitted.value;
  const proposed = proposedMetadata(workflow, update);
  if (!proposed.ok) return proposed;
  const check = {
    workflow,
    lastEvent: found.lastEvent,
    targetState: workflow.state,
    proposed: proposed.value,
    reason: update.reason,
    requestedBy: update.requestedBy,
    ...provedOf(update),
    context,
    transaction: undefined,
    atMs: environment.nowMs(),
  };
  const verdict = await predicates.check(check, asker);
  if (!verdict.ok) return err(unjudged(verdict.error, workflow.id));
  const consented = consentToUpdate(workflow, verdict.value);
  return consented.ok ? ok({ workflow, metadata: proposed.value, consent: consented.value }) : consented;
}
