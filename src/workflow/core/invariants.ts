import { assert } from "../../kernel/assert.ts";
import { isMove, isRecovery, isTerminal } from "../../kernel/lifecycle.ts";
import type { Workflow } from "./types.ts";

/** What is true of every stored workflow. The names are those of specs/WorkflowManager.tla. */
export function assertWorkflow(workflow: Workflow): void {
  const { state, previousState, version, hold, retryCount, createdAtMs, stateEnteredAtMs, updatedAtMs } = workflow;
  const { deadline, recoverableAtMs } = workflow;
  assert(version >= 1, "VersionMonotonicity");
  // No move leads to CREATED.
  assert((previousState === undefined) === (state === "CREATED"), "StateConsistency: it has moved, or is where it was created");
  assert(version > 1 || state === "CREATED", "StateConsistency: version 1 is the creation");
  assert(previousState === undefined || isMove(previousState, state), "TransitionValidity");
  assert(hold === undefined || isMove(state, hold.move.targetState), "TransitionValidity: of a held move");
  assert(hold === undefined || !isTerminal(state), "TerminalStateImmutability");
  assert(deadline === undefined || isMove(state, deadline.targetState), "DeadlineValidity: of its state");
  assert(recoverableAtMs === undefined || state === "FAILED", "RecoveryValidity: only what has failed is recovered");
  assert(retryCount >= 0 && createdAtMs <= stateEnteredAtMs && stateEnteredAtMs <= updatedAtMs, "StateConsistency");
}

/** What is true of every applied change. */
export function assertOneStep(before: Workflow, after: Workflow): void {
  assert(before.id === after.id && before.type === after.type, "StateConsistency");
  assert(!isTerminal(before.state), "TerminalStateImmutability");
  assert(after.version === before.version + 1, "VersionMonotonicity");
  const recovered = isRecovery(before.state, after.state) ? 1 : 0;
  assert(after.retryCount === before.retryCount + recovered, "RecoverySessionValidity");
}
