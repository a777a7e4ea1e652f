import type { Claim } from "../commit/core/claim.ts";
import type { CoordinatorMessage, InDoubt, Numbered, ParticipantMessage } from "../commit/core/messages.ts";
import {
  type Acknowledgement,
  heuristicOf,
  isDone,
  type Outcome,
  type Part,
  type Phase,
  type Transaction,
  type VoteValue,
} from "../commit/core/types.ts";
import type { Owed } from "../commit/owed.ts";
import type { Coordinator, Told } from "../commit/ports.ts";
import type { KnownParticipant } from "../commit/sessions.ts";
import type { TimelineEntry } from "../commit/timeline.ts";
import * as wire from "../gen/concord/commit/v1/transaction.ts";
import type {
  DeepPartial,
  ParticipateRequest,
  ParticipateResponse,
  Claim as WireClaim,
  Origin as WireOrigin,
} from "../gen/concord/commit/v1/two_phase_commit.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import { type Origin, usableCallId, usableTraceparent, usableTracestate } from "../kernel/origin.ts";
import type { TimeMs } from "../kernel/time.ts";
import { durationMs, durationToWire } from "./duration.ts";
import { invalidField } from "./errors.ts";

const outcomes = { committed: wire.Outcome.COMMITTED, aborted: wire.Outcome.ABORTED } as const satisfies Record<
  Outcome,
  wire.Outcome
>;

const acknowledgements = { ...outcomes, lost: wire.Outcome.LOST } as const satisfies Record<Acknowledgement, wire.Outcome>;

const votes = {
  commit: wire.VoteValue.COMMIT,
  abort: wire.VoteValue.ABORT,
  "read-only": wire.VoteValue.READ_ONLY,
} as const satisfies Record<VoteValue, wire.VoteValue>;

const phases = {
  INIT: wire.TransactionPhase.INIT,
  PREPARING: wire.TransactionPhase.PREPARING,
  COMMITTING: wire.TransactionPhase.COMMITTING,
  ABORTING: wire.TransactionPhase.ABORTING,
  COMPLETED: wire.TransactionPhase.COMPLETED,
} as const satisfies Record<Phase, wire.TransactionPhase>;

const eventTypes = {
  begun: wire.TransactionEventType.BEGUN,
  enlisted: wire.TransactionEventType.ENLISTED,
  "commit-requested": wire.TransactionEventType.COMMIT_REQUESTED,
  "abort-requested": wire.TransactionEventType.ABORT_REQUESTED,
  "prepare-sent": wire.TransactionEventType.PREPARE_SENT,
  "vote-received": wire.TransactionEventType.VOTE_RECEIVED,
  decided: wire.TransactionEventType.DECIDED,
  "decision-sent": wire.TransactionEventType.DECISION_SENT,
  "ack-received": wire.TransactionEventType.ACK_RECEIVED,
  "inquiry-received": wire.TransactionEventType.INQUIRY_RECEIVED,
  refused: wire.TransactionEventType.REFUSED,
  connected: wire.TransactionEventType.CONNECTED,
  disconnected: wire.TransactionEventType.DISCONNECTED,
  "taken-over": wire.TransactionEventType.TAKEN_OVER,
  retried: wire.TransactionEventType.RETRIED,
  resolved: wire.TransactionEventType.RESOLVED,
  "nack-received": wire.TransactionEventType.NACK_RECEIVED,
} as const satisfies Record<TimelineEntry["type"], wire.TransactionEventType>;

export const timelineEntryToWire = (entry: TimelineEntry): DeepPartial<wire.TransactionEvent> => ({
  occurredAt: new Date(entry.atMs),
  type: eventTypes[entry.type],
  participantId: entry.participantId ?? "",
  attempt: entry.attempt ?? 0,
  detail: entry.detail ?? "",
});

/** What an operator says in the field `outcome`. */
export function outcomeFromWire(value: wire.Outcome): Outcome {
  const outcome = keyOf(outcomes, value);
  if (outcome === undefined) throw invalidField("outcome", "must be one of OUTCOME_COMMITTED, OUTCOME_ABORTED");
  return outcome;
}

export function transactionToWire(transaction: Transaction, coordinator: Coordinator): DeepPartial<wire.Transaction> {
  const heuristic = heuristicOf(transaction);
  return {
    transactionId: transaction.id,
    phase: phases[transaction.phase],
    outcome: transaction.outcome === undefined ? wire.Outcome.UNSPECIFIED : outcomes[transaction.outcome],
    abortReason: transaction.abortReason,
    participants: transaction.parts.map((part) => ({
      participantId: part.participantId,
      vote: part.vote === undefined ? wire.VoteValue.UNSPECIFIED : votes[part.vote],
      voteReason: part.voteReason,
      ...optionalTime("votedAt", part.votedAtMs),
      done: isDone(transaction, part),
      ...optionalTime("acknowledgedAt", part.acknowledgedAtMs),
      preparesSent: part.preparesSent,
      decisionsSent: part.decisionsSent,
      ...acknowledgedToWire(part),
    })),
    createdAt: new Date(transaction.createdAtMs),
    ...optionalTime("decidedAt", transaction.decidedAtMs),
    ...optionalTime("completedAt", transaction.completedAtMs),
    prepareTimeout: durationToWire(transaction.prepareTimeoutMs),
    waitForParticipants: durationToWire(transaction.waitForParticipantsMs),
    coordinatorId: coordinator.coordinatorId,
    coordinatorEpoch: BigInt(transaction.coordinatorEpoch),
    requestedBy: transaction.requestedBy,
    authenticatedAs: transaction.authenticatedAs ?? "",
    reason: transaction.reason,
    ...(transaction.idleTimeoutMs !== undefined && { idleTimeout: durationToWire(transaction.idleTimeoutMs) }),
    ...resolutionToWire(transaction),
    ...(heuristic && { heuristic: wire.Heuristic[heuristic] }),
  };
}

function acknowledgedToWire({
  acknowledgedOutcome,
  lost,
}: Part): Pick<DeepPartial<wire.TransactionParticipant>, "acknowledgedOutcome" | "lostAt" | "lostReason"> {
  const acknowledged = lost ? "lost" : acknowledgedOutcome;
  return {
    ...(acknowledged && { acknowledgedOutcome: acknowledgements[acknowledged] }),
    ...(lost && { lostAt: new Date(lost.atMs), lostReason: lost.reason }),
  };
}

function resolutionToWire({ resolution }: Transaction): Pick<DeepPartial<wire.Transaction>, "resolution"> {
  if (!resolution) return {};
  const { atMs, requestedBy, authenticatedAs = "", reason } = resolution;
  return { resolution: { resolvedAt: new Date(atMs), requestedBy, authenticatedAs, reason } };
}

export function participantToWire(participant: KnownParticipant, owed: Owed): DeepPartial<wire.Participant> {
  return {
    participantId: participant.participantId,
    connected: participant.connected,
    instanceId: participant.instanceId,
    sessionEpoch: BigInt(participant.sessionEpoch),
    connectedAt: new Date(participant.connectedAtMs),
    lastSeenAt: new Date(participant.lastSeenAtMs),
    peer: participant.peer,
    prepareCredit: participant.prepareCredit,
    inDoubt: owed.inDoubt,
    unacknowledged: owed.unacknowledged,
    ...optionalTime("oldestUnacknowledgedAt", owed.oldestUnacknowledgedMs),
  };
}

/** For the participant's side of the stream. */
export function participantMessageToWire({ sequence, message }: Numbered<ParticipantMessage>): DeepPartial<ParticipateRequest> {
  return { sequence: BigInt(sequence), ...participantBody(message) };
}

function participantBody(message: ParticipantMessage): Pick<DeepPartial<ParticipateRequest>, "body"> {
  switch (message.type) {
    case "hello": {
      const { type: _, inDoubt, ...value } = message;
      return { body: { $case: "hello", value: { ...value, inDoubt: [...inDoubt] } } };
    }
    case "vote":
      return { body: { $case: "vote", value: { ...message, value: votes[message.value] } } };
    case "decision-ack":
      return { body: { $case: "decisionAck", value: { ...message, outcome: acknowledgements[message.outcome] } } };
    case "heartbeat":
      return { body: { $case: "heartbeat", value: heartbeatToWire(message) } };
    case "inquiry":
    case "credit":
    case "goodbye":
      return { body: { $case: message.type, value: message } } as Pick<DeepPartial<ParticipateRequest>, "body">;
    case "nack": {
      const { sequence, reason, claimSeen } = message;
      const value = { sequence: BigInt(sequence), reason, ...(claimSeen && { claimSeen: claimToWire(claimSeen) }) };
      return { body: { $case: "nack", value } };
    }
    case "unreadable":
      return {};
  }
}

/** For the coordinator's side of the stream. */
export function coordinatorMessageToWire({ sequence, message, origin }: Told): DeepPartial<ParticipateResponse> {
  return { sequence: BigInt(sequence), ...coordinatorBody(message, origin) };
}

function coordinatorBody(
  message: CoordinatorMessage,
  origin: Origin | undefined,
): Pick<DeepPartial<ParticipateResponse>, "body"> {
  switch (message.type) {
    case "welcome":
      return {
        body: {
          $case: "welcome",
          value: {
            sessionEpoch: BigInt(message.sessionEpoch),
            coordinatorId: message.coordinatorId,
            coordinatorEpoch: BigInt(message.coordinatorEpoch),
            version: message.version,
            claims: message.claims.map(claimToWire),
            heartbeatInterval: durationToWire(message.heartbeatIntervalMs),
            sessionTimeout: durationToWire(message.sessionTimeoutMs),
          },
        },
      };
    case "prepare":
      return {
        body: {
          $case: "prepare",
          value: {
            transactionId: message.transactionId,
            attempt: message.attempt,
            payload: Buffer.from(message.payload),
            voteWithin: durationToWire(message.voteWithinMs),
            onePhase: message.onePhase,
            coordinatorEpoch: BigInt(message.coordinatorEpoch),
            ...(origin && { origin: originToWire(origin) }),
          },
        },
      };
    case "decision":
      return {
        body: {
          $case: "decision",
          value: {
            transactionId: message.transactionId,
            outcome: outcomes[message.outcome],
            coordinatorEpoch: BigInt(message.coordinatorEpoch),
            inReply: message.inReply,
            ...(origin && { origin: originToWire(origin) }),
          },
        },
      };
    case "heartbeat":
      return { body: { $case: "heartbeat", value: heartbeatToWire(message) } };
    case "go-away":
      return {
        body: { $case: "goAway", value: { reason: message.reason, reconnectAfter: durationToWire(message.reconnectAfterMs) } },
      };
    case "nack":
      return { body: { $case: "nack", value: { sequence: BigInt(message.sequence), reason: message.reason } } };
    case "unreadable":
      return {};
  }
}

/** What the participant said; its fields are within their rules already. */
export function participantMessageFromWire({ sequence, body }: ParticipateRequest): Numbered<ParticipantMessage> {
  return { sequence: Number(sequence), message: participantMessage(body) };
}

function participantMessage(body: ParticipateRequest["body"]): ParticipantMessage {
  switch (body?.$case) {
    case "hello":
      return {
        type: "hello",
        ...body.value,
        participantId: body.value.participantId as ParticipantId,
        inDoubt: body.value.inDoubt as InDoubt[],
      };
    case "vote": {
      const value = keyOf(votes, body.value.value);
      if (value === undefined) return unreadable("vote.value");
      return { type: "vote", ...body.value, transactionId: body.value.transactionId as TransactionId, value };
    }
    case "decisionAck": {
      const outcome = keyOf(acknowledgements, body.value.outcome);
      if (outcome === undefined) return unreadable("decision_ack.outcome");
      const { transactionId, reason } = body.value;
      if (outcome === "lost" && reason === "") return { type: "unreadable", reason: "decision_ack.reason: LOST needs one" };
      return { type: "decision-ack", transactionId: transactionId as TransactionId, outcome, reason };
    }
    case "inquiry":
      return { type: "inquiry", ...(body.value as InDoubt) };
    case "heartbeat":
      return { type: "heartbeat", ...heartbeatFromWire(body.value) };
    case "credit":
    case "goodbye":
      return { type: body.$case, ...body.value } as ParticipantMessage;
    case "nack": {
      const { sequence, reason, claimSeen } = body.value;
      return { type: "nack", sequence: Number(sequence), reason, ...(claimSeen && { claimSeen: claimFromWire(claimSeen) }) };
    }
    case undefined:
      return unknownKind;
  }
}

export function coordinatorMessageFromWire({ sequence, body }: ParticipateResponse): Told {
  const numbered = { sequence: countFromWire(sequence), message: coordinatorMessage(body) };
  const origin = body?.$case === "prepare" || body?.$case === "decision" ? originFromWire(body.value.origin) : undefined;
  return origin === undefined ? numbered : { ...numbered, origin };
}

function coordinatorMessage(body: ParticipateResponse["body"]): CoordinatorMessage {
  switch (body?.$case) {
    case "welcome": {
      const { value } = body;
      const heartbeatIntervalMs = durationMs(value.heartbeatInterval);
      const sessionTimeoutMs = durationMs(value.sessionTimeout);
      if (!heartbeatIntervalMs || !sessionTimeoutMs) return unreadable("welcome.heartbeat_interval or session_timeout");
      if (value.claims[0]?.epoch !== value.coordinatorEpoch) {
        return { type: "unreadable", reason: "welcome.claims: the first must have coordinator_epoch" };
      }
      return {
        type: "welcome",
        sessionEpoch: countFromWire(value.sessionEpoch),
        coordinatorId: value.coordinatorId,
        coordinatorEpoch: countFromWire(value.coordinatorEpoch),
        version: value.version,
        claims: value.claims.map(claimFromWire),
        heartbeatIntervalMs,
        sessionTimeoutMs,
      };
    }
    case "prepare": {
      const { transactionId, attempt, payload, voteWithin, onePhase, coordinatorEpoch } = body.value;
      return {
        type: "prepare",
        transactionId: transactionId as TransactionId,
        attempt,
        payload,
        voteWithinMs: durationMs(voteWithin) ?? 0,
        onePhase,
        coordinatorEpoch: countFromWire(coordinatorEpoch),
      };
    }
    case "decision": {
      const outcome = keyOf(outcomes, body.value.outcome);
      if (outcome === undefined) return unreadable("decision.outcome");
      const { transactionId, coordinatorEpoch, inReply } = body.value;
      return {
        type: "decision",
        transactionId: transactionId as TransactionId,
        outcome,
        coordinatorEpoch: countFromWire(coordinatorEpoch),
        inReply,
      };
    }
    case "heartbeat":
      return { type: "heartbeat", ...heartbeatFromWire(body.value) };
    case "goAway":
      return { type: "go-away", reason: body.value.reason, reconnectAfterMs: durationMs(body.value.reconnectAfter) ?? 0 };
    case "nack":
      return { type: "nack", sequence: countFromWire(body.value.sequence), reason: body.value.reason };
    case undefined:
      return unknownKind;
  }
}

const originToWire = ({ requestId, traceparent = "", tracestate = "" }: Origin) => ({ requestId, traceparent, tracestate });

/** Nothing, if it names no call in a way that can be used. */
function originFromWire(origin: WireOrigin | undefined): Origin | undefined {
  const requestId = usableCallId(origin?.requestId);
  if (origin === undefined || requestId === undefined) return undefined;
  const traceparent = usableTraceparent(origin.traceparent);
  return traceparent === undefined ? { requestId } : { requestId, traceparent, tracestate: usableTracestate(origin.tracestate) };
}

const claimToWire = ({ epoch, id }: Claim): WireClaim => ({ epoch: BigInt(epoch), id });

const claimFromWire = ({ epoch, id }: WireClaim): Claim => ({ epoch: countFromWire(epoch), id });

const unreadable = (field: string) => ({ type: "unreadable", reason: `${field} has no known value` }) as const;

const unknownKind = { type: "unreadable", reason: "the kind of this message is unknown" } as const;

const heartbeatToWire = (heartbeat: { readonly sentAtMs: TimeMs; readonly lastSequenceSeen: number }) => ({
  sentAt: new Date(heartbeat.sentAtMs),
  lastSequenceSeen: BigInt(heartbeat.lastSequenceSeen),
});

const heartbeatFromWire = (heartbeat: { readonly sentAt: Date | undefined; readonly lastSequenceSeen: bigint }) => ({
  sentAtMs: heartbeat.sentAt?.getTime() ?? 0,
  lastSequenceSeen: countFromWire(heartbeat.lastSequenceSeen),
});

/**
 * A participant takes what a coordinator counts as it comes. What is beyond counting stays at its end: no honest peer comes so far, and
 * the number must still be one when it is sent back.
 */
const countFromWire = (count: bigint): number => Math.min(Number(count), Number.MAX_SAFE_INTEGER);

function keyOf<Key extends string>(table: Readonly<Record<Key, string>>, value: string): Key | undefined {
  return (Object.keys(table) as Key[]).find((key) => table[key] === value);
}

const optionalTime = <Key extends string>(key: Key, timeMs: TimeMs | undefined): { readonly [K in Key]?: Date } =>
  timeMs === undefined ? {} : ({ [key]: new Date(timeMs) } as { readonly [K in Key]: Date });
