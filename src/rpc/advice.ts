import { Status } from "nice-grpc";
import type { ClientFailure, Reason } from "./errors.ts";

/** What a caller knows after a failed call, and what it may do. docs/retries.md has the same for people; a test holds the two together. */
export type Advice = {
  /** "unknown": what was asked for may have happened, or may still happen. */
  readonly outcome: "not done" | "unknown";
  /**
   * "same": the same request with the same request id, after the RetryInfo if there is one. "anew": look, and ask for what is right then,
   * with a new request id. "no": not before somebody has changed something.
   */
  readonly retry: "same" | "anew" | "no";
};

const refused: Advice = { outcome: "not done", retry: "no" };
const overtaken: Advice = { outcome: "not done", retry: "anew" };
const later: Advice = { outcome: "not done", retry: "same" };
const unknown: Advice = { outcome: "unknown", retry: "same" };
/** Also of what a newer server says. */
const unclear: Advice = { outcome: "unknown", retry: "no" };

const adviceByReason: Readonly<Record<Reason, Advice>> = {
  INVALID_REQUEST: refused,
  REQUEST_ID_REUSED: overtaken,
  WORKFLOW_NOT_FOUND: refused,
  WORKFLOW_ALREADY_EXISTS: refused,
  WORKFLOW_PURGED: refused,
  WORKFLOW_ID_RETIRED: refused,
  WORKFLOW_LIMIT_REACHED: refused,
  TERMINAL_STATE: refused,
  VERSION_MISMATCH: overtaken,
  IN_TRANSITION: later,
  PREDICATE_LOGIC_UNAVAILABLE: later,
  INVALID_TRANSITION: overtaken,
  RULE_DENIED: overtaken,
  NOT_FAILED: overtaken,
  TRANSACTION_ABORTED: later,
  REVISION_COMPACTED: overtaken,
  OVERLOADED: later,
  STORAGE_UNAVAILABLE: unknown,
  RULE_NOT_FOUND: refused,
  RULE_ALREADY_EXISTS: refused,
  RULE_INVALID: refused,
  RULE_STATE: overtaken,
  RULE_LIMIT_REACHED: refused,
  CHECKS_TOO_EXPENSIVE: refused,
  TRANSACTION_NOT_FOUND: overtaken,
  COORDINATOR_UNAVAILABLE: unknown,
  COORDINATOR_FENCED: unknown,
  SESSION_SUPERSEDED: later,
  SESSION_TIMEOUT: later,
  PROTOCOL_VERSION: refused,
  PROTOCOL_VIOLATION: refused,
  SHUTTING_DOWN: unknown,
  OUTCOME_PENDING: unknown,
  INTERNAL: unclear,
  TRANSACTION_STATE: overtaken,
  PARTICIPANT_ENLISTED: refused,
  PARTICIPANT_LIMIT_REACHED: refused,
  MESSAGE_TOO_LARGE: refused,
  UNREADABLE_CALL: refused,
  PARTICIPANT_LAGS: later,
  PARTICIPANT_STATE: overtaken,
  REQUEST_INCOMPLETE: later,
  RULE_TESTS_FAILED: refused,
  RULE_SET_ITEM_NOT_FOUND: refused,
  REVISION_NOT_FOUND: refused,
  REVISION_NOT_REACHED: later,
  RULE_VERSION_MISMATCH: overtaken,
  METADATA_INVALID: refused,
  VERDICT_LOG_OFF: refused,
  RECOVERY_TOO_EARLY: later,
  RECOVERIES_EXHAUSTED: refused,
  POLICY_NOT_FOUND: refused,
  POLICY_REVISION_MISMATCH: overtaken,
  POLICY_LIMIT_REACHED: refused,
  PAGE_TOKEN_EXPIRED: overtaken,
  BATCH_ABORTED: overtaken,
  BULK_OPERATION_NOT_FOUND: refused,
  BULK_OPERATION_STATE: overtaken,
  BULK_OPERATION_LIMIT_REACHED: later,
  SINK_NOT_FOUND: refused,
  SINK_STATE: overtaken,
  DEADLINE_NOT_SET: overtaken,
  UNAUTHENTICATED: refused,
  PERMISSION_DENIED: refused,
  ISSUER_UNAVAILABLE: later,
};

/** Of a call that Concord itself has not answered: the connection broke, the caller's time was over, or somebody between has answered. */
const adviceByStatus: Readonly<Partial<Record<Status, Advice>>> = {
  [Status.UNAVAILABLE]: unknown,
  [Status.DEADLINE_EXCEEDED]: unknown,
  [Status.CANCELLED]: unknown,
  // What some libraries say of a connection that broke: "channel closed", "Stream removed", a stream that was reset.
  [Status.UNKNOWN]: unknown,
  [Status.INTERNAL]: unknown,
  [Status.INVALID_ARGUMENT]: refused,
  [Status.UNIMPLEMENTED]: refused,
  [Status.UNAUTHENTICATED]: refused,
  [Status.PERMISSION_DENIED]: refused,
  [Status.RESOURCE_EXHAUSTED]: refused,
};

export function adviceOf({ reason, code, retryAfterMs }: Pick<ClientFailure, "reason" | "code" | "retryAfterMs">): Advice {
  // Its caller expected no version, and so need not look.
  if (reason === "VERSION_MISMATCH" && retryAfterMs !== undefined) return later;
  const known = reason === undefined ? adviceByStatus[code] : adviceByReason[reason as Reason];
  return known ?? unclear;
}
