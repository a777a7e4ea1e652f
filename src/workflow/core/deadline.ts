import { allowedMoves, isMove, type WorkflowState } from "../../kernel/lifecycle.ts";
import { systemPrefix } from "../../kernel/system-actor.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";
import { movesText, type PolicyTerms } from "./policy.ts";

/** The move that a workflow will make if it is still in its state then. It belongs to that state: leaving the state ends it. */
export type Deadline = {
  readonly atMs: TimeMs;
  readonly targetState: WorkflowState;
  /** Of the move. */
  readonly reason: string;
  readonly setBy: string;
  readonly setAtMs: TimeMs;
};

/** A deadline as a caller wants it, of a state that the workflow is in or comes into. */
export type WantedDeadline = {
  readonly due: { readonly atMs: TimeMs } | { readonly afterMs: DurationMs };
  readonly targetState: WorkflowState;
  readonly reason: string;
};

/** What is wrong with a wanted deadline. `field` is of the contract's Deadline. */
export type DeadlineProblem = { readonly field: "target_state" | "at" | "after"; readonly description: string };

/** Who makes the move of a deadline. */
export const deadlineActor = `${systemPrefix}deadline`;

/** Who sets a deadline that nobody has asked for: the policy of the type. */
export const policyActor = `${systemPrefix}policy`;

/** What is longer ago is a mistake. What is not is due at once: clocks differ, and requests take their time. */
export const deadlinePastMsMax: DurationMs = 60_000;

/** Ten years of 365 days. */
export const deadlineAheadMsMax: DurationMs = 10 * 365 * 24 * 3_600_000;

/** Also after changes that have left it alone. */
export const isSameDeadline = (one: Deadline | undefined, other: Deadline): boolean =>
  one !== undefined &&
  one.atMs === other.atMs &&
  one.targetState === other.targetState &&
  one.reason === other.reason &&
  one.setBy === other.setBy &&
  one.setAtMs === other.setAtMs;

/** Of a deadline for this state. */
export function deadlineProblem(
  state: WorkflowState,
  { due, targetState }: WantedDeadline,
  nowMs: TimeMs,
): DeadlineProblem | undefined {
  if (!isMove(state, targetState)) {
    const description =
      allowedMoves(state).length === 0
        ? `no move leads out of ${state}, so it can have no deadline`
        : `must be one of ${movesText(state)}, where ${state} can go`;
    return { field: "target_state", description };
  }
  const now = new Date(nowMs).toISOString();
  if ("afterMs" in due) return undefined;
  if (due.atMs < nowMs - deadlinePastMsMax) {
    return { field: "at", description: `is in the past by more than a minute; the server's clock says ${now}` };
  }
  if (due.atMs > nowMs + deadlineAheadMsMax) {
    return { field: "at", description: `must be at most ten years ahead; the server's clock says ${now}` };
  }
  return undefined;
}

/**
 * The deadline of a workflow that is, or comes into, a state: the wanted one, else what its policy says. One that would recover it falls due
 * when it may be recovered, not before.
 */
export function deadlineIn(
  { state, recoverableAtMs }: { readonly state: WorkflowState; readonly recoverableAtMs: TimeMs | undefined },
  wanted: WantedDeadline | undefined,
  { deadlines }: PolicyTerms,
  change: { readonly requestedBy: string; readonly nowMs: TimeMs },
): Deadline | undefined {
  const policy = wanted === undefined ? deadlines.find((each) => each.state === state) : undefined;
  const chosen = policy === undefined ? wanted : { ...policy, due: { afterMs: policy.afterMs } };
  if (chosen === undefined) return undefined;
  const { due, targetState, reason } = chosen;
  const dueMs = "atMs" in due ? due.atMs : change.nowMs + due.afterMs;
  const atMs = state === "FAILED" && targetState === "ACTIVE" ? Math.max(dueMs, recoverableAtMs ?? dueMs) : dueMs;
  const setBy = policy === undefined ? change.requestedBy : policyActor;
  return { atMs, targetState, reason, setBy, setAtMs: change.nowMs };
}
