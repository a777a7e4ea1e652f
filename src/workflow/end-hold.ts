import { assert } from "../kernel/assert.ts";
import type { TransactionId, WorkflowId } from "../kernel/ids.ts";
import { ok, type Result } from "../kernel/result.ts";
import type { Breathe } from "../kernel/turns.ts";
import type { WriteFailure } from "../kernel/write.ts";
import { type Answer, type Attempts, inSlices, rememberAnswers, stampOf, withoutMetadata } from "./attempt.ts";
import { commitHold, releaseHold } from "./core/step.ts";
import type { Workflow } from "./core/types.ts";
import { heldPageSize } from "./limits.ts";
import type { OwnPart } from "./own-part.ts";
import type { TransactionOutcome, WorkflowBatch, WorkflowConflict, WorkflowStore } from "./ports.ts";

type Ending = Pick<Attempts, "store" | "environment" | "turns"> & { readonly ownPart: OwnPart };

export const isHolding = async (store: WorkflowStore, transactionId: TransactionId): Promise<boolean> =>
  (await store.heldBy({ transactionId, limit: 1 })).length > 0;

/**
 * Ends all that a transaction holds here as it ended, in one batch, and tells who waits for it. How it ended is written with it, so that a
 * repeat is known as one. Yields the workflows with their events, in the order of ids, if it has committed; undefined, if it holds nothing.
 */
export async function endHolds(
  { store, environment, turns, ownPart }: Ending,
  transactionId: TransactionId,
  outcome: TransactionOutcome,
): Promise<Result<readonly Answer[], WriteFailure<WorkflowConflict>> | undefined> {
  const breathe = turns();
  const held = await allHeldBy(store, transactionId, breathe);
  const hold = held[0]?.hold;
  if (hold === undefined) return undefined;
  const { coordinatorId } = hold;
  const isCommit = outcome === "committed";
  const changes = isCommit ? await inSlices(held, breathe, (each) => commitHold(each, stampOf(environment, each.type))) : [];
  const after = isCommit ? changes.map(({ workflow }) => workflow) : held.map(releaseHold);
  const batch: WorkflowBatch = {
    puts: after.map((workflow, index) => ({
      workflow,
      expected: { version: held[index]?.version ?? 0, heldBy: transactionId },
      keeps: isCommit ? "metadata" : "all but the hold",
    })),
    events: changes.map(({ event }) => event),
    outcome: { transactionId, coordinatorId, outcome, atMs: environment.nowMs() },
  };
  const remembered = isCommit
    ? rememberAnswers(
        held.map((each) => each.hold?.move.request),
        environment,
      )
    : {};
  const answered = await store.apply({ ...batch, ...remembered });
  // An id was misused for another request since the prepare. The decision stands; only its answer is not remembered.
  const isMisused = !answered.ok && answered.error.type === "conflict" && answered.error.conflict.type === "request-exists";
  const applied = isMisused ? await store.apply(batch) : answered;
  if (!applied.ok) return applied;
  assert(applied.value.length === changes.length, "EventPerChange");
  const answers = applied.value.flatMap((event, index) => {
    const workflow = after[index];
    return workflow === undefined ? [] : { workflow, event };
  });
  ownPart.ended(transactionId, isCommit ? answers : undefined);
  return ok(answers);
}

/** Several of them without their metadata, which need not all be in memory. */
async function allHeldBy(store: WorkflowStore, transactionId: TransactionId, breathe: Breathe): Promise<readonly Workflow[]> {
  const held: Workflow[] = [];
  for (let afterId: WorkflowId | undefined; ; afterId = held.at(-1)?.id) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const page = await store.heldBy({ transactionId, afterId, limit: heldPageSize });
    if (held.length === 0 && page.length === 1) return page;
    held.push(...page.map(withoutMetadata));
    if (page.length < heldPageSize) return held;
  }
}
