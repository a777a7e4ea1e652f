import type { TransactionId, WorkflowId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Attempts, missing } from "./attempt.ts";
import { releaseHold } from "./core/step.ts";
import type { Workflow, WorkflowEvent } from "./core/types.ts";
import { endHolds } from "./end-hold.ts";
import type { ManagerError } from "./errors.ts";
import type { OwnPart } from "./own-part.ts";
import type { CoordinatorSessions, TransactionOutcome } from "./ports.ts";

export type ResolveCommand = {
  readonly workflowId: WorkflowId;
  readonly transactionId: TransactionId;
  readonly outcome: TransactionOutcome;
};

/**
 * A workflow right after its hold has ended, and the event of the move if it was made. `again`: it had ended so before, and nothing was
 * written.
 */
export type Resolved = { readonly workflow: Workflow; readonly event: WorkflowEvent | undefined; readonly again: boolean };

/**
 * Ends all holds of a transaction by an operator's word: it has one end, and what it holds together ends together. Only its coordinator may end one, and what comes of this the spec does not model; so it is refused
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
  if (workflow === undefined) return err(await missing(store, workflowId, {}));
  if (workflow.hold?.transactionId !== transactionId) {
    const ended = (await store.outcome(transactionId))?.outcome;
    if (ended === outcome) return ok({ workflow, event: undefined, again: true });
    return ended === undefined ? refuse("it does not hold this workflow") : refuse(`it is ${ended} here`, ended);
  }
  const { coordinatorId } = workflow.hold;
  if (sessions.connectedTo(coordinatorId)) return refuse(`its coordinator ${coordinatorId} is connected, and tells how it ends`);
  const ended = await endHolds(dependencies, transactionId, outcome);
  if (ended?.ok) {
    sessions.reread(transactionId);
    const made = ended.value.find(({ event }) => event.workflowId === workflowId);
    const after = made?.workflow ?? releaseHold(workflow);
    return ok({ workflow: { ...after, metadata: workflow.metadata }, event: made?.event, again: false });
  }
  // The coordinator came back and was faster: its decision is found now.
  return ended === undefined || ended.error.type === "conflict" ? resolveTransition(dependencies, command) : err(ended.error);
}
