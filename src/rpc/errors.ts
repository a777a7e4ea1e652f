import { type ClientError, ServerError, Status } from "nice-grpc-common";
import { BadRequest, ErrorInfo, PreconditionFailure, RetryInfo, RichClientError, RichServerError } from "nice-grpc-error-details";
import type { ErrorReason } from "../gen/concord/error/v1/error.ts";
import { thereAre } from "../kernel/text.ts";
import type { DurationMs } from "../kernel/time.ts";
import { StorageUnavailableError } from "../kernel/write.ts";

export const errorDomain = "concord";

/** A name of `concord.error.v1.ErrorReason`, without its prefix. */
export type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED" | "UNRECOGNIZED">;

export type FieldViolation = { readonly field: string; readonly description: string };

export type PreconditionViolation = { readonly type: string; readonly subject: string; readonly description: string };

/** All that a caller is told of a failed call. See proto/concord/error/v1/error.proto for the code that goes with each reason. */
export type RpcFailure = {
  readonly code: Status;
  readonly reason: Reason;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number;
  readonly fields?: readonly FieldViolation[];
  readonly preconditions?: readonly PreconditionViolation[];
};

/**
 * A failure travels in the trailers, message and details both, encoded. Clients accept 8 KiB of them, and some end the whole
 * connection over more: what does not fit is left out, the first violations stay.
 */
const messageBytesMax = 600;
const violationBytesMax = 500;
const violationsBytesMax = 3_000;

/** Throw it: the server's middleware sends it as status, message and standard error details. */
export function rpcError(failure: RpcFailure): RichServerError {
  const details: ConstructorParameters<typeof RichServerError>[2] = [
    ErrorInfo.fromPartial({ reason: failure.reason, domain: errorDomain, metadata: { ...failure.metadata } }),
  ];
  if (failure.fields !== undefined) {
    details.push(BadRequest.fromPartial({ fieldViolations: fitting(failure.fields) }));
  }
  if (failure.preconditions !== undefined) {
    details.push(PreconditionFailure.fromPartial({ violations: fitting(failure.preconditions) }));
  }
  if (failure.retryAfterMs !== undefined) {
    const seconds = Math.floor(failure.retryAfterMs / 1000);
    const nanos = Math.round((failure.retryAfterMs % 1000) * 1e6);
    details.push(RetryInfo.fromPartial({ retryDelay: { seconds, nanos } }));
  }
  return new RichServerError(failure.code, cut(failure.message, messageBytesMax), details);
}

/** The first of them, shortened, as many as fit. */
function fitting<Violation extends Readonly<Record<string, string>>>(violations: readonly Violation[]): Violation[] {
  const kept: Violation[] = [];
  let left = violationsBytesMax;
  for (const violation of violations) {
    const texts = Object.entries(violation).map(([name, text]) => [name, cut(text, violationBytesMax)] as const);
    left -= texts.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0);
    if (left < 0) break;
    kept.push(Object.fromEntries(texts) as Violation);
  }
  return kept;
}

function cut(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  // Bytes of a character that was cut in two decode to U+FFFD.
  const whole = Buffer.from(text)
    .subarray(0, bytesMax)
    .toString()
    .replace(/\uFFFD+$/, "");
  return `${whole}…`;
}

export function invalidRequest(fields: readonly FieldViolation[]): RichServerError {
  return rpcError({ code: Status.INVALID_ARGUMENT, reason: "INVALID_REQUEST", message: violationText(fields), fields });
}

/** Room for "; and 10000 more". */
const moreBytes = 20;

/** On one line: the first of them, and how many more there are. No field: the message as a whole. */
export function violationText(violations: readonly FieldViolation[]): string {
  const texts: string[] = [];
  let left = messageBytesMax - moreBytes;
  for (const { field, description } of violations) {
    const text = cut(field === "" ? description : `${field}: ${description}`, messageBytesMax - moreBytes);
    left -= Buffer.byteLength(text) + "; ".length;
    if (left < 0 && texts.length > 0) break;
    texts.push(text);
  }
  const more = violations.length - texts.length;
  return [...texts, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

/** Of who wants to go on after something that a restore from a backup has lost. */
export const restoredAnew = (kept: number, what: string) =>
  rpcError({
    code: Status.OUT_OF_RANGE,
    reason: "REVISION_COMPACTED",
    message: `what came after ${kept} before the store was restored from a backup is lost; read ${what} anew, and go on after ${kept}`,
    metadata: { oldest_sequence: String(kept + 1) },
  });

export function invalidField(field: string, description: string): RichServerError {
  return invalidRequest([{ field, description }]);
}

/** A principal has created as many as its quota of them allows. `more`: how many it wants; `room`: what makes some. */
export function quotaReached(
  kind: "rule" | "workflow",
  { principal, limit, count }: { readonly principal: string; readonly limit: number; readonly count: number },
  { more, room }: { readonly more: string; readonly room: string },
): RichServerError {
  return rpcError({
    code: Status.RESOURCE_EXHAUSTED,
    reason: `${kind === "rule" ? "RULE" : "WORKFLOW"}_LIMIT_REACHED`,
    message:
      `${thereAre(count, kind)} that "${principal}" has created, and ${more} more would be more than ${limit}, ` +
      `which is what there is for this principal; ${room}, or have its quota in the access file raised`,
    metadata: { what: `${kind}s of the principal`, limit: String(limit), count: String(count) },
  });
}

/** Of a call, and of a request over HTTP. */
export const twoProofs =
  "there are two `authorization` headers, and who is in the way may take another one than this server; send one";

/** The ids that are known, under the names that the contract gives them in ErrorInfo. */
export function known(ids: {
  readonly workflowId?: string | undefined;
  readonly transactionId?: string | undefined;
  readonly requestId?: string | undefined;
}): Readonly<Record<string, string>> {
  const { workflowId, transactionId, requestId } = ids;
  return {
    ...(workflowId && { workflow_id: workflowId }),
    ...(transactionId && { transaction_id: transactionId }),
    ...(requestId && { request_id: requestId }),
  };
}

/** A failed write, or a failed read. The cause goes to the log, not to the caller. */
export function storageUnavailable(
  metadata: Readonly<Record<string, string>> = {},
  message = "the store cannot write now; reads still work",
): RichServerError {
  return rpcError({
    code: Status.UNAVAILABLE,
    reason: "STORAGE_UNAVAILABLE",
    message,
    metadata,
    retryAfterMs: 1000,
  });
}

/** A request id that was used before, for something else. */
export function requestIdReused(requestId: string): RichServerError {
  return rpcError({
    code: Status.INVALID_ARGUMENT,
    reason: "REQUEST_ID_REUSED",
    message: `request_id "${requestId}" was used before with a different request; choose a new one`,
    metadata: { request_id: requestId },
  });
}

/** It is known who calls, and that one may not do this. */
export const permissionDenied = (message: string, metadata: Readonly<Record<string, string>> = {}): RichServerError =>
  rpcError({ code: Status.PERMISSION_DENIED, reason: "PERMISSION_DENIED", message, metadata });

/** A server that stops takes no new calls. */
export function shuttingDown(
  metadata: Readonly<Record<string, string>> = {},
  message = "the server is shutting down; retry against another or the restarted one",
): RichServerError {
  return rpcError({
    code: Status.UNAVAILABLE,
    reason: "SHUTTING_DOWN",
    message,
    metadata,
    retryAfterMs: 1000,
  });
}

/** A request; that an answer is not is this server's to see to. */
export function messageTooLarge(limit: number): RichServerError {
  return rpcError({
    code: Status.RESOURCE_EXHAUSTED,
    reason: "MESSAGE_TOO_LARGE",
    message: `the request has more than ${limit} bytes, the most that this server takes (--max-message)`,
    metadata: { limit: String(limit) },
  });
}

/** What its sender means is no call of gRPC. The codes are those that gRPC gives. */
export function unreadableCall(code: Status.INTERNAL | Status.UNIMPLEMENTED, message: string): RichServerError {
  return rpcError({ code, reason: "UNREADABLE_CALL", message });
}

/** Its sender takes too long. */
export function requestIncomplete(limitMs: DurationMs): RichServerError {
  return rpcError({
    code: Status.DEADLINE_EXCEEDED,
    reason: "REQUEST_INCOMPLETE",
    message: `the request had not come whole ${limitMs / 1000} s after its headers`,
  });
}

/** More than one process bears. */
export function overloaded(limit: number, whatIs: string): RichServerError {
  return rpcError({
    code: Status.RESOURCE_EXHAUSTED,
    reason: "OVERLOADED",
    message: `more than ${limit} ${whatIs}; retry later`,
    metadata: { limit: String(limit) },
    retryAfterMs: 500,
  });
}

/** Calls come faster than they are answered. */
export function turnTooLate(waitMs: DurationMs): RichServerError {
  return rpcError({
    code: Status.RESOURCE_EXHAUSTED,
    reason: "OVERLOADED",
    message: `calls come faster than they are answered, and this one would begin in some ${waitMs} ms; retry then`,
    retryAfterMs: waitMs,
  });
}

/** What anything thrown by a handler becomes on the wire. An unknown error is a defect: its text stays in the log. */
export function toServerError(error: unknown): ServerError {
  if (error instanceof RichServerError) return error;
  // A library's own, whose text may repeat what it was asked.
  if (error instanceof ServerError) return new ServerError(error.code, cut(error.details, messageBytesMax));
  if (error instanceof StorageUnavailableError)
    return storageUnavailable({}, "the store cannot be read; the server's log says why");
  return internalError();
}

export function internalError(): RichServerError {
  return rpcError({ code: Status.INTERNAL, reason: "INTERNAL", message: "internal error; the server's log has the cause" });
}

/** A failed call as its caller sees it. */
export type ClientFailure = {
  readonly code: Status;
  readonly reason: string | undefined;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly fields: readonly FieldViolation[];
  readonly preconditions: readonly PreconditionViolation[];
  readonly retryAfterMs: number | undefined;
};

/** Reads what a client call threw. The client needs `errorDetailsClientMiddleware` for more than code and message. */
export function clientFailure(error: ClientError): ClientFailure {
  const failure: { -readonly [key in keyof ClientFailure]: ClientFailure[key] } = {
    code: error.code,
    reason: undefined,
    message: error.details,
    metadata: {},
    fields: [],
    preconditions: [],
    retryAfterMs: undefined,
  };
  for (const detail of error instanceof RichClientError ? error.extra : []) {
    switch (detail.$type) {
      case ErrorInfo.$type:
        failure.reason = detail.reason;
        failure.metadata = detail.metadata;
        break;
      case BadRequest.$type:
        failure.fields = detail.fieldViolations;
        break;
      case PreconditionFailure.$type:
        failure.preconditions = detail.violations;
        break;
      case RetryInfo.$type:
        failure.retryAfterMs = (detail.retryDelay?.seconds ?? 0) * 1000 + (detail.retryDelay?.nanos ?? 0) / 1e6;
        break;
    }
  }
  return failure;
}
