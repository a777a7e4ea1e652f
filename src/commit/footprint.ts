import type { CoordinatorMessage, ParticipantMessage } from "./core/messages.ts";
import type { Part, Transaction } from "./core/types.ts";
import type { Timeline } from "./timeline.ts";

// What a transaction takes in memory: as callers and participants choose it, and flat for the rest, which is measured.

/** A transaction with its run, its mailbox and its timers. */
const transactionBytes = 3_072;

/** A part: its state, an id and a name. */
const partBytes = 512;

/** A line of a timeline without its text. */
const lineBytes = 128;

/** Of a text, at most. */
export const characterBytes = 2;

/** What all transactions take together. */
export type TransactionBytes = { undecided: number; decided: number };

/** A transaction's share of these, and how many lines its timeline had been given when it was counted. */
export type Charged = { readonly to: keyof TransactionBytes; readonly bytes: number; readonly lineCount: number };

export const notCharged: Charged = { to: "undecided", bytes: 0, lineCount: 0 };

/** Bytes, a little more rather than less. */
export function footprint({ parts }: Transaction, { entries }: Timeline): number {
  let bytes = transactionBytes + entries.length * lineBytes;
  for (const { detail } of entries) bytes += characterBytes * (detail?.length ?? 0);
  for (const part of parts) bytes += partFootprint(part);
  return bytes;
}

/** Of work that is enlisted, or of a part that has voted. */
export const partFootprint = ({ payload, voteReason = "" }: Pick<Part, "payload"> & Partial<Pick<Part, "voteReason">>): number =>
  partBytes + (payload?.byteLength ?? 0) + characterBytes * voteReason.length;

/** What the log keeps of a decided transaction: its decision is sent, and sent again, without the work. */
export const withoutPayloads = (transaction: Transaction): Transaction => ({
  ...transaction,
  parts: transaction.parts.map((part) => ({ ...part, payload: nothing })),
});

const nothing = new Uint8Array();

/** A message that waits to be sent, a little more rather than less. */
export function messageBytes({ message }: { readonly message: CoordinatorMessage | ParticipantMessage }): number {
  if (message.type === "prepare") return headBytes + message.payload.byteLength;
  return "reason" in message ? headBytes + characterBytes * message.reason.length : headBytes;
}

/** Of a message without what others choose the size of. */
const headBytes = 256;
