import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import type { Claim } from "./claim.ts";
import type { VoteValue } from "./types.ts";

// What happens around the cores, in the words of specs/Sessions.tla: to the decision log, and at both ends of each stream.
// specs/TraceSessions.tla says whether it may happen.

/** Which session a participant means, whoever it has it with. */
export type Welcomed = {
  readonly coordinatorId: string;
  /** Of the coordinator. */
  readonly epoch: number;
  /** Of the participant. */
  readonly session: number;
};

/** At a coordinator. */
export type OwnerEvent =
  /** The log has a new owner: TakeOver of each transaction, whether a record of it is found or not. */
  | { readonly action: "Claim"; readonly epoch: number; readonly coordinatorId: string; readonly claim: string }
  /** It has found all that is to be found. */
  | { readonly action: "Recovered"; readonly epoch: number }
  /** It has found out that it was replaced, and does nothing more. */
  | { readonly action: "Stop"; readonly epoch: number };

/** At the coordinator's end of a stream. */
export type SessionEvent =
  /** Its number is durable. */
  | ({ readonly action: "OpenSession" } & OfStream)
  /** It is the participant's session from now on: the first of a new process is PartRecover. */
  | ({ readonly action: "Welcome" } & OfStream)
  /** A vote has come, whatever becomes of it. */
  | {
      readonly action: "HearVote";
      readonly epoch: number;
      readonly participant: ParticipantId;
      readonly session: number;
      readonly transaction: TransactionId;
      readonly value: VoteValue;
    };

type OfStream = {
  readonly epoch: number;
  readonly participant: ParticipantId;
  /** Names the process. */
  readonly instance: string;
  readonly session: number;
};

/** At the participant's end of a stream. */
export type LinkEvent = InSession & Welcomed & { readonly participant: ParticipantId; readonly instance: string };

export type InSession =
  /** Its Welcome is believed, and what it claims remembered. */
  | { readonly action: "Admit"; readonly claim: string }
  /** Something has come, whatever becomes of it. */
  | { readonly action: "HearPrepare" | "HearDecision"; readonly transaction: TransactionId }
  /** It goes out. */
  | { readonly action: "SayVote"; readonly transaction: TransactionId; readonly value: VoteValue };

/** The newest of what a log has told of its claims. */
export const newestClaim = (claims: readonly Claim[]): string => claims[0]?.id ?? "";
