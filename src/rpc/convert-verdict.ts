import type { ListAllowedTransitionsRequest } from "../gen/concord/predicate/v1/predicate_logic.ts";
import {
  type DeepPartial,
  Judgement,
  type TransitionCheck,
  type TransitionVerdict,
  type ShadowDifference as WireShadowDifference,
  type VerdictRecord as WireVerdictRecord,
} from "../gen/concord/predicate/v1/verdict.ts";
import { WorkflowState as WireState, type WorkflowEvent as WireWorkflowEvent } from "../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import { allowedMoves, type WorkflowState } from "../kernel/lifecycle.ts";
import { answerBytesMax } from "../kernel/limits.ts";
import { provedFrom } from "../kernel/principal.ts";
import type { Question } from "../predicate/answers.ts";
import type { Check, Findings, ShadowDifference, Verdict, Violation } from "../predicate/core/types.ts";
import type { Decided, VerdictRecord } from "../predicate/verdict-record.ts";
import { eventTypeFromWire, lastEventToWire, stateFromWire, stateToWire, structFromWire } from "./convert-workflow.ts";
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
      recoverableAtMs: workflow.recoverableAt?.getTime(),
      metadata: structFromWire(workflow.metadata),
    },
    lastEvent: check.lastEvent && lastEventFromWire(check.lastEvent, `${field}.last_event`),
    targetState: targetStateOf(check, field),
    ...(check.proposedMetadata && { proposed: structFromWire(check.proposedMetadata) }),
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

/** What questions are about, as far as whom they may be asked by depends on it. */
export const workflowsOf = (questions: readonly Question[]): Iterable<Pick<Question["workflow"], "id" | "type">> =>
  questions.map(({ workflow }) => workflow);

/** A question for each move that the lifecycle has from the state of the workflow. */
export function moveQuestionsFromWire(request: ListAllowedTransitionsRequest): readonly Question[] {
  const state = requiredState(request.workflow?.state ?? WireState.UNSPECIFIED, "workflow.state");
  const { workflow, reason, requestedBy, context, at, lastEvent, authenticatedAs } = request;
  return allowedMoves(state).map((targetState) => {
    const asked = { workflow, reason, requestedBy, context, at, lastEvent, authenticatedAs };
    const check = { ...asked, transaction: undefined, proposedMetadata: undefined };
    return questionFromWire({ ...check, targetState: stateToWire(targetState) }, "");
  });
}

function lastEventFromWire(event: WireWorkflowEvent, field: string): Check["lastEvent"] {
  return {
    type: eventTypeFromWire(event.type),
    fromState: stateFromWire(event.fromState, `${field}.from_state`),
    toState: stateFromWire(event.toState, `${field}.to_state`),
    occurredAtMs: event.occurredAt?.getTime() ?? 0,
    requestedBy: event.requestedBy,
    ...provedFrom(event.authenticatedAs),
    reason: event.reason,
    metadata: structFromWire(event.metadata),
  };
}

/** An update moves nothing: what asks for both is no question. */
function targetStateOf({ workflow, targetState, proposedMetadata }: TransitionCheck, field: string): WorkflowState {
  const target = requiredState(targetState, `${field}.target_state`);
  if (proposedMetadata !== undefined && targetState !== workflow?.state)
    throw invalidField(
      `${field}.target_state`,
      "must be the state of the workflow: proposed_metadata is of an update, which moves nothing",
    );
  return target;
}

function requiredState(state: WireState, field: string): WorkflowState {
  const known = stateFromWire(state, field);
  if (known === undefined) throw invalidField(field, "is required");
  return known;
}

/** Each has an equal share of the answer, into which its first violation fits always. */
export function verdictsToWire(verdicts: readonly Verdict[], bytesMax = answerBytesMax): DeepPartial<TransitionVerdict>[] {
  const shareBytes = bytesMax / verdicts.length - verdictOverheadBytes;
  return verdicts.map((verdict) => verdictToWire(verdict, shareBytes));
}

/** The judgement, the revision, the cost, what is omitted or not judged, and the lengths around it. */
const verdictOverheadBytes = 40;

/** The rule's id, its version, a flag, and the lengths of these. */
const violationOverheadBytes = 160;

function verdictToWire(verdict: Verdict, shareBytes: number): DeepPartial<TransitionVerdict> {
  const ruleSetRevision = BigInt(verdict.ruleSetRevision);
  switch (verdict.type) {
    case "allowed":
      return { judgement: Judgement.ALLOWED, ruleSetRevision, ...findingsToWire(verdict, createRoom(shareBytes)) };
    case "invalid-transition":
      return { judgement: Judgement.INVALID_TRANSITION, ruleSetRevision, allowedStates: verdict.allowedStates.map(stateToWire) };
    case "metadata-invalid":
      return { judgement: Judgement.METADATA_INVALID, ruleSetRevision, metadataViolations: [...verdict.problems] };
    case "rule-denied": {
      const room = createRoom(shareBytes);
      const violations = room.fitting(verdict.violations);
      const violationsOmitted = verdict.violations.length - violations.length;
      const findings = findingsToWire(verdict, room);
      return { judgement: Judgement.RULE_DENIED, ruleSetRevision, violations, violationsOmitted, ...findings };
    }
    case "deferred":
      return { judgement: Judgement.DEFERRED, ruleSetRevision };
  }
}

function findingsToWire(
  { warnings, audits, shadows, shadowsNotJudged, cost }: Findings,
  room: Room,
): DeepPartial<TransitionVerdict> {
  const shown = room.fitting(warnings);
  return {
    warnings: shown,
    warningsOmitted: warnings.length - shown.length,
    audits: room.fitting(audits),
    shadows: room.fitting(shadows.map(shadowToWire)),
    shadowsNotJudged,
    cost: BigInt(cost),
  };
}

function shadowToWire({ ruleId, shadowVersion, activeVersion, violation }: ShadowDifference) {
  return {
    ruleId,
    shadowVersion,
    activeVersion: activeVersion ?? 0,
    holds: violation === undefined,
    message: violation?.message ?? "",
    evaluationFailed: violation?.evaluationFailed ?? false,
  } satisfies WireShadowDifference;
}

type Room = { readonly fitting: <Item extends Pick<Violation, "message">>(items: readonly Item[]) => Item[] };

/** Of each list the first ones, as long as there is room in the share. */
function createRoom(shareBytes: number): Room {
  let left = shareBytes;
  const fits = ({ message }: Pick<Violation, "message">): boolean => {
    left -= violationOverheadBytes + Buffer.byteLength(message);
    return left >= 0;
  };
  return {
    fitting: (items) => {
      const found = items.findIndex((item) => !fits(item));
      return items.slice(0, found < 0 ? items.length : found);
    },
  };
}

/** All of it: what is written down has been cut. */
export function wholeVerdictToWire(verdict: Decided, violationsOmitted: number): DeepPartial<TransitionVerdict> {
  return { ...verdictToWire(verdict, answerBytesMax), violationsOmitted };
}

export function recordToWire(record: VerdictRecord): DeepPartial<WireVerdictRecord> {
  return {
    sequence: BigInt(record.sequence),
    judgedAt: new Date(record.judgedAtMs),
    verdict: wholeVerdictToWire(record.verdict, record.violationsOmitted),
    workflowId: record.workflowId,
    workflowType: record.workflowType,
    fromState: stateToWire(record.fromState),
    toState: stateToWire(record.toState),
    requestedBy: record.requestedBy,
    authenticatedAs: record.authenticatedAs,
    inputDigest: record.inputDigest,
    ...(record.input && { input: checkToWire(record.input) }),
  };
}

export function checkToWire(check: Check): DeepPartial<TransitionCheck> {
  const { workflow, lastEvent, transaction } = check;
  return {
    workflow: {
      workflowId: workflow.id,
      type: workflow.type,
      state: stateToWire(workflow.state),
      previousState: stateToWire(workflow.previousState),
      version: BigInt(workflow.version),
      retryCount: workflow.retryCount,
      createdAt: new Date(workflow.createdAtMs),
      createdBy: workflow.createdBy,
      updatedAt: new Date(workflow.updatedAtMs),
      updatedBy: workflow.updatedBy,
      stateEnteredAt: new Date(workflow.stateEnteredAtMs),
      recoverableAt: workflow.recoverableAtMs === undefined ? undefined : new Date(workflow.recoverableAtMs),
      metadata: workflow.metadata,
    },
    ...(lastEvent && { lastEvent: lastEventToWire(lastEvent) }),
    targetState: stateToWire(check.targetState),
    proposedMetadata: check.proposed,
    reason: check.reason,
    requestedBy: check.requestedBy,
    authenticatedAs: check.authenticatedAs,
    context: check.context,
    transaction: { transactionId: transaction.id, participantIds: [...transaction.participantIds] },
    at: new Date(check.atMs),
  };
}
