import { allowedMoves, isMove, isRecovery, type WorkflowState } from "../../kernel/lifecycle.ts";
import type { Proved } from "../../kernel/principal.ts";
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
} & Proved;

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

/** What deadlines that lead back to where they began take at least, all together. */
export const deadlineCycleMsMin: DurationMs = 60_000;

/** Of workflows for which there is no policy. */
export const noTerms: PolicyTerms = { deadlines: [] };

/** Where something in a policy cannot be, and what would be right. */
export type PolicyProblem = { readonly field: string; readonly description: string };

/** What no field rule of the contract sees: it takes two fields, or the lifecycle. */
export function policyProblems(terms: PolicyTerms): readonly PolicyProblem[] {
  const { deadlines, recovery } = terms;
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
  return problems.length > 0 ? problems : cycleProblems(terms);
}

/** A loop for ever writes an event for each of its moves: it must be slow, or have an end. There is one at most, for four states have deadlines. */
function cycleProblems({ deadlines, recovery }: PolicyTerms): readonly PolicyProblem[] {
  const cycle = deadlines.map((first) => wayBack(first, deadlines)).find((way) => way.length > 0) ?? [];
  const [first] = cycle;
  if (first === undefined) return [];
  const isEnding = recovery?.maxAttempts !== undefined && cycle.some(isRecoveryOf);
  // One that recovers falls due when the workflow may be recovered, not before.
  const lasting = cycle.map((each) =>
    isRecoveryOf(each) ? Math.max(each.afterMs, recovery?.initialBackoffMs ?? 0) : each.afterMs,
  );
  const wholeMs = lasting.reduce((sum, ms) => sum + ms, 0);
  if (isEnding || wholeMs >= deadlineCycleMsMin) return [];
  const states = [...cycle.map(({ state }) => state), first.state].join(" → ");
  const end = cycle.some(isRecoveryOf) ? ", or recovery.max_attempts be set" : "";
  const description = `the deadlines ${states} lead round for ever, in ${wholeMs} ms; that must take at least ${deadlineCycleMsMin / 1000} s in all${end}`;
  return [{ field: `deadlines[${deadlines.indexOf(first)}].after`, description }];
}

/** The deadlines that lead from a state back to it; none, if they end or lead elsewhere. */
function wayBack(first: StateDeadline, deadlines: readonly StateDeadline[]): readonly StateDeadline[] {
  const way: StateDeadline[] = [];
  for (let at: StateDeadline | undefined = first; at !== undefined && !way.includes(at); ) {
    way.push(at);
    const targetState: WorkflowState = at.targetState;
    at = deadlines.find(({ state }) => state === targetState);
    if (at === first) return way;
  }
  return [];
}

const isRecoveryOf = ({ state, targetState }: StateDeadline): boolean => isRecovery(state, targetState);

export const movesText = (from: WorkflowState): string => allowedMoves(from).join(", ");
