import type { TransactionId } from "../../kernel/ids.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";
import type { Decision, DecisionAck, Inquiry, Prepare, Vote } from "./messages.ts";
import type { Acknowledgement, VoteValue } from "./types.ts";

// What goes into a step of the participant, and what comes out of it.

/** What the participant log keeps. specs/TwoPhaseCommit.tla: Durable. */
export type ParticipantRecord = {
  readonly transactionId: TransactionId;
  /** Prepared as the only participant: it has decided to commit, and is not in doubt. */
  readonly onePhase: boolean;
  /** Lost: it was told to commit, and the resource does not hold the promise any more. Not in doubt; asked again, it asks again. */
  readonly state: "prepared" | Acknowledgement;
  /** Whose transaction it is: no other coordinator is believed. */
  readonly coordinatorId: string;
  /** The largest epoch seen for this transaction. */
  readonly coordinatorEpoch: number;
  readonly payload: Uint8Array;
  /** Why it was aborted here, for people. */
  readonly reason: string;
  readonly updatedAtMs: TimeMs;
};

/** A record, or what is not durable. Committing: the resource is asked to, and nothing else is done until it has answered. */
export type ParticipantTransaction = Omit<ParticipantRecord, "state"> & {
  readonly state: ParticipantRecord["state"] | "working" | "refused" | "read-only" | "committing";
  readonly attempt: number;
  /** The resource is preparing: nothing else is asked of it until it has answered. */
  readonly busy: boolean;
  /** An abort came while the resource was busy. */
  readonly abortReceived: boolean;
};

export type ResourceVote = { readonly value: VoteValue; readonly reason: string };

/** Who sent a message, and the largest epoch that this coordinator is known to have had. */
export type Sender = { readonly coordinatorId: string; readonly epochSeen: number };

export type ParticipantInput = { readonly nowMs: TimeMs } & (
  | { readonly type: "prepare"; readonly message: Prepare; readonly from: Sender }
  /** `logId` names the participant's log, for a reason that says which one has no record. */
  | { readonly type: "decision"; readonly message: Decision; readonly from: Sender; readonly logId: string }
  /** The resource's answer to `resource-prepare`. */
  | { readonly type: "resource-voted"; readonly vote: ResourceVote }
  /** The resource's answers to `resource-commit`. */
  | { readonly type: "resource-committed" }
  | { readonly type: "promise-lost"; readonly reason: string }
  /** The time to vote is over, or the process wants to leave. */
  | { readonly type: "unilateral-abort"; readonly reason: string }
  | { readonly type: "inquire" }
  | { readonly type: "recover" }
);

export type ParticipantEffect =
  /** Answered by the input `resource-voted`; later effects do not wait for it. */
  | {
      readonly type: "resource-prepare";
      readonly payload: Uint8Array;
      readonly voteWithinMs: DurationMs;
      readonly coordinatorId: string;
      readonly coordinatorEpoch: number;
    }
  /** Answered by the input `resource-committed` or `promise-lost`. */
  | { readonly type: "resource-commit"; readonly payload: Uint8Array }
  /** Done, at the resource, before any later effect runs. */
  | { readonly type: "resource-abort"; readonly payload: Uint8Array }
  /** Durable before any later effect runs. */
  | { readonly type: "persist"; readonly record: ParticipantRecord }
  | { readonly type: "send"; readonly message: Vote | DecisionAck | Inquiry }
  | ParticipantTrace
  /** The message that was the input is answered with Nack. `contrary`: it ended the other way here, and people must look at both. */
  | { readonly type: "refuse"; readonly reason: string; readonly contrary?: true };

export type ParticipantStep = {
  /** Undefined: nothing is known of this transaction, as before. */
  readonly transaction: ParticipantTransaction | undefined;
  readonly effects: readonly ParticipantEffect[];
};

export type ParticipantAction =
  | "RecvPrepare"
  | "RecvPrepareOnePhase"
  | "UnilateralAbort"
  | "Inquire"
  | "RecvCommit"
  | "RecvCommitLost"
  | "RecvAbort"
  | "RecvAbortUnknown"
  | "PartRecover";

/** An effect: the action has happened, is durable if it must be, and its message has not been sent. */
export type ParticipantTrace = {
  readonly type: "trace";
  readonly action: ParticipantAction;
  readonly transaction: Pick<ParticipantTransaction, "transactionId" | "state" | "onePhase">;
};
