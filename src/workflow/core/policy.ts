import { allowedMoves, isMove, type WorkflowState } from "../../kernel/lifecycle.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";

/** What holds for all workflows of a type. See proto/concord/workflow/v1/policy.proto for the meaning of each field. */
export type TypePolicy = {
  /** Empty: of all types that have none of their own. */
  readonly workflowType: string;
  readonly revision: number;
  readonly terms: PolicyTerms;
  readonly updatedAtMs: TimeMs;
  readonly updatedBy: string;
  readonly reason: string;
};

/** It is stored as JSON, so what is not said is left out. */
export type PolicyTerms = {
  /** One for each state at most. */
  readonly deadlines: readonly StateDeadline[];
  readonly recovery?: RecoveryPolicy;
  readonly retention?: RetentionPolicy;
  /** Keys of metadata by whose values lists find workflows. */
  readonly indexedMetadata?: readonly string[];
};

export type StateDeadline = {
  readonly state: WorkflowState;
  readonly afterMs: DurationMs;
  readonly targetState: WorkflowState;
  readonly reason: string;
};

export type RecoveryPolicy = {
  readonly maxAttempts?: number;
  readonly initialBackoffMs: DurationMs;
  readonly multiplier: number;
  readonly maxBackoffMs: DurationMs;
};

/** What becomes of workflows that have ended. */
export type RetentionPolicy = {
  readonly afterMs: DurationMs;
  /** Durable in the archive before they are purged. */
  readonly archive: boolean;
  readonly freeIds: boolean;
};

/** Of workflows for which there is no policy. */
export const noTerms: PolicyTerms = { deadlines: [] };

/** Where something in a policy cannot be, and what would be right. */
export type PolicyProblem = { readonly field: string; readonly description: string };

/** What no field rule of the contract sees: it takes two fields, or the lifecycle. */
export function policyProblems({ deadlines, recovery }: PolicyTerms): readonly PolicyProblem[] {
  const problems = deadlines.flatMap(({ state, targetState }, index): PolicyProblem[] => {
    const at = `deadlines[${index}]`;
    if (deadlines.findIndex((other) => other.state === state) < index) {
      return [{ field: `${at}.state`, description: `${state} has a deadline already; a state has one` }];
    }
    if (isMove(state, targetState)) return [];
    return [{ field: `${at}.target_state`, description: `must be one of ${movesText(state)}, where ${state} can go` }];
  });
  if (recovery !== undefined && recovery.maxBackoffMs < recovery.initialBackoffMs) {
    return [...problems, { field: "recovery.max_backoff", description: "must be at least initial_backoff" }];
  }
  return problems;
}

export const movesText = (from: WorkflowState): string => allowedMoves(from).join(", ");
