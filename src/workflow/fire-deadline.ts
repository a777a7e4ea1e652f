import type { Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { type Answer, type Attempts, type MoveCommand, raceCountMax, stampOf } from "./attempt.ts";
import type { Caller } from "./calls.ts";
import { deadlineActor, isSameDeadline } from "./core/deadline.ts";
import { refuseDeadline } from "./core/set-deadline.ts";
import type { ManagerError } from "./errors.ts";
import type { DueWorkflow, WorkflowStore } from "./ports.ts";
import { refusalText } from "./refusal-text.ts";

/** What has become of a deadline that was due. */
export type Fired =
  | { readonly type: "moved"; readonly lateMs: DurationMs }
  /** The move was refused for good, and the deadline is dropped. */
  | { readonly type: "refused"; readonly why: string }
  /** The workflow was changed meanwhile, or is held: what it has now is looked at anew. */
  | { readonly type: "overtaken" }
  /** It could not be made now. */
  | { readonly type: "delayed"; readonly cause: string };

export type FireDeadline = (due: DueWorkflow, signal: AbortSignal) => Promise<Fired>;

/**
 * Makes the move of a deadline, as a caller would: through all checks, and only from a version that has this deadline. So it is made once
 * at most, and not after the deadline was changed or cancelled; changes that leave the deadline alone do not keep it from being made.
 * specs/WorkflowManager.tla: Fire.
 */
export function createFireDeadline(
  dependencies: Pick<Attempts, "store" | "environment"> & {
    readonly move: (command: MoveCommand, caller: Caller) => Promise<Result<Answer, ManagerError>>;
  },
): FireDeadline {
  const { store, environment, move } = dependencies;

  /** Only if nothing has changed since the move was judged: of what there is by now, it may be allowed. */
  async function refuse({ workflowId, version }: DueWorkflow, error: ManagerError): Promise<Fired> {
    const why = refusalText(error);
    const ruleSetRevision = error.type === "rule-denied" ? error.ruleSetRevision : 0;
    const workflow = await store.get(workflowId);
    if (workflow?.version !== version || workflow.hold !== undefined) return { type: "overtaken" };
    const { workflow: next, event } = refuseDeadline(workflow, { why, ruleSetRevision }, stampOf(environment, workflow.type));
    const applied = await store.apply({
      puts: [{ workflow: next, expected: { version, heldBy: undefined } }],
      events: [event],
    });
    if (applied.ok) return { type: "refused", why };
    return applied.error.type === "conflict" ? { type: "overtaken" } : { type: "delayed", cause: applied.error.type };
  }

  return async (due, signal) => {
    const { workflowId, deadline } = due;
    const { targetState, reason, atMs } = deadline;
    // It is this process that asks, which needs no other proof.
    const actor = { requestedBy: deadlineActor, authenticatedAs: deadlineActor };
    const wanted = { targetState, reason, ...actor, eventMetadata: {}, request: undefined };
    const command = { workflowId, expectedVersion: undefined, mustRecover: false, mustHave: deadline, context: {}, move: wanted };
    const moved = await move(command, { signal });
    if (moved.ok) return { type: "moved", lateMs: Math.max(0, environment.nowMs() - atMs) };
    const { error } = moved;
    switch (error.type) {
      case "workflow-not-found":
      case "workflow-purged":
      case "terminal-state":
      case "version-mismatch":
      case "in-transition":
        return { type: "overtaken" };
      case "invalid-transition":
      case "recoveries-exhausted":
      case "rule-denied":
      case "predicate-logic-refused":
        return refuse(due, error);
      default:
        return { type: "delayed", cause: error.type };
    }
  };
}

/**
 * The same, and at once again as long as what it has lost to has left the deadline alone. Otherwise who patches the metadata all the time would
 * keep it from being made.
 */
export function firingAgain(store: Pick<WorkflowStore, "get">, fire: FireDeadline): FireDeadline {
  return async (due, signal) => {
    let current = due;
    for (let race = 1; ; race += 1) {
      const fired = await fire(current, signal);
      if (fired.type !== "overtaken" || race === raceCountMax || signal.aborted) return fired;
      const workflow = await store.get(due.workflowId);
      if (workflow?.hold !== undefined || !isSameDeadline(workflow?.deadline, due.deadline)) return fired;
      current = { ...due, version: workflow?.version ?? due.version };
    }
  };
}
