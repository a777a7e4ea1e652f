/** specs/WorkflowManager.tla: States. */
export const workflowStates = ["CREATED", "ACTIVE", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"] as const;

export type WorkflowState = (typeof workflowStates)[number];

/** The nine legal moves. specs/WorkflowManager.tla: Lifecycle. */
const moves: Readonly<Record<WorkflowState, readonly WorkflowState[]>> = {
  CREATED: ["ACTIVE"],
  ACTIVE: ["PAUSED", "COMPLETED", "FAILED", "CANCELLED"],
  PAUSED: ["ACTIVE", "CANCELLED"],
  COMPLETED: [],
  FAILED: ["ACTIVE", "CANCELLED"],
  CANCELLED: [],
};

/** What a change of a workflow can be; each is recorded as an event of its kind. */
export const workflowEventTypes = [
  "CREATED",
  "TRANSITION",
  "FAILED",
  "RECOVERED",
  "UPDATED",
  "DEADLINE_SET",
  "DEADLINE_REFUSED",
] as const;

export type WorkflowEventType = (typeof workflowEventTypes)[number];

/** Where a workflow can go from `state`. Empty for a terminal state. */
export function allowedMoves(state: WorkflowState): readonly WorkflowState[] {
  return moves[state];
}

export function isMove(from: WorkflowState, to: WorkflowState): boolean {
  return moves[from].includes(to);
}

export function isTerminal(state: WorkflowState): boolean {
  return moves[state].length === 0;
}

/** FAILED→ACTIVE: the one move that counts as a retry of the work. */
export function isRecovery(from: WorkflowState, to: WorkflowState): boolean {
  return from === "FAILED" && to === "ACTIVE";
}
