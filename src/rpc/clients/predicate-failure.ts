import { ClientError, Status } from "nice-grpc";
import type { JsonObject } from "../../kernel/json.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { PredicateFailure } from "../../workflow/ports.ts";
import { clientFailure, violationText } from "../errors.ts";
import { causeOf } from "./cause.ts";

/** No caller gains anything by coming back sooner. */
const retryAfterMinMs = 100;

/** What of a question may be large, by its field. */
export type Contents = readonly (readonly [string, JsonObject])[];

/** Refused, or larger than a message may be. A bad question says nothing about the engine. */
export function isAboutContent(error: unknown): error is ClientError {
  if (!(error instanceof ClientError)) return false;
  return error.code === Status.INVALID_ARGUMENT || (error.code === Status.RESOURCE_EXHAUSTED && !isOverload(error));
}

/** It lives, and has too much to do; or this process has. Asking it more often would make it worse. */
export function isOverload(error: unknown): error is ClientError {
  if (!(error instanceof ClientError)) return false;
  return error.code === Status.DEADLINE_EXCEEDED || clientFailure(error).reason === "OVERLOADED";
}

export function overloaded(cause: string, waitMs: DurationMs) {
  return { type: "overloaded", cause, retryAfterMs: Math.max(retryAfterMinMs, Math.ceil(waitMs)) } as const;
}

/** Of a question that was asked alone. */
export function failureOf(error: unknown, contents: Contents): PredicateFailure {
  if (isOverload(error)) {
    const { message, retryAfterMs = 0 } = clientFailure(error);
    return overloaded(message, retryAfterMs);
  }
  if (isAboutContent(error)) return { type: "refused", refusal: refusalOf(error, contents) };
  return { type: "unavailable", cause: causeOf(error) };
}

function refusalOf(error: ClientError, contents: Contents) {
  const { code, reason, message, metadata, fields } = clientFailure(error);
  const limit = metadata["limit"] === undefined ? undefined : Number(metadata["limit"]);
  if (reason === "CHECKS_TOO_EXPENSIVE") return { why: "too-expensive", cause: message, limit, fields: [] } as const;
  const named = fields
    .filter(({ field }) => field !== "")
    .map(({ field, description }) => ({ field: ownName(field), description }));
  if (code === Status.INVALID_ARGUMENT && named.length > 0)
    return { why: "invalid", cause: violationText(named), limit, fields: named } as const;
  const cause = `${message}; ${contents.map(([field, value]) => `${field} has ${sizeOf(value)} bytes`).join(", ")}`;
  return { why: code === Status.INVALID_ARGUMENT ? "invalid" : "too-large", cause, limit, fields: [] } as const;
}

const sizeOf = (value: JsonObject): number => Buffer.byteLength(JSON.stringify(value));

/** Of a field in the request of who asks here, as far as it has one. */
const ownName = (field: string): string =>
  field
    .replace(/^checks?(\[\d+\])?\./, "")
    .replace(/^workflow_type$/, "type")
    .replace(/^proposed_metadata/, "metadata_patch");
