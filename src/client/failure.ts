import { type ClientError, Status } from "nice-grpc-common";
import { type Advice, adviceOf } from "../rpc/advice.ts";
import { type ClientFailure, clientFailure, type Reason } from "../rpc/errors.ts";

/** A failed call. Branch on `reason`, and on `retry` and `outcome`, which say what docs/retries.md does. */
export class ConcordError extends Error {
  override readonly name = "ConcordError";
  /** The name of gRPC's status. */
  readonly code: keyof typeof Status;
  /** Undefined if Concord has not answered. A server that is newer than this client may have others. */
  readonly reason: Reason | undefined;
  /** What the comment of the reason in error.proto says. */
  readonly metadata: ClientFailure["metadata"];
  /** Fields of the request that are wrong. */
  readonly fields: ClientFailure["fields"];
  /** Rules, participants and others that refuse, each with why. */
  readonly preconditions: ClientFailure["preconditions"];
  /** How long to wait before the same request, if the server says. */
  readonly retryAfterMs: number | undefined;
  /** Whether the change was made. "unknown": the same request with the same request id settles it. */
  readonly outcome: Advice["outcome"];
  /**
   * "same": the same request with the same request id. "anew": look, and ask for what is right then, with a new request id. "no": not before
   * somebody has changed something.
   */
  readonly retry: Advice["retry"];

  constructor(cause: ClientError) {
    const failure = clientFailure(cause);
    const { code, reason, message, metadata, fields, preconditions, retryAfterMs } = failure;
    super(message, { cause });
    this.code = Status[code] as keyof typeof Status;
    this.reason = reason as Reason | undefined;
    this.metadata = metadata;
    this.fields = fields;
    this.preconditions = preconditions;
    this.retryAfterMs = retryAfterMs;
    ({ outcome: this.outcome, retry: this.retry } = adviceOf(failure));
  }
}

/** An abort is `same` in the table, but a participant may have said why it will not: that is for the caller to look at. */
export const mayRepeat = ({ retry, reason }: ConcordError): boolean => retry === "same" && reason !== "TRANSACTION_ABORTED";
