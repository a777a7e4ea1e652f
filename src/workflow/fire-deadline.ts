import type { Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { type Answer, type Attempts, type MoveCommand, stampOf } from "./attempt.ts";
import type { Caller } from "./calls.ts";
import { deadlineActor } from "./core/deadline.ts";
import { refuseDeadline } from "./core/set-deadline.ts";
import type { ManagerError } from "./errors.ts";
import type { DueWorkflow } from "./ports.ts";
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
 * Makes the move of a deadline, as a caller would: through all checks, and only from the version that has this deadline. So it is made once
 * at most, and not after the deadline was changed or cancelled. specs/WorkflowManager.tla: Fire.
 */
export function createFireDeadline(
  dependencies: Pick<Attempts, "store" | "environment"> & {
    readonly move: (command: MoveCommand, caller: Caller) => Promise<Result<Answer, ManagerError>>;
  },
): FireDeadline {
  const { store, environment, move } = dependencies;

  async function refuse({ workflowId, version }: DueWorkflow, why: string): Promise<Fired> {
    const workflow = await store.get(workflowId);
    if (workflow?.version !== version || workflow.hold !== undefined) return { type: "overtaken" };
    const { workflow: next, event } = refuseDeadline(workflow, why, stampOf(environment, workflow.type));
    const applied = await store.apply({
      puts: [{ workflow: next, expected: { version, heldBy: undefined } }],
      events: [event],
    });
    if (applied.ok) return { type: "refused", why };
    return applied.error.type === "conflict" ? { type: "overtaken" } : { type: "delayed", cause: applied.error.type };
  }

  return async (due, signal) => {
    const { workflowId, version: expectedVersion, deadline } = due;
    const { targetState, reason, atMs } = deadline;
    const wanted = { targetState, reason, requestedBy: deadlineActor, eventMetadata: {}, request: undefined };
    const command = { workflowId, expectedVersion, mustRecover: false, context: {}, move: wanted };
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
        return refuse(due, refusalText(error));
      default:
        return { type: "delayed", cause: error.type };
    }
  };
}
