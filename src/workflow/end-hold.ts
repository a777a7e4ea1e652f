import { assert } from "../kernel/assert.ts";
import { ok, type Result } from "../kernel/result.ts";
import type { WriteFailure } from "../kernel/write.ts";
import { type Attempts, rememberAnswer, stampOf } from "./attempt.ts";
import { commitHold, releaseHold } from "./core/step.ts";
import type { Workflow, WorkflowEvent } from "./core/types.ts";
import type { OwnPart } from "./own-part.ts";
import type { TransactionOutcome, WorkflowBatch, WorkflowConflict } from "./ports.ts";

/** A workflow right after its hold has ended, and the event of the move if it was made. */
export type HoldEnd = { readonly workflow: Workflow; readonly event: WorkflowEvent | undefined };

/** Ends a hold as its transaction ended, and tells who waits for it. How it ended is written with it, so that a repeat is known as one. */
export async function endHold(
  { store, environment, ownPart }: Pick<Attempts, "store" | "environment"> & { readonly ownPart: OwnPart },
  held: Workflow,
  outcome: TransactionOutcome,
): Promise<Result<HoldEnd, WriteFailure<WorkflowConflict>>> {
  const { hold, version } = held;
  assert(hold !== undefined, "only a hold is ended");
  const { transactionId, coordinatorId, move } = hold;
  const isCommit = outcome === "committed";
  const { workflow, event } = isCommit
    ? commitHold(held, stampOf(environment, held.type))
    : { workflow: releaseHold(held), event: undefined };
  const batch: WorkflowBatch = {
    puts: [{ workflow, expected: { version, heldBy: transactionId } }],
    events: event ? [event] : [],
    outcome: { transactionId, coordinatorId, outcome, atMs: environment.nowMs() },
  };
  const answered = await store.apply(isCommit ? { ...batch, ...rememberAnswer(move.request, environment) } : batch);
  // The id was misused for another request since the prepare. The decision stands; only its answer is not remembered.
  const isMisused = !answered.ok && answered.error.type === "conflict" && answered.error.conflict.type === "request-exists";
  const applied = isMisused ? await store.apply(batch) : answered;
  if (!applied.ok) return applied;
  const [stored] = applied.value;
  assert((stored !== undefined) === isCommit, "EventPerChange");
  ownPart.ended(transactionId, stored && { workflow, event: stored });
  return ok({ workflow, event: stored });
}
