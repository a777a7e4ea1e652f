import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import type { CoordinatorAction, CoordinatorEffect, CoordinatorInput, CoordinatorTrace, Step } from "./coordinator-step.ts";
import type { DecisionAck, Inquiry, Vote } from "./messages.ts";
import type {
  ParticipantAction,
  ParticipantEffect,
  ParticipantInput,
  ParticipantStep,
  ParticipantTrace,
  ParticipantTransaction,
} from "./participant-step.ts";
import type { LinkEvent, OwnerEvent, SessionEvent } from "./session-trace.ts";
import { type Acknowledgement, isOnePhase, type Transaction, type VoteValue } from "./types.ts";

// What happens, in the words of specs/TwoPhaseCommit.tla: the action, and the state behind it. specs/TraceTwoPhaseCommit.tla says
// whether it may happen. Without a trace port no event is made of it.

export type CoordinatorEvent = {
  readonly action: CoordinatorAction;
  readonly epoch: number;
  readonly transaction: TransactionId;
  /** Of Begin. */
  readonly participants?: readonly ParticipantId[] | undefined;
  readonly participant?: ParticipantId | undefined;
  /** What was said. */
  readonly value?: "yes" | "no" | "readonly" | Acknowledgement | undefined;
  /** None: nothing is known of it here. */
  readonly state?: {
    readonly phase: string;
    readonly yes: readonly ParticipantId[];
    readonly ro: readonly ParticipantId[];
    readonly acks: readonly ParticipantId[];
    readonly lost: readonly ParticipantId[];
  };
};

export type ParticipantEvent = {
  readonly action: ParticipantAction;
  readonly participant: ParticipantId;
  /** Names the process. */
  readonly instance: string;
  readonly transaction: TransactionId;
  readonly state: "working" | "prepared" | "committed" | "aborted" | "lost" | "refused" | "readonly";
};

export type TraceEvent =
  | CoordinatorEvent
  | ParticipantEvent
  | OwnerEvent
  | SessionEvent
  | LinkEvent
  /** A participant's process has read its log. */
  | { readonly action: "Start"; readonly participant: ParticipantId; readonly instance: string };

/** Why a step is taken: an input, or the start of a run. */
export type Cause = CoordinatorInput | { readonly type: "begin" | "take-over" | "resume" };

/** With an event of each action among the effects: behind what makes it durable, before what it sends. */
export function withEvents(before: Transaction, cause: Cause, { transaction: after, effects }: Step): Step {
  const now = unforgotten(before, after);
  const first = [
    ...beginning(before, cause, after),
    ...received(before, cause, after, now),
    ...(isReadOnlyCommit(before, after, effects) ? [happened("CommitReadOnly", now)] : []),
  ];
  return { transaction: after, effects: [...first, ...effects.flatMap((effect) => around(effect, cause, now))] };
}

/** As it was before it was forgotten, in the same step. */
function unforgotten(before: Transaction, after: Transaction): Transaction {
  if (after.outcome === undefined || before.phase === "COMPLETED") return after;
  return { ...after, phase: after.outcome === "committed" ? "COMMITTING" : "ABORTING" };
}

/** To the spec, what is aborted while it enlists begins and ends at once. */
function beginning(before: Transaction, { type }: Cause, after: Transaction): readonly CoordinatorTrace[] {
  const begins = before.idleTimeoutMs === undefined ? type === "begin" : after.idleTimeoutMs === undefined;
  return begins ? [happened("Begin", before)] : [];
}

/** The action that is the input. */
function received(before: Transaction, cause: Cause, after: Transaction, now: Transaction): readonly CoordinatorTrace[] {
  const isAborted = before.outcome === undefined && after.outcome === "aborted";
  const partOf = ({ parts }: Transaction, id: ParticipantId) => parts.find(({ participantId }) => participantId === id);
  switch (cause.type) {
    case "take-over":
      // Who gave the word may have died before it was told of it.
      return [...(before.resolution ? [happened("Resolve", before)] : []), happened("TakeOver", before)];
    // Whoever is missing has been waited for, be it not at all.
    case "begin":
    case "commit":
    case "idle-timeout":
    case "wait-timeout":
    case "prepare-timeout":
      return isAborted ? [happened("TimeoutAbort", now)] : [];
    case "abort":
    case "client-abort":
      return isAborted ? [happened("ClientAbort", now)] : [];
    case "vote": {
      const vote = partOf(after, cause.participantId)?.vote;
      if (before.phase !== "PREPARING" || vote === partOf(before, cause.participantId)?.vote) return [];
      return [happened("RecvVote", vote === "abort" ? now : { ...before, parts: after.parts }, cause.participantId)];
    }
    case "ack": {
      const isNew =
        partOf(after, cause.participantId)?.acknowledgedAtMs !== partOf(before, cause.participantId)?.acknowledgedAtMs;
      return isNew && !before.resolution ? [happened("RecvAck", now, cause.participantId)] : [];
    }
    default:
      return [];
  }
}

/** A decision that needs no forced write. */
const isReadOnlyCommit = (before: Transaction, after: Transaction, effects: readonly CoordinatorEffect[]): boolean =>
  before.outcome === undefined &&
  after.outcome === "committed" &&
  !isOnePhase(after) &&
  !effects.some(({ type }) => type === "persist");

/** An effect, and the action that it is. */
function around(effect: CoordinatorEffect, cause: Cause, now: Transaction): readonly CoordinatorEffect[] {
  switch (effect.type) {
    case "persist": {
      if (cause.type === "ack") return [effect, happened("RecvLost", effect.transaction, cause.participantId)];
      const forced = effect.transaction.outcome === undefined ? "ForceDelegate" : "ForceCommit";
      return [effect, happened(cause.type === "resolve" ? "Resolve" : forced, effect.transaction)];
    }
    case "record":
      // What becomes of an operator's word is none of the spec's.
      if (effect.transaction.resolution) return [effect];
      return [effect, happened(effect.transaction.phase === "COMPLETED" ? "Forget" : "Note", effect.transaction)];
    case "reply":
      return effect.answer === "decided" && cause.type !== "resolve" ? [happened("AckClient", now), effect] : [effect];
    case "send": {
      const { message, participantId } = effect;
      const decision = message.type === "decision" && message.inReply ? "AnswerInquiry" : "SendDecision";
      return [happened(message.type === "prepare" ? "SendPrepare" : decision, now, participantId), effect];
    }
    default:
      return [effect];
  }
}

const happened = (
  action: CoordinatorAction,
  transaction: Transaction,
  participantId: ParticipantId | undefined = undefined,
): CoordinatorTrace => ({ type: "trace", action, transaction, participantId });

/** With an event before each message: what it tells of is done and durable then, and nobody knows. */
export function withParticipantEvents(
  before: ParticipantTransaction | undefined,
  input: ParticipantInput,
  step: ParticipantStep,
): ParticipantStep {
  const { transaction } = step;
  const transactionId = transaction?.transactionId ?? ("message" in input ? input.message.transactionId : undefined);
  if (transactionId === undefined) return step;
  const now = transaction ?? { transactionId, state: "working", onePhase: false };
  const effects: ParticipantEffect[] = [];
  if (before && input.type === "recover") effects.push({ type: "trace", action: "PartRecover", transaction: before });
  if (before?.state === "working" && now.state === "refused" && input.type === "unilateral-abort") {
    effects.push({ type: "trace", action: "UnilateralAbort", transaction: now });
  }
  for (const effect of step.effects) {
    if (effect.type === "send")
      effects.push({ type: "trace", action: actionOf(effect.message, before, input), transaction: now });
    effects.push(effect);
  }
  return { transaction, effects };
}

/** What a message is the answer to. */
function actionOf(
  message: Vote | DecisionAck | Inquiry,
  before: ParticipantTransaction | undefined,
  input: ParticipantInput,
): ParticipantAction {
  if (message.type !== "decision-ack") return message.type === "vote" ? "RecvPrepare" : "Inquire";
  if (input.type === "prepare" || (before?.onePhase && input.type !== "decision")) return "RecvPrepareOnePhase";
  if (message.outcome !== "aborted") return message.outcome === "lost" ? "RecvCommitLost" : "RecvCommit";
  return before && before.state !== "working" ? "RecvAbort" : "RecvAbortUnknown";
}

const votes: Readonly<Record<VoteValue, "yes" | "no" | "readonly">> = { commit: "yes", abort: "no", "read-only": "readonly" };

export function coordinatorEvent({ action, transaction, participantId }: CoordinatorTrace): CoordinatorEvent {
  const { parts } = transaction;
  const idsOf = (chosen: readonly { readonly participantId: ParticipantId }[]): ParticipantId[] =>
    chosen.map((part) => part.participantId);
  return {
    action,
    epoch: transaction.coordinatorEpoch,
    transaction: transaction.id,
    participants: action === "Begin" ? idsOf(parts) : undefined,
    participant: participantId,
    value: spokenOf(action, transaction, participantId),
    state: {
      phase: transaction.phase.toLowerCase(),
      yes: idsOf(parts.filter(({ vote }) => vote === "commit")),
      ro: idsOf(parts.filter(({ vote }) => vote === "read-only")),
      acks: idsOf(parts.filter(({ acknowledgedOutcome }) => acknowledgedOutcome === "committed")),
      lost: idsOf(parts.filter(({ lost }) => lost)),
    },
  };
}

function spokenOf(
  action: CoordinatorAction,
  { outcome, parts }: Transaction,
  participantId: ParticipantId | undefined,
): CoordinatorEvent["value"] {
  const part = parts.find((each) => each.participantId === participantId);
  switch (action) {
    case "RecvVote":
      return part?.vote && votes[part.vote];
    case "RecvAck":
      return part?.acknowledgedOutcome;
    case "SendDecision":
    case "AnswerInquiry":
    case "AckClient":
      return outcome;
    default:
      return undefined;
  }
}

export function participantEvent(
  { action, transaction }: ParticipantTrace,
  participant: ParticipantId,
  instance: string,
): ParticipantEvent {
  const { transactionId, state, onePhase } = transaction;
  return { action, participant, instance, transaction: transactionId, state: stateOf(state, onePhase) };
}

function stateOf(state: ParticipantTransaction["state"], onePhase: boolean): ParticipantEvent["state"] {
  // In one phase the promise is only the first half of the commit.
  if (state === "prepared" || state === "committing") return onePhase ? "working" : "prepared";
  return state === "read-only" ? "readonly" : state;
}
