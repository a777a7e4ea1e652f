import { Status } from "nice-grpc-common";
import type { Reason } from "../rpc/errors.ts";

/**
 * What a reason for failure is over HTTP. 400: the request is wrong, or asks for a move that the lifecycle does not have. 401: nobody has proved who
 * asks, 403: that one may not. 404: there is no such thing, 410: there is no more. 409: it is right, and what it is about is not so now: look at it,
 * then ask again, or not. 413: too much at once. 429 and 503: later, after `Retry-After`. 504: its time is over, and how it ends is not known.
 *
 * A denial by a rule is 409, not 403: nobody lacks a right. It is what the workflow is, or what was asked of it, that the rule does not allow.
 */
export const statusOfReason: Readonly<Record<Reason, number>> = {
  INVALID_REQUEST: 400,
  REQUEST_ID_REUSED: 400,
  WORKFLOW_NOT_FOUND: 404,
  WORKFLOW_ALREADY_EXISTS: 409,
  WORKFLOW_LIMIT_REACHED: 507,
  TERMINAL_STATE: 409,
  VERSION_MISMATCH: 409,
  IN_TRANSITION: 409,
  PREDICATE_LOGIC_UNAVAILABLE: 503,
  INVALID_TRANSITION: 400,
  RULE_DENIED: 409,
  NOT_FAILED: 400,
  TRANSACTION_ABORTED: 409,
  REVISION_COMPACTED: 410,
  OVERLOADED: 429,
  STORAGE_UNAVAILABLE: 503,
  RULE_NOT_FOUND: 404,
  RULE_ALREADY_EXISTS: 409,
  RULE_INVALID: 400,
  RULE_STATE: 409,
  RULE_LIMIT_REACHED: 507,
  TRANSACTION_NOT_FOUND: 404,
  COORDINATOR_UNAVAILABLE: 503,
  COORDINATOR_FENCED: 503,
  SESSION_SUPERSEDED: 409,
  SESSION_TIMEOUT: 504,
  PROTOCOL_VERSION: 400,
  PROTOCOL_VIOLATION: 400,
  SHUTTING_DOWN: 503,
  OUTCOME_PENDING: 504,
  INTERNAL: 500,
  TRANSACTION_STATE: 409,
  PARTICIPANT_ENLISTED: 409,
  PARTICIPANT_LIMIT_REACHED: 409,
  CHECKS_TOO_EXPENSIVE: 413,
  MESSAGE_TOO_LARGE: 413,
  UNREADABLE_CALL: 400,
  PARTICIPANT_LAGS: 429,
  PARTICIPANT_STATE: 409,
  REQUEST_INCOMPLETE: 408,
  RULE_TESTS_FAILED: 409,
  RULE_SET_ITEM_NOT_FOUND: 404,
  REVISION_NOT_FOUND: 404,
  REVISION_NOT_REACHED: 409,
  RULE_VERSION_MISMATCH: 409,
  METADATA_INVALID: 400,
  VERDICT_LOG_OFF: 409,
  RECOVERY_TOO_EARLY: 409,
  RECOVERIES_EXHAUSTED: 409,
  BATCH_ABORTED: 409,
  BULK_OPERATION_NOT_FOUND: 404,
  BULK_OPERATION_STATE: 409,
  BULK_OPERATION_LIMIT_REACHED: 429,
  POLICY_LIMIT_REACHED: 507,
  DEADLINE_NOT_SET: 409,
  POLICY_NOT_FOUND: 404,
  POLICY_REVISION_MISMATCH: 409,
  PAGE_TOKEN_EXPIRED: 410,
  SINK_NOT_FOUND: 404,
  SINK_STATE: 409,
  WORKFLOW_PURGED: 410,
  WORKFLOW_ID_RETIRED: 409,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  ISSUER_UNAVAILABLE: 503,
};

/** Of what has no reason: gRPC's own failures, and those of health. As google/rpc/code.proto has them. */
const statusOfCode: Readonly<Partial<Record<Status, number>>> = {
  [Status.INVALID_ARGUMENT]: 400,
  [Status.OUT_OF_RANGE]: 400,
  [Status.FAILED_PRECONDITION]: 409,
  [Status.NOT_FOUND]: 404,
  [Status.ALREADY_EXISTS]: 409,
  [Status.ABORTED]: 409,
  [Status.RESOURCE_EXHAUSTED]: 429,
  [Status.UNIMPLEMENTED]: 501,
  [Status.UNAVAILABLE]: 503,
  [Status.DEADLINE_EXCEEDED]: 504,
  [Status.PERMISSION_DENIED]: 403,
  [Status.UNAUTHENTICATED]: 401,
};

export function statusOf({ reason, code }: { readonly reason: string | undefined; readonly code: Status }): number {
  return (statusOfReason as Readonly<Record<string, number>>)[reason ?? ""] ?? statusOfCode[code] ?? 500;
}
