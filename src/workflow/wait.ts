import type { WorkflowId } from "../kernel/ids.ts";
import { isTerminal, type WorkflowState } from "../kernel/lifecycle.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { barredFrom, missing } from "./attempt.ts";
import type { Workflow, WorkflowEvent } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";
import type { Guard, WorkflowStore } from "./ports.ts";
import type { Watch } from "./watch.ts";

/** Nobody holds a place for longer; who wants to wait on asks again. The contract says the same. */
export const waitMsMax: DurationMs = 60_000;

export type WantedWorkflow = {
  readonly workflowId: WorkflowId;
  /** Empty: any. */
  readonly states: readonly WorkflowState[];
  /** Undefined: any. */
  readonly minVersion: number | undefined;
  readonly guard?: Guard | undefined;
};

export type Waited = {
  readonly workflow: Workflow;
  readonly isReached: boolean;
  /** Which made it so, or ended the wait. */
  readonly event: WorkflowEvent | undefined;
};

/**
 * Waits until a workflow is as wanted, or in a terminal state. It follows the events, so nothing that happens meanwhile is missed, and nothing
 * is read while nothing happens. Throws the reason of the signal that ends it.
 */
export async function waitForWorkflow(
  dependencies: { readonly store: WorkflowStore; readonly watch: Watch },
  wanted: WantedWorkflow,
  signal: AbortSignal,
): Promise<Result<Waited, ManagerError>> {
  const { store, watch } = dependencies;
  const { workflowId } = wanted;
  // Read before the workflow: what comes between the two is told, and known already.
  const { newest } = await store.sequences();
  const workflow = await store.get(workflowId);
  if (workflow === undefined) return err(await missing(store, workflowId, wanted));
  const barred = barredFrom(workflow, wanted);
  if (barred !== undefined) return err(barred);
  const isReached = isAsWanted(wanted, workflow.state, workflow.version);
  if (isReached || isTerminal(workflow.state)) return ok({ workflow, isReached, event: undefined });
  // No progress is told in so short a time.
  const options = { afterSequence: newest, workflowId, filter: undefined, progressIntervalMs: 2 * waitMsMax, signal };
  for await (const message of watch(options)) {
    for (const event of message.type === "events" ? message.events : []) {
      if (event.version <= workflow.version) continue;
      const isSo = isAsWanted(wanted, event.toState, event.version);
      if (!isSo && !isTerminal(event.toState)) continue;
      const now = await store.get(workflowId);
      return now === undefined ? err(await missing(store, workflowId, wanted)) : ok({ workflow: now, isReached: isSo, event });
    }
  }
  // What follows was purged before it was read: it is looked at anew.
  return waitForWorkflow(dependencies, wanted, signal);
}

/** With neither state nor version, the end is wanted. */
function isAsWanted({ states, minVersion }: WantedWorkflow, state: WorkflowState, version: number): boolean {
  if (states.length === 0 && minVersion === undefined) return isTerminal(state);
  return (states.length === 0 || states.includes(state)) && version >= (minVersion ?? 1);
}
