import { isRecovery, type WorkflowState } from "../../kernel/lifecycle.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { WorkflowError } from "./errors.ts";
import type { RecoveryPolicy } from "./policy.ts";
import type { Workflow } from "./types.ts";

export type RecoveryRefusal = Extract<WorkflowError, { readonly type: "recovery-too-early" | "recoveries-exhausted" }>;

/** When a workflow that fails now may be recovered. Undefined: at once. */
export function recoverableAt(recovery: RecoveryPolicy | undefined, retryCount: number, failedAtMs: TimeMs): TimeMs | undefined {
  if (recovery === undefined) return undefined;
  const { initialBackoffMs, multiplier, maxBackoffMs } = recovery;
  // The power of a large count is Infinity, and so is more than enough.
  const backoffMs = initialBackoffMs === 0 ? 0 : Math.min(initialBackoffMs * multiplier ** retryCount, maxBackoffMs);
  return backoffMs === 0 ? undefined : failedAtMs + Math.round(backoffMs);
}

/** Why the policy forbids this move, if it does. How often a workflow may be recovered is the policy's of now, since when is that of its failure. */
export function recoveryRefusal(
  { id: workflowId, state, retryCount, recoverableAtMs }: Workflow,
  targetState: WorkflowState,
  recovery: RecoveryPolicy | undefined,
  nowMs: TimeMs,
): RecoveryRefusal | undefined {
  if (!isRecovery(state, targetState)) return undefined;
  const maxAttempts = recovery?.maxAttempts;
  if (maxAttempts !== undefined && retryCount >= maxAttempts) {
    return { type: "recoveries-exhausted", workflowId, retryCount, maxAttempts };
  }
  if (recoverableAtMs !== undefined && nowMs < recoverableAtMs) {
    return { type: "recovery-too-early", workflowId, recoverableAtMs, waitMs: recoverableAtMs - nowMs };
  }
  return undefined;
}
