import { assert } from "../../kernel/assert.ts";
import type { TransactionId, WorkflowId } from "../../kernel/ids.ts";
import type { JsonObject } from "../../kernel/json.ts";
import {
  allowedMoves,
  isMove,
  isRecovery,
  isTerminal,
  type WorkflowEventType,
  type WorkflowState,
} from "../../kernel/lifecycle.ts";
import { type Proved, provedOf } from "../../kernel/principal.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { TimeMs } from "../../kernel/time.ts";
import { deadlineIn, type WantedDeadline } from "./deadline.ts";
import type { WorkflowError } from "./errors.ts";
import { assertOneStep, assertWorkflow } from "./invariants.ts";
import type { PolicyTerms } from "./policy.ts";
import { recoverableAt, recoveryRefusal } from "./recovery.ts";
import type { Consent, Hold, Move, NewWorkflowEvent, Workflow } from "./types.ts";
import { keptOf, noWarnings } from "./warnings.ts";

/** A workflow after a change, and the event that records it. */
export type Change = { readonly workflow: Workflow; readonly event: NewWorkflowEvent };

/** When, under what policy, and the identity of a change: inputs, for the core has neither clock nor store nor randomness. */
export type Stamp = { readonly nowMs: TimeMs; readonly eventId: string; readonly terms: PolicyTerms };

/** The predicate engine's answer, as far as the core cares. */
export type Verdict =
  | ({ readonly type: "allowed" } & Consent)
  | { readonly type: "invalid-transition" }
  /** Of an update: what it would leave does not meet the schema. */
  | {
      readonly type: "metadata-invalid";
      readonly ruleSetRevision: number;
      readonly violations: readonly { readonly path: string; readonly message: string }[];
    }
  | {
      readonly type: "rule-denied";
      readonly ruleSetRevision: number;
      readonly violations: readonly { readonly ruleId: string; readonly message: string }[];
      /** Of rules that would not have stopped it. */
      readonly warnings?: readonly { readonly ruleId: string; readonly message: string }[];
    };

export type Creation = {
  readonly id: WorkflowId;
  readonly type: string;
  readonly metadata: JsonObject;
  readonly reason: string;
  readonly requestedBy: string;
  /** With which the metadata was checked; 0: it was not. */
  readonly ruleSetRevision: number;
  /** Without it, what the policy of the type says. */
  readonly deadline?: WantedDeadline;
} & Proved;

/** specs/WorkflowManager.tla: Write, of a create. */
export function create(creation: Creation, { nowMs, eventId, terms }: Stamp): Change {
  const { requestedBy } = creation;
  const deadline = deadlineIn({ state: "CREATED", recoverableAtMs: undefined }, creation.deadline, terms, { nowMs, requestedBy });
  const workflow: Workflow = {
    id: creation.id,
    type: creation.type,
    state: "CREATED",
    previousState: undefined,
    version: 1,
    createdAtMs: nowMs,
    createdBy: requestedBy,
    updatedAtMs: nowMs,
    updatedBy: requestedBy,
    stateEnteredAtMs: nowMs,
    hold: undefined,
    metadata: creation.metadata,
    retryCount: 0,
    recoverableAtMs: undefined,
    deadline,
  };
  assertWorkflow(workflow);
  const event: NewWorkflowEvent = {
    id: eventId,
    workflowId: workflow.id,
    workflowType: workflow.type,
    type: "CREATED",
    fromState: undefined,
    toState: workflow.state,
    version: workflow.version,
    occurredAtMs: nowMs,
    retryCount: 0,
    reason: creation.reason,
    requestedBy,
    ruleSetRevision: creation.ruleSetRevision,
    warnings: noWarnings,
    metadata: creation.metadata,
    transactionId: undefined,
    ...provedOf(creation),
    ...(deadline && { deadline }),
  };
  return { workflow, event };
}

/**
 * The checks that come before the predicate engine is asked. A workflow that passes may be asked about.
 * specs/WorkflowManager.tla: Precheck.
 */
export function admit(
  workflow: Workflow | undefined,
  wanted: { readonly workflowId: WorkflowId; readonly expectedVersion: number | undefined },
): Result<Workflow, WorkflowError> {
  const { workflowId, expectedVersion } = wanted;
  if (workflow === undefined) return err({ type: "workflow-not-found", workflowId });
  assertWorkflow(workflow);
  const { state, version, hold } = workflow;
  if (isTerminal(state)) return err({ type: "terminal-state", workflowId, state, version });
  if (expectedVersion !== undefined && expectedVersion !== version) {
    return err({ type: "version-mismatch", workflowId, expectedVersion, currentVersion: version });
  }
  if (hold !== undefined) {
    const { transactionId, move } = hold;
    return err({ type: "in-transition", workflowId, transactionId, targetState: move.targetState, heldFor: move.request?.id });
  }
  return ok(workflow);
}

/**
 * The checks that come after the predicate engine has answered. Yields under which rule-set revision, and with which warnings, the move is allowed.
 * specs/WorkflowManager.tla: Verdict.
 */
export function consent(
  workflow: Workflow,
  wanted: { readonly targetState: WorkflowState; readonly mustRecover: boolean },
  verdict: Verdict,
  { nowMs, terms }: Pick<Stamp, "nowMs" | "terms">,
): Result<Consent, WorkflowError> {
  const { id: workflowId, state: from } = workflow;
  const to = wanted.targetState;
  if (wanted.mustRecover && from !== "FAILED") return err({ type: "not-failed", workflowId, state: from });
  // The engine knows the lifecycle too, but a workflow never moves on its word alone.
  if (verdict.type === "invalid-transition" || !isMove(from, to)) {
    return err({ type: "invalid-transition", workflowId, from, to, allowed: allowedMoves(from) });
  }
  const refusal = recoveryRefusal(workflow, to, terms.recovery, nowMs);
  return refusal === undefined ? consentIn(workflow, verdict) : err(refusal);
}

/** What the rules, and the schema, have said. */
export function consentIn({ id: workflowId, type }: Workflow, verdict: Asked): Result<Consent, WorkflowError> {
  const { ruleSetRevision } = verdict;
  if (verdict.type === "metadata-invalid") {
    return err({ type: "metadata-invalid", workflowType: type, ruleSetRevision, violations: verdict.violations });
  }
  if (verdict.type === "rule-denied") return err({ ...verdict, workflowId });
  return ok({ ruleSetRevision, warnings: keptOf(verdict.warnings) });
}

type Asked = Exclude<Verdict, { readonly type: "invalid-transition" }>;

/** Makes an allowed move. specs/WorkflowManager.tla: Write. */
export function applyMove(
  workflow: Workflow,
  move: Move,
  { ruleSetRevision, warnings }: Consent,
  stamp: Stamp,
  transactionId: TransactionId | undefined,
): Change {
  assert(workflow.hold?.transactionId === transactionId, "RecoverySessionValidity: only the holder moves a held workflow");
  const { targetState: state, requestedBy } = move;
  const { nowMs, terms } = stamp;
  const recovery = isRecovery(workflow.state, state);
  // The wall clock may have been set back; a record's times must still make sense.
  const movedAtMs = Math.max(nowMs, workflow.updatedAtMs);
  const retryCount = workflow.retryCount + (recovery ? 1 : 0);
  const recoverableAtMs = state === "FAILED" ? recoverableAt(terms.recovery, retryCount, nowMs) : undefined;
  const deadline = deadlineIn({ state, recoverableAtMs }, move.deadline, terms, { nowMs, requestedBy });
  const next: Workflow = {
    ...workflow,
    state,
    previousState: workflow.state,
    version: workflow.version + 1,
    updatedAtMs: movedAtMs,
    updatedBy: requestedBy,
    stateEnteredAtMs: movedAtMs,
    hold: undefined,
    retryCount,
    recoverableAtMs,
    deadline,
  };
  assertWorkflow(next);
  assertOneStep(workflow, next);
  const event: NewWorkflowEvent = {
    id: stamp.eventId,
    workflowId: next.id,
    workflowType: next.type,
    type: eventType(workflow.state, next.state),
    fromState: workflow.state,
    toState: next.state,
    version: next.version,
    occurredAtMs: next.updatedAtMs,
    retryCount: next.retryCount,
    reason: move.reason,
    requestedBy,
    ruleSetRevision,
    warnings,
    metadata: move.eventMetadata,
    transactionId,
    ...provedOf(move),
    ...(deadline && { deadline }),
  };
  return { workflow: next, event };
}

/** Holds an allowed move for a transaction: the participant's promise. specs/AtomicTransition.tla: ManagerPrepare. */
export function holdMove(workflow: Workflow, hold: Hold): Workflow {
  assert(workflow.hold === undefined, "a workflow has one holder");
  const held = { ...workflow, hold };
  assertWorkflow(held);
  return held;
}

/** Carries out a held move. specs/AtomicTransition.tla: ManagerCommit. */
export function commitHold(workflow: Workflow, stamp: Stamp): Change {
  const { hold } = workflow;
  assert(hold !== undefined, "CommitValidity: only a prepared move commits");
  return applyMove(workflow, hold.move, hold, stamp, hold.transactionId);
}

/** Undoes a hold; the version does not change. specs/AtomicTransition.tla: ManagerAbort. */
export function releaseHold(workflow: Workflow): Workflow {
  assert(workflow.hold !== undefined, "only a held workflow is released");
  return { ...workflow, hold: undefined };
}

function eventType(from: WorkflowState, to: WorkflowState): WorkflowEventType {
  if (isRecovery(from, to)) return "RECOVERED";
  return to === "FAILED" ? "FAILED" : "TRANSITION";
}
