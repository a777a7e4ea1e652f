import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";
import type { Claim } from "./claim.ts";
import type { Acknowledgement, Outcome, VoteValue } from "./types.ts";

// The messages of the Participate stream. See proto/concord/commit/v1/two_phase_commit.proto for the meaning of each field.

/** What the coordinator says. */
export type CoordinatorMessage =
  | {
      readonly type: "welcome";
      readonly sessionEpoch: number;
      readonly coordinatorId: string;
      readonly coordinatorEpoch: number;
      readonly version: number;
      /** Newest first: the coordinator's own, and those before it. */
      readonly claims: readonly Claim[];
      readonly heartbeatIntervalMs: DurationMs;
      readonly sessionTimeoutMs: DurationMs;
    }
  | Prepare
  | Decision
  | Heartbeat
  | { readonly type: "go-away"; readonly reason: string; readonly reconnectAfterMs: DurationMs }
  | Nack
  | Unreadable;

/** What a participant says. */
export type ParticipantMessage =
  | Hello
  | Vote
  | DecisionAck
  | Inquiry
  | Heartbeat
  | { readonly type: "credit"; readonly prepares: number }
  | { readonly type: "goodbye"; readonly reason: string }
  | Nack
  | Unreadable;

export type Hello = {
  readonly type: "hello";
  readonly participantId: ParticipantId;
  readonly instanceId: string;
  readonly versionMin: number;
  readonly versionMax: number;
  readonly inDoubt: readonly InDoubt[];
  readonly prepareCredit: number;
};

/** A promise, and whose it is: no other coordinator may end it. */
export type InDoubt = { readonly transactionId: TransactionId; readonly coordinatorId: string };

export type Prepare = {
  readonly type: "prepare";
  readonly transactionId: TransactionId;
  readonly attempt: number;
  readonly payload: Uint8Array;
  readonly voteWithinMs: DurationMs;
  readonly onePhase: boolean;
  readonly coordinatorEpoch: number;
};

export type Vote = {
  readonly type: "vote";
  readonly transactionId: TransactionId;
  readonly attempt: number;
  readonly value: VoteValue;
  readonly reason: string;
};

export type Decision = {
  readonly type: "decision";
  readonly transactionId: TransactionId;
  readonly outcome: Outcome;
  readonly coordinatorEpoch: number;
  readonly inReply: boolean;
};

export type DecisionAck = {
  readonly type: "decision-ack";
  readonly transactionId: TransactionId;
  readonly outcome: Acknowledgement;
  readonly reason: string;
};

export type Inquiry = { readonly type: "inquiry" } & InDoubt;

export type Heartbeat = { readonly type: "heartbeat"; readonly sentAtMs: TimeMs; readonly lastSequenceSeen: number };

export type Nack = {
  readonly type: "nack";
  readonly sequence: number;
  readonly reason: string;
  /** Of a Welcome whose decision log does not go on from this claim. */
  readonly claimSeen?: Claim;
};

/** Only received: an unknown kind, or a field that breaks its rule. Answered with Nack. */
export type Unreadable = {
  readonly type: "unreadable";
  readonly reason: string;
  /** The fields that break their rules, if that is why. */
  readonly violations?: readonly Violation[];
};

/** An empty field: the message as a whole. */
export type Violation = { readonly field: string; readonly description: string };

/** A message with its place in its stream: 1, 2, 3, … */
export type Numbered<Message> = { readonly sequence: number; readonly message: Message };

/** A Prepare that has not left yet: the time to vote is counted when it does, and a payload that only the log has is read then. */
export type PendingPrepare = Omit<Prepare, "voteWithinMs" | "payload"> & {
  readonly deadlineMs: TimeMs;
  readonly payload: Uint8Array | undefined;
};
