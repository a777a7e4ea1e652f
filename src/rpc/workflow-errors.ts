import { Status } from "nice-grpc-common";
import { unreachable } from "../kernel/assert.ts";
import { counted } from "../kernel/text.ts";
import type { Refusal } from "../workflow/core/errors.ts";
import type { ManagerError } from "../workflow/errors.ts";
import {
  invalidField,
  known,
  permissionDenied,
  quotaReached,
  requestIdReused,
  rpcError,
  storageUnavailable,
  violationText,
} from "./errors.ts";

/** A hold usually ends within a round trip or two to its participants. */
const inTransitionRetryMs = 200;
const unavailableRetryMs = 1000;
/** It has lost a thousand races, so there is a crowd. */
const overtakenRetryMs = 500;

/** What a call was about, so that a caller who does not know its outcome knows what to ask for. */
type Subject = { readonly workflowId?: string | undefined; readonly requestId?: string | undefined };

/** The one table from the manager's errors to what proto/concord/error/v1 promises. */
export function workflowError(error: ManagerError, { workflowId = "", requestId = "" }: Subject) {
  switch (error.type) {
    case "workflow-not-found":
      return rpcError({
        code: Status.NOT_FOUND,
        reason: "WORKFLOW_NOT_FOUND",
        message: `workflow "${error.workflowId}" does not exist`,
        metadata: { workflow_id: error.workflowId },
      });
    case "workflow-already-exists": {
      const { workflowId: id, differences } = error;
      const other =
        differences.length === 0 ? "" : `, and is another one: ${differences.map((each) => differenceWords[each]).join(", ")}`;
      return rpcError({
        code: Status.ALREADY_EXISTS,
        reason: "WORKFLOW_ALREADY_EXISTS",
        message: `workflow "${id}" exists already${other}`,
        metadata: { workflow_id: id, ...(differences.length > 0 && { different: differences.join(",") }) },
      });
    }
    case "permission-denied":
      return permissionDenied(`this call may not be about workflow "${error.workflowId}"`, { workflow_id: error.workflowId });
    case "workflow-purged":
      return rpcError({
        code: Status.NOT_FOUND,
        reason: "WORKFLOW_PURGED",
        message: `workflow "${error.workflowId}" was purged at ${new Date(error.purgedAtMs).toISOString()}`,
        metadata: { workflow_id: error.workflowId, purged_at: new Date(error.purgedAtMs).toISOString() },
      });
    case "id-retired":
      return rpcError({
        code: Status.ALREADY_EXISTS,
        reason: "WORKFLOW_ID_RETIRED",
        message: `there was a workflow "${error.workflowId}", which was purged, and its id is not free`,
        metadata: { workflow_id: error.workflowId },
      });
    case "workflow-limit-reached":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "WORKFLOW_LIMIT_REACHED",
        message: `the store holds ${error.limit} workflows, as many as --max-workflows allows`,
        metadata: { limit: String(error.limit) },
      });
    case "workflow-quota":
      return quotaReached("workflow", error, { more: "one", room: "purge what has ended" });
    case "terminal-state":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "TERMINAL_STATE",
        message: `workflow "${error.workflowId}" is ${error.state}; no move leads out of that state`,
        metadata: { workflow_id: error.workflowId, state: error.state, version: String(error.version) },
      });
    case "version-mismatch":
      return rpcError({
        code: Status.ABORTED,
        reason: "VERSION_MISMATCH",
        message:
          error.expectedVersion === undefined
            ? `workflow "${error.workflowId}" was changed by others again and again; it is at version ${error.currentVersion} now`
            : `workflow "${error.workflowId}" is at version ${error.currentVersion}, not ${error.expectedVersion}`,
        metadata: {
          workflow_id: error.workflowId,
          current_version: String(error.currentVersion),
          ...(error.expectedVersion === undefined ? {} : { expected_version: String(error.expectedVersion) }),
        },
        // Who expects a version looks anew; nobody else has to decide anything again.
        ...(error.expectedVersion === undefined && { retryAfterMs: overtakenRetryMs }),
      });
    case "in-transition":
      return rpcError({
        code: Status.ABORTED,
        reason: "IN_TRANSITION",
        message: `workflow "${error.workflowId}" is held by transaction ${error.transactionId}, on its way to ${error.targetState}`,
        metadata: { workflow_id: error.workflowId, transaction_id: error.transactionId, target_state: error.targetState },
        retryAfterMs: inTransitionRetryMs,
      });
    case "predicate-logic-unavailable":
      return rpcError({
        code: Status.UNAVAILABLE,
        reason: "PREDICATE_LOGIC_UNAVAILABLE",
        message: `the predicate engine did not answer, so nothing was done to workflow "${error.workflowId}"`,
        metadata: { workflow_id: error.workflowId },
        retryAfterMs: unavailableRetryMs,
      });
    case "predicate-logic-outdated":
      return rpcError({
        code: Status.UNAVAILABLE,
        reason: "PREDICATE_LOGIC_UNAVAILABLE",
        message: `the predicate engine is older than this server and judges no updates of metadata, so nothing was done to workflow "${error.workflowId}"; bring it up to date`,
        metadata: { workflow_id: error.workflowId },
      });
    case "metadata-too-large":
      return invalidField("metadata_patch", `would leave metadata that ${error.excess}`);
    case "predicate-logic-overloaded":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "OVERLOADED",
        message: `more waits for its rules than can be judged in time, so nothing was done to workflow "${error.workflowId}": ${error.cause}`,
        metadata: { workflow_id: error.workflowId },
        retryAfterMs: error.retryAfterMs,
      });
    case "predicate-logic-refused":
      return refused(error.workflowId, error.refusal);
    case "metadata-invalid": {
      const fields = error.violations.map(({ path, message }) => ({ field: path, description: message }));
      return rpcError({
        code: Status.INVALID_ARGUMENT,
        reason: "METADATA_INVALID",
        message: violationText(fields),
        metadata: { workflow_type: error.workflowType, rule_set_revision: String(error.ruleSetRevision) },
        fields,
      });
    }
    case "invalid-transition":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "INVALID_TRANSITION",
        message: `workflow "${error.workflowId}" cannot go from ${error.from} to ${error.to}; it can go to ${error.allowed.join(", ")}`,
        metadata: { workflow_id: error.workflowId, from: error.from, to: error.to, allowed: error.allowed.join(",") },
      });
    case "not-failed":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "NOT_FAILED",
        message: `workflow "${error.workflowId}" is ${error.state}; only a FAILED one can be recovered`,
        metadata: { workflow_id: error.workflowId, state: error.state },
      });
    case "recoveries-exhausted": {
      const { workflowId: id, retryCount, maxAttempts } = error;
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "RECOVERIES_EXHAUSTED",
        message: `workflow "${id}" was recovered ${counted(retryCount, "time")}; the policy of its type allows ${maxAttempts}`,
        metadata: { workflow_id: id, retry_count: String(retryCount), max_attempts: String(maxAttempts) },
      });
    }
    case "recovery-too-early": {
      const recoverableAt = new Date(error.recoverableAtMs).toISOString();
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "RECOVERY_TOO_EARLY",
        message: `workflow "${error.workflowId}" may be recovered from ${recoverableAt} on, by the policy of its type`,
        metadata: { workflow_id: error.workflowId, recoverable_at: recoverableAt },
        retryAfterMs: error.waitMs,
      });
    }
    case "deadline-invalid":
      return invalidField(`deadline.${error.problem.field}`, error.problem.description);
    case "deadline-not-set":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "DEADLINE_NOT_SET",
        message: `workflow "${error.workflowId}" is ${error.state} and has no deadline`,
        metadata: { workflow_id: error.workflowId, state: error.state },
      });
    case "rule-denied":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "RULE_DENIED",
        message: error.violations.map(({ ruleId, message }) => `${ruleId}: ${message}`).join("; "),
        metadata: { workflow_id: error.workflowId, rule_set_revision: String(error.ruleSetRevision) },
        // As far as there is room: what would not have stopped it comes last.
        preconditions: [
          ...error.violations.map((denial) => preconditionOf("RULE", denial)),
          ...(error.warnings ?? []).map((warning) => preconditionOf("RULE_WARNING", warning)),
        ],
      });
    case "policy-not-found":
      return rpcError({
        code: Status.NOT_FOUND,
        reason: "POLICY_NOT_FOUND",
        message: `${policyText(error.workflowType)} does not exist`,
        metadata: { workflow_type: error.workflowType },
      });
    case "policy-revision-mismatch": {
      const { workflowType, expected, current } = error;
      const is = current === 0 ? "does not exist" : `is at revision ${current}`;
      return rpcError({
        code: Status.ABORTED,
        reason: "POLICY_REVISION_MISMATCH",
        message: `${policyText(workflowType)} ${is}${expected === undefined ? ", and was changed again and again" : `, not ${expected}`}`,
        metadata: {
          workflow_type: workflowType,
          current: String(current),
          ...(expected === undefined ? {} : { expected: String(expected) }),
        },
      });
    }
    case "policy-limit-reached":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "POLICY_LIMIT_REACHED",
        message: `there are ${error.limit} policies, as many as there may be`,
        metadata: { limit: String(error.limit) },
      });
    case "request-id-reused":
      return requestIdReused(error.requestId);
    case "storage-unavailable":
      return storageUnavailable(known({ workflowId, requestId }));
    case "coordinator-unavailable":
      return rpcError({
        code: Status.UNAVAILABLE,
        reason: "COORDINATOR_UNAVAILABLE",
        message:
          "the transaction coordinator did not answer, so the outcome is unknown: retry with the same request_id, or look at the workflow",
        metadata: known({ workflowId, requestId, transactionId: error.transactionId }),
        retryAfterMs: unavailableRetryMs,
      });
    case "coordinator-overloaded":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "OVERLOADED",
        message: `the transaction coordinator takes no more now: ${error.cause}`,
        retryAfterMs: unavailableRetryMs,
      });
    case "coordinator-refused":
      return invalidField("enlist", error.cause);
    case "transaction-aborted":
      return rpcError({
        code: Status.ABORTED,
        reason: "TRANSACTION_ABORTED",
        message: `transaction ${error.transactionId} was aborted: ${error.abortReason}; ${
          error.workflowId === undefined ? "each workflow" : `workflow "${error.workflowId}"`
        } is as it was`,
        metadata: known({ workflowId: error.workflowId, transactionId: error.transactionId }),
        preconditions: error.refusals.map(({ participantId, reason }) => ({
          type: "PARTICIPANT",
          subject: participantId,
          description: reason,
        })),
      });
    case "transaction-state": {
      const { cause, outcome } = error;
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "TRANSACTION_STATE",
        message: `transaction ${error.transactionId} cannot be resolved at workflow "${error.workflowId}": ${cause}`,
        metadata: {
          workflow_id: error.workflowId,
          transaction_id: error.transactionId,
          ...(outcome === undefined ? {} : { outcome: outcome.toUpperCase() }),
        },
      });
    }
    case "outcome-pending":
      return rpcError({
        code: Status.DEADLINE_EXCEEDED,
        reason: "OUTCOME_PENDING",
        message: "the move has not ended in time, and ends without you: retry with the same request_id, or look at the workflow",
        metadata: known({ workflowId, requestId, transactionId: error.transactionId }),
      });
    default:
      return unreachable(error);
  }
}

const preconditionOf = (type: string, { ruleId, message }: { readonly ruleId: string; readonly message: string }) => ({
  type,
  subject: ruleId,
  description: message,
});

const differenceWords = {
  type: "it has another type",
  metadata: "it was created with other metadata",
  state: "it has not been started",
} as const;
const policyText = (workflowType: string): string =>
  workflowType === "" ? "a policy for all types" : `a policy of workflow type "${workflowType}"`;

/** It would be refused again. */
function refused(workflowId: string, { why, cause, limit, fields }: Refusal) {
  const message = `the predicate engine does not take what it is asked about workflow "${workflowId}": ${cause}`;
  const metadata = { workflow_id: workflowId, ...(limit !== undefined && { limit: String(limit) }) };
  switch (why) {
    case "invalid":
      return rpcError({ code: Status.INVALID_ARGUMENT, reason: "INVALID_REQUEST", message, metadata, fields });
    case "too-large":
      return rpcError({ code: Status.RESOURCE_EXHAUSTED, reason: "MESSAGE_TOO_LARGE", message, metadata });
    case "too-expensive":
      return rpcError({ code: Status.RESOURCE_EXHAUSTED, reason: "CHECKS_TOO_EXPENSIVE", message, metadata });
    default:
      return unreachable(why);
  }
}

/** Of a watch, or a sink, that wants to start before the sequence from which on none is missing. */
export const eventsPurged = (oldestSequence: number, way = "start at OLDEST_AVAILABLE, or read the workflows anew") =>
  rpcError({
    code: Status.OUT_OF_RANGE,
    reason: "REVISION_COMPACTED",
    message: `events up to ${oldestSequence - 1} were purged, or some of them; ${way}`,
    metadata: { oldest_sequence: String(oldestSequence) },
  });
