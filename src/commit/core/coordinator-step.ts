import type { ParticipantId } from "../../kernel/ids.ts";
import type { Proved } from "../../kernel/principal.ts";
import type { RequestKey } from "../../kernel/request-key.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Decision, PendingPrepare } from "./messages.ts";
import type { Acknowledgement, Moment, Outcome, Transaction, VoteValue } from "./types.ts";

// What goes into a step of the coordinator, and what comes out of it.

export type CoordinatorInput = Moment &
  (
    | { readonly type: "connected"; readonly participantId: ParticipantId; readonly inDoubt: boolean }
    | { readonly type: "disconnected"; readonly participantId: ParticipantId }
    | ({ readonly type: "enlist"; readonly connected: boolean; readonly request: RequestKey | undefined } & Enlistment & Proved)
    | ({ readonly type: "commit" } & Proved)
    | { readonly type: "abort"; readonly reason: string }
    | ({ readonly type: "resolve"; readonly outcome: Outcome; readonly reason: string; readonly requestedBy: string } & Proved)
    | ({ readonly type: "retry" } & Proved)
    | { readonly type: "idle-timeout" }
    | { readonly type: "wait-timeout" }
    | { readonly type: "prepare-timeout" }
    | { readonly type: "client-abort"; readonly reason: string }
    | { readonly type: "vote"; readonly participantId: ParticipantId; readonly value: VoteValue; readonly reason: string }
    | { readonly type: "ack"; readonly participantId: ParticipantId; readonly outcome: Acknowledgement; readonly reason: string }
    | { readonly type: "inquiry"; readonly participantId: ParticipantId }
    | { readonly type: "resend"; readonly participantId: ParticipantId }
  );

export type CoordinatorEffect =
  /** Forced: durable, under the fence, before any later effect runs. */
  | { readonly type: "persist"; readonly transaction: Transaction }
  /** Written in this order, but nobody waits for it: under presumed abort its loss changes no outcome. */
  | { readonly type: "record"; readonly transaction: Transaction }
  /** specs/TwoPhaseCommit.tla: AckClient. `pending`: the decision is the participant's, and it has not told. */
  | { readonly type: "reply"; readonly answer: "decided" | "pending" }
  | { readonly type: "send"; readonly participantId: ParticipantId; readonly message: PendingPrepare | Decision }
  /** Comes back as the input of this name. Setting a timer again moves it. */
  | { readonly type: "set-timer"; readonly timer: Timer; readonly delayMs: DurationMs }
  | { readonly type: "clear-timer"; readonly timer: Timer }
  | CoordinatorTrace
  /** A message that was the input is answered with Nack, a verb with an error. */
  | ({ readonly type: "refuse" } & Refusal);

export type Refusal = {
  readonly code: "message" | "state" | "already-enlisted" | "too-many-participants";
  readonly reason: string;
};

export type Timer =
  | { readonly type: "idle-timeout" }
  | { readonly type: "wait-timeout" }
  | { readonly type: "prepare-timeout" }
  | { readonly type: "resend"; readonly participantId: ParticipantId };

export type Step = { readonly transaction: Transaction; readonly effects: readonly CoordinatorEffect[] };

export type Enlistment = { readonly participantId: ParticipantId; readonly payload: Uint8Array };

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
  | "RecvLost"
  | "AckClient"
  | "Forget"
  | "AnswerInquiry"
  | "TakeOver"
  | "Resolve";

/** An effect: the action has happened, and what it sends has not been sent. */
export type CoordinatorTrace = {
  readonly type: "trace";
  readonly action: CoordinatorAction;
  /** As the action has left it. */
  readonly transaction: Transaction;
  /** Whose message it is, or whose it will be. */
  readonly participantId: ParticipantId | undefined;
};
