import { Status } from "nice-grpc-common";
import type { RichServerError } from "nice-grpc-error-details";
import type { Overload } from "../commit/budgets.ts";
import { participantCountMax } from "../commit/core/coordinator.ts";
import type { ParticipantKept } from "../commit/forget-participant.ts";
import type { Lagging } from "../commit/lagging.ts";
import { watchCountMax } from "../commit/limits.ts";
import type { StreamEnd } from "../commit/ports.ts";
import type { VerbFailure, VerbRefusal } from "../commit/verbs.ts";
import { invalidRequest, known, requestIdReused, rpcError, shuttingDown, storageUnavailable } from "./errors.ts";

/** How a Participate stream ends. */
export function streamError({ reason, message, metadata = {}, violations = [] }: StreamEnd): RichServerError {
  switch (reason) {
    case "SESSION_SUPERSEDED":
    case "COORDINATOR_FENCED":
      return rpcError({ code: Status.ABORTED, reason, message, metadata });
    case "SESSION_TIMEOUT":
      return rpcError({ code: Status.DEADLINE_EXCEEDED, reason, message, metadata });
    case "PROTOCOL_VERSION":
    case "PROTOCOL_VIOLATION":
      return rpcError({ code: Status.FAILED_PRECONDITION, reason, message, metadata });
    case "INVALID_REQUEST":
      return invalidRequest(violations);
    case "STORAGE_UNAVAILABLE":
      return storageUnavailable();
    case "SHUTTING_DOWN":
    case "CLOSED":
      return shuttingDown();
  }
}

/** The one table from the failures of transactions to what proto/concord/error/v1 promises. */
export function verbError(
  failure: VerbFailure,
  { transactionId = "", requestId }: { readonly transactionId?: string; readonly requestId: string },
): RichServerError {
  switch (failure.type) {
    case "not-found":
      return transactionNotFound(transactionId);
    case "refused":
      return refusedError(failure);
    case "request-id-reused":
      return requestIdReused(requestId);
    case "overloaded":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "OVERLOADED",
        message: overloadText(failure, transactionId === ""),
        metadata: { limit: String(failure.limit) },
        retryAfterMs: 500,
      });
    case "participant-lags":
      return participantLags(failure);
    case "shutting-down":
      return failure.transactionId === undefined
        ? shuttingDown()
        : shuttingDown(
            known({ transactionId: failure.transactionId, requestId }),
            "the coordinator is shutting down: the outcome is not known yet; once it is back, ask GetTransaction, or retry with the same request_id",
          );
    case "storage-unavailable":
      return failure.transactionId === undefined
        ? storageUnavailable(known({ transactionId, requestId }))
        : storageUnavailable(
            known({ transactionId: failure.transactionId, requestId }),
            "the decision log cannot write now: the outcome is not known yet; ask GetTransaction, or retry with the same request_id",
          );
    case "pending":
      return rpcError({
        code: Status.DEADLINE_EXCEEDED,
        reason: "OUTCOME_PENDING",
        message: "the transaction was not decided in time; ask GetTransaction, or retry with the same request_id",
        metadata: known({ transactionId: failure.transactionId, requestId }),
      });
    case "defect":
      return rpcError({
        code: Status.INTERNAL,
        reason: "INTERNAL",
        message:
          "internal error: this transaction goes on only after a restart of the coordinator, whose log has the cause; its outcome is not known yet",
        metadata: known({ transactionId: failure.transactionId, requestId }),
      });
    case "fenced":
      return rpcError({
        code: Status.ABORTED,
        reason: "COORDINATOR_FENCED",
        message: "another coordinator took over the decision log; this one decides nothing any more",
        metadata: { coordinator_epoch: String(failure.coordinatorEpoch) },
      });
  }
}

function participantLags({ participantId, unacknowledged, limit, lastSeenAtMs }: Lagging): RichServerError {
  const lastSeen = lastSeenAtMs === undefined ? "" : new Date(lastSeenAtMs).toISOString();
  const since = lastSeen === "" ? "and has had no session since the coordinator started" : `and was last seen at ${lastSeen}`;
  return rpcError({
    code: Status.RESOURCE_EXHAUSTED,
    reason: "PARTICIPANT_LAGS",
    message:
      `participant "${participantId}" has not acknowledged ${unacknowledged} decisions (--max-owed ${limit}), ${since}: nothing new begins ` +
      "with it before it has; bring it back, or see docs/operations.md, A participant that does not acknowledge",
    metadata: {
      participant_id: participantId,
      unacknowledged: String(unacknowledged),
      limit: String(limit),
      ...(lastSeen !== "" && { last_seen_at: lastSeen }),
    },
    retryAfterMs: 5_000,
  });
}

/** Why a participant is not forgotten. */
export const participantKept = ({ participantId, because }: ParticipantKept): RichServerError =>
  rpcError({
    code: Status.FAILED_PRECONDITION,
    reason: "PARTICIPANT_STATE",
    message: `participant "${participantId}" is not forgotten: ${because.map(({ description }) => description).join("; ")}`,
    metadata: { participant_id: participantId },
    preconditions: because.map(({ type, description }) => ({ type, subject: participantId, description })),
  });

function overloadText(overload: Overload, begins: boolean): string {
  const address = begins ? "this address" : "the address that began this one";
  return `${excessText(overload, address)}; nothing was ${begins ? "begun" : "enlisted"}; retry later`;
}

function excessText({ of, limit }: Overload, address: string): string {
  switch (of) {
    case "undecided":
      return `${limit} transactions are undecided`;
    case "undecided-of-address":
      return `${limit} transactions begun from ${address} are undecided: its share (--address-share)`;
    case "bytes-undecided":
      return `undecided transactions with their payloads would take more than ${limit} bytes (--max-undecided)`;
    case "bytes-undecided-of-address":
      return `undecided transactions begun from ${address} would take more than ${limit} bytes with their payloads: its share (--address-share) of --max-undecided`;
    case "bytes-unacknowledged":
      return `decided transactions that participants have not acknowledged take more than ${limit} bytes (--max-unacknowledged); ListParticipants shows who owes them`;
  }
}

function refusedError({ transaction, refusal }: VerbRefusal): RichServerError {
  const { id, phase, outcome } = transaction;
  const message = `transaction "${id}": ${refusal.reason}`;
  switch (refusal.code) {
    case "already-enlisted":
      return rpcError({ code: Status.ALREADY_EXISTS, reason: "PARTICIPANT_ENLISTED", message, metadata: { transaction_id: id } });
    case "too-many-participants": {
      const metadata = { transaction_id: id, limit: String(participantCountMax) };
      return rpcError({ code: Status.RESOURCE_EXHAUSTED, reason: "PARTICIPANT_LIMIT_REACHED", message, metadata });
    }
    case "state":
    case "message": {
      const metadata = { transaction_id: id, phase, outcome: outcome?.toUpperCase() ?? "" };
      return rpcError({ code: Status.FAILED_PRECONDITION, reason: "TRANSACTION_STATE", message, metadata });
    }
  }
}

/** A watch whose client reads too slowly. */
export const watchTooSlow = (): RichServerError =>
  rpcError({
    code: Status.RESOURCE_EXHAUSTED,
    reason: "OVERLOADED",
    message: `more than ${watchCountMax} transactions wait for this watch; read faster, or use a filter`,
    metadata: { limit: String(watchCountMax) },
    retryAfterMs: 1_000,
  });

export const transactionNotFound = (transactionId: string): RichServerError =>
  rpcError({
    code: Status.NOT_FOUND,
    reason: "TRANSACTION_NOT_FOUND",
    message: `no record of transaction "${transactionId}": it was not committed, or it ended long ago`,
    metadata: { transaction_id: transactionId },
  });
