import { STATUS_CODES } from "node:http";
import { Status } from "nice-grpc-common";
import type { FieldViolation, PreconditionViolation } from "../rpc/errors.ts";
import type { CallFailure } from "./call-failure.ts";
import { statusOf } from "./problem-status.ts";

/** RFC 9457, `application/problem+json`. What has a reason is a failed call, and says all that it says over gRPC. */
export type Problem = {
  /** `urn:concord:error:` and the reason; `about:blank` without one: then the status says all. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly reason?: string;
  /** The status of gRPC, by its name. */
  readonly code?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly fieldViolations?: readonly FieldViolation[];
  readonly preconditionViolations?: readonly PreconditionViolation[];
  readonly retryAfterSeconds?: number;
  /** Of the call, if that has told it. */
  readonly requestId?: string;
};

export const problemType = "application/problem+json";

/** `RULE_DENIED` as people read it. */
const words = (reason: string): string => {
  const text = reason.toLowerCase().replaceAll("_", " ");
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
};

export function problemOf(failure: CallFailure): Problem {
  const { reason, code, message, metadata, fields, preconditions, retryAfterMs, requestId } = failure;
  const status = statusOf(failure);
  return {
    type: reason === undefined ? "about:blank" : `urn:concord:error:${reason}`,
    title: reason === undefined ? titleOf(status) : words(reason),
    status,
    detail: message,
    ...(reason !== undefined && { reason }),
    code: Status[code],
    ...(reason !== undefined && { metadata }),
    ...(fields.length > 0 && { fieldViolations: fields.map(({ field, description }) => ({ field, description })) }),
    ...(preconditions.length > 0 && {
      preconditionViolations: preconditions.map(({ type, subject, description }) => ({ type, subject, description })),
    }),
    ...(retryAfterMs !== undefined && { retryAfterSeconds: retryAfterMs / 1000 }),
    ...(requestId !== undefined && { requestId }),
  };
}

/** Of a request that is no call. */
export function plainProblem(status: number, detail: string): Problem {
  return { type: "about:blank", title: titleOf(status), status, detail };
}

const titleOf = (status: number): string => STATUS_CODES[status] ?? "Error";
