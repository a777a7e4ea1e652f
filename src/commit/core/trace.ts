import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import type { ParticipantTransaction } from "./participant.ts";
import type { Outcome, Transaction, VoteValue } from "./types.ts";

// What happens, in the words of specs/TwoPhaseCommit.tla: the action, and the state behind it. specs/TraceTwoPhaseCommit.tla says
// whether it may happen. Without a trace port no event is made of it.

/** Of a coordinator's core. Resolve is none of the spec's. */
export type CoordinatorAction =
  | "Begin"
  | "ForceDelegate"
  | "SendPrepare"
  | "RecvVote"
  | "ForceCommit"
  | "CommitReadOnly"
  | "TimeoutAbort"
  | "ClientAbort"
  | "Note"
  | "SendDecision"
  | "RecvAck"
  | "AckClient"
  | "Forget"
  | "AnswerInquiry"
  | "TakeOver"
  | "Resolve";

export type ParticipantAction =
  | "RecvPrepare"
  | "RecvPrepareOnePhase"
  | "UnilateralAbort"
  | "Inquire"
  | "RecvCommit"
  | "RecvAbort"
  | "RecvAbortUnknown"
  | "PartRecover";

/** An effect: the action has happened, and what it sends has not been sent. */
export type CoordinatorTrace = {
  readonly type: "trace";
  readonly action: CoordinatorAction;
  /** As the action has left it. */
  readonly transaction: Transaction;
  /** Whose message it is, or whose it will be. */
  readonly participantId: ParticipantId | undefined;
};

/** An effect: the action has happened, is durable if it must be, and its message has not been sent. */
export type ParticipantTrace = {
  readonly type: "trace";
  readonly action: ParticipantAction;
  readonly transaction: ParticipantTransaction;
};

export type CoordinatorEvent = {
  readonly action: CoordinatorAction;
  readonly epoch: number;
  readonly transaction: TransactionId;
  /** Of Begin. */
  readonly participants?: readonly ParticipantId[] | undefined;
  readonly participant?: ParticipantId | undefined;
  /** What was said. */
  readonly value?: "yes" | "no" | "readonly" | Outcome | undefined;
  /** None: nothing is known of it here. */
  readonly state?: {
    readonly phase: string;
    readonly yes: readonly ParticipantId[];
    readonly ro: readonly ParticipantId[];
    readonly acks: readonly ParticipantId[];
  };
};

export type ParticipantEvent = {
  readonly action: ParticipantAction;
  readonly participant: ParticipantId;
  /** Names the process. */
  readonly instance: string;
  readonly transaction: TransactionId;
  readonly state: "working" | "prepared" | "committed" | "aborted" | "refused" | "readonly";
};

export type TraceEvent =
  | CoordinatorEvent
  | ParticipantEvent
  /** The log has a new owner: TakeOver of each transaction, whether a record of it is found or not. */
  | { readonly action: "Claim"; readonly epoch: number }
  /** It has found all that is to be found. */
  | { readonly action: "Recovered"; readonly epoch: number }
  /** A participant's process has started. */
  | { readonly action: "Start"; readonly participant: ParticipantId; readonly instance: string }
  /** A session is the newest from now on: the first of a new process is PartRecover. */
  | { readonly action: "Welcome"; readonly epoch: number; readonly participant: ParticipantId; readonly instance: string };

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
  if (state === "prepared" && onePhase) return "working";
  return state === "read-only" ? "readonly" : state;
}
