import { type Channel, type Client, ClientError, Status } from "nice-grpc";
import type { DeadlineOptions } from "nice-grpc-client-middleware-deadline";
import { Outcome, type TransactionParticipant, VoteValue } from "../../gen/concord/commit/v1/transaction.ts";
import { TwoPhaseCommitDefinition } from "../../gen/concord/commit/v1/two_phase_commit.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import { err, ok } from "../../kernel/result.ts";
import type { TransactionAnswer, TransactionClient, TransactionFailure } from "../../workflow/ports.ts";
import { durationToWire } from "../duration.ts";
import { clientFailure } from "../errors.ts";
import { toldTransaction } from "../transaction-header.ts";
import type { OriginOptions } from "./call-headers.ts";
import { unreachedCause } from "./cause.ts";
import { factoryTelling, type ToldCalls } from "./telemetry.ts";

const failureTypes: Readonly<Partial<Record<Status, TransactionFailure["type"]>>> = {
  [Status.DEADLINE_EXCEEDED]: "pending",
  [Status.RESOURCE_EXHAUSTED]: "overloaded",
  [Status.INVALID_ARGUMENT]: "refused",
};

/** The call of TwoPhaseCommit that it makes. It throws a ClientError. */
export type TransactionCalls = Pick<Client<TwoPhaseCommitDefinition, DeadlineOptions & OriginOptions>, "executeTransaction">;

export const transactionCalls = (channel: Channel, told?: ToldCalls): TransactionCalls =>
  factoryTelling(told).create(TwoPhaseCommitDefinition, channel);

/** Runs transactions at a TwoPhaseCommit over gRPC. */
export function createTransactionClient(coordinator: TransactionCalls): TransactionClient {
  return {
    async execute(request) {
      try {
        const { transaction } = await coordinator.executeTransaction(
          {
            participants: request.parts.map(({ participantId, payload }) => ({ participantId, payload: Buffer.from(payload) })),
            prepareTimeout: durationToWire(request.timeoutMs),
            waitForParticipants: durationToWire(Math.min(request.waitForParticipantsMs, request.timeoutMs)),
            reason: request.reason,
            requestedBy: request.requestedBy,
          },
          {
            deadline: request.timeoutMs,
            signal: request.signal,
            origin: request.origin,
            onHeader: (header) => {
              const transactionId = toldTransaction(header);
              if (transactionId !== undefined) request.onBegun(transactionId);
            },
          },
        );
        if (transaction === undefined || transaction.outcome === Outcome.UNSPECIFIED) {
          return err({ type: "pending", cause: "the coordinator answered without an outcome" });
        }
        return ok({
          transactionId: transaction.transactionId as TransactionId,
          outcome: transaction.outcome === Outcome.COMMITTED ? "committed" : "aborted",
          abortReason: transaction.abortReason,
          refusals: refusalsOf(transaction.participants),
        });
      } catch (error) {
        if (request.signal.aborted) return err({ type: "pending", cause: "its callers have left" });
        if (!(error instanceof ClientError)) throw error;
        return err({ type: failureType(error), cause: unreachedCause(error.details) ?? error.details });
      }
    },
  };
}

function failureType(error: ClientError): TransactionFailure["type"] {
  // Waiting would not make it smaller.
  if (clientFailure(error).reason === "MESSAGE_TOO_LARGE") return "refused";
  return failureTypes[error.code] ?? "unavailable";
}

/** Who voted against it; if nobody did, who was asked and has not answered in time. */
function refusalsOf(participants: readonly TransactionParticipant[]): TransactionAnswer["refusals"] {
  const against = participants.filter(({ vote }) => vote === VoteValue.ABORT);
  const silent = participants.filter(({ vote, preparesSent }) => vote === VoteValue.UNSPECIFIED && preparesSent > 0);
  return (against.length > 0 ? against : silent).map(({ participantId, voteReason }) => ({
    participantId: participantId as ParticipantId,
    reason: against.length > 0 ? voteReason : "did not vote in time",
  }));
}
