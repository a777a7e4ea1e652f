import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import { type Origin, originFields } from "../../kernel/origin.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { ParticipantInput, ParticipantTransaction } from "../core/participant-step.ts";
import type { Mailbox } from "../mailbox.ts";
import type { Link } from "./link.ts";

/** What is done for a transaction, and on whose behalf. */
export type Subject = { readonly transactionId: TransactionId; readonly origin?: Origin | undefined };

/** One transaction here: what is known of it, and what waits for it. */
export type Box = {
  readonly transactionId: TransactionId;
  readonly mailbox: Mailbox<Envelope>;
  transaction: ParticipantTransaction | undefined;
  /** The log has been asked about it. */
  loaded: boolean;
  /** Else its work is only in the log. */
  hasPayload: boolean;
  /** Where the last message about it came from. */
  link: Link | undefined;
  /** The call that has led to the last message about it, as far as its coordinator has told. */
  origin: Origin | undefined;
  /** An input is handled. */
  busy: boolean;
  /** An input met a defect: nothing more is done here. */
  broken: boolean;
  /** When the last input was done with, on the monotonic clock. */
  quietSinceMs: DurationMs;
  cancelVoteTimer: () => void;
};

/** `refuse` answers the message that brought the input with Nack. */
export type Envelope = { readonly input: ParticipantInput; readonly refuse: ((reason: string) => void) | undefined };

/** Nothing of it is under way. A promise is not: it waits for the coordinator. */
export const isIdle = ({ broken, busy, transaction }: Box): boolean =>
  broken || (!busy && !transaction?.busy && transaction?.state !== "committing");

/** What each log line about it says. */
export const aboutOf = ({ transactionId, origin }: Subject, participantId: ParticipantId) => ({
  transaction: transactionId,
  participant: participantId,
  ...originFields(origin),
});
