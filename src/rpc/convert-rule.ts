import {
  type DeepPartial,
  Judgement,
  type TransitionCheck,
  type TransitionVerdict,
  type Rule as WireRule,
  type RuleMove as WireRuleMove,
  RuleState as WireRuleState,
} from "../gen/concord/predicate/v1/predicate_logic.ts";
import type { WorkflowState as WireState, WorkflowEvent as WireWorkflowEvent } from "../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import type { WorkflowState } from "../kernel/lifecycle.ts";
import { answerBytesMax } from "../kernel/limits.ts";
import type { Check, Rule, RuleMove, Verdict, Violation } from "../predicate/core/types.ts";
import type { Question } from "../predicate/engine.ts";
import { eventTypeFromWire, stateFromWire, stateToWire, structFromWire } from "./convert-workflow.ts";
import { invalidField } from "./errors.ts";

/** `field` is where the check stands in the request. */
export function questionFromWire(check: TransitionCheck | undefined, field: string): Question {
  const workflow = check?.workflow;
  if (check === undefined || workflow === undefined) throw invalidField(`${field}.workflow`, "is required");
  return {
    workflow: {
      id: workflow.workflowId as WorkflowId,
      type: workflow.type,
      state: requiredState(workflow.state, `${field}.workflow.state`),
      previousState: stateFromWire(workflow.previousState, `${field}.workflow.previous_state`),
      version: Number(workflow.version),
      retryCount: workflow.retryCount,
      createdAtMs: workflow.createdAt?.getTime() ?? 0,
      createdBy: workflow.createdBy,
      updatedAtMs: workflow.updatedAt?.getTime() ?? 0,
      updatedBy: workflow.updatedBy,
      stateEnteredAtMs: workflow.stateEnteredAt?.getTime() ?? 0,
      metadata: structFromWire(workflow.metadata),
    },
    lastEvent: check.lastEvent && lastEventFromWire(check.lastEvent, `${field}.last_event`),
    targetState: requiredState(check.targetState, `${field}.target_state`),
    reason: check.reason,
    requestedBy: check.requestedBy,
    authenticatedAs: check.authenticatedAs,
    context: structFromWire(check.context),
    transaction: {
      id: check.transaction?.transactionId ?? "",
      participantIds: check.transaction?.participantIds ?? [],
    },
    atMs: check.at?.getTime(),
  };
}

function lastEventFromWire(event: WireWorkflowEvent, field: string): Check["lastEvent"] {
  return {
    type: eventTypeFromWire(event.type),
    fromState: stateFromWire(event.fromState, `${field}.from_state`),
    toState: stateFromWire(event.toState, `${field}.to_state`),
    occurredAtMs: event.occurredAt?.getTime() ?? 0,
    requestedBy: event.requestedBy,
    reason: event.reason,
    metadata: structFromWire(event.metadata),
  };
}

function requiredState(state: WireState, field: string): WorkflowState {
  const known = stateFromWire(state, field);
  if (known === undefined) throw invalidField(field, "is required");
  return known;
}

/** Each has an equal share of the answer, into which its first violation fits always. */
export function verdictsToWire(verdicts: readonly Verdict[]): DeepPartial<TransitionVerdict>[] {
  const shareBytes = answerBytesMax / verdicts.length - verdictOverheadBytes;
  return verdicts.map((verdict) => verdictToWire(verdict, shareBytes));
}

/** The judgement, the revision, what is omitted, and the lengths around it. */
const verdictOverheadBytes = 32;

/** The rule's id, its version, a flag, and the lengths of these. */
const violationOverheadBytes = 160;

function verdictToWire(verdict: Verdict, shareBytes: number): DeepPartial<TransitionVerdict> {
  const ruleSetRevision = BigInt(verdict.ruleSetRevision);
  switch (verdict.type) {
    case "allowed":
      return { judgement: Judgement.ALLOWED, ruleSetRevision };
    case "invalid-transition":
      return { judgement: Judgement.INVALID_TRANSITION, ruleSetRevision, allowedStates: verdict.allowedStates.map(stateToWire) };
    case "rule-denied": {
      const violations = fitting(verdict.violations, shareBytes);
      const violationsOmitted = verdict.violations.length - violations.length;
      return { judgement: Judgement.RULE_DENIED, ruleSetRevision, violations, violationsOmitted };
    }
    case "deferred":
      return { judgement: Judgement.DEFERRED, ruleSetRevision };
  }
}

/** The first ones. */
function fitting(violations: readonly Violation[], shareBytes: number): Violation[] {
  let left = shareBytes;
  const found = violations.findIndex(({ message }) => {
    left -= violationOverheadBytes + Buffer.byteLength(message);
    return left < 0;
  });
  return violations.slice(0, found < 0 ? violations.length : found);
}

export function moveFromWire(move: WireRuleMove, field: string): RuleMove {
  return {
    from: stateFromWire(move.fromState, `${field}.from_state`),
    to: stateFromWire(move.toState, `${field}.to_state`),
  };
}

export function ruleToWire(rule: Rule): DeepPartial<WireRule> {
  return {
    ruleId: rule.id,
    version: rule.version,
    description: rule.description,
    moves: rule.moves.map(({ from, to }) => ({ fromState: stateToWire(from), toState: stateToWire(to) })),
    expression: rule.expression,
    message: rule.message,
    priority: rule.priority,
    state: WireRuleState[rule.state],
    createdAt: new Date(rule.createdAtMs),
    updatedAt: new Date(rule.updatedAtMs),
    requestedBy: rule.requestedBy,
    reason: rule.reason,
  };
}
