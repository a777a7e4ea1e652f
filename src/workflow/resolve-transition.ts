import type { TransactionId, WorkflowId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Attempts, missing } from "./attempt.ts";
import { endHold, type HoldEnd } from "./end-hold.ts";
import type { ManagerError } from "./errors.ts";
import type { OwnPart } from "./own-part.ts";
import type { CoordinatorSessions, TransactionOutcome } from "./ports.ts";

export type ResolveCommand = {
  readonly workflowId: WorkflowId;
  readonly transactionId: TransactionId;
  readonly outcome: TransactionOutcome;
};

/** `again`: it had ended so before, and nothing was written. */
export type Resolved = HoldEnd & { readonly again: boolean };

/**
 * Ends a hold by an operator's word. Only its coordinator may end one, and what comes of this the spec does not model; so it is refused
 * while that coordinator is there to be asked.
 */
export async function resolveTransition(
  dependencies: Attempts & { readonly ownPart: OwnPart; readonly sessions: CoordinatorSessions },
  command: ResolveCommand,
): Promise<Result<Resolved, ManagerError>> {
  const { store, sessions } = dependencies;
  const { workflowId, transactionId, outcome } = command;
  const refuse = (cause: string, ended?: TransactionOutcome): Result<Resolved, ManagerError> =>
    err({ type: "transaction-state", workflowId, transactionId, outcome: ended, cause });
  const workflow = await store.get(workflowId);
  if (workflow === undefined) return err(await missing(store, workflowId));
  if (workflow.hold?.transactionId !== transactionId) {
    const ended = (await store.outcome(transactionId))?.outcome;
    if (ended === outcome) return ok({ workflow, event: undefined, again: true });
    return ended === undefined ? refuse("it does not hold this workflow") : refuse(`it is ${ended} here`, ended);
  }
  const { coordinatorId } = workflow.hold;
  if (sessions.connectedTo(coordinatorId)) return refuse(`its coordinator ${coordinatorId} is connected, and tells how it ends`);
  const ended = await endHold(dependencies, workflow, outcome);
  if (ended.ok) {
    sessions.reread(transactionId);
    return ok({ ...ended.value, again: false });
  }
  // The coordinator came back and was faster: its decision is found now.
  return ended.error.type === "conflict" ? resolveTransition(dependencies, command) : err(ended.error);
}
