import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import type { TimeMs } from "../kernel/time.ts";
import { isInDoubtSomewhere, mayHavePromised, owesAck, type Part, type Transaction } from "./core/types.ts";
import type { CommitGauges } from "./metrics.ts";
import { createOrdered, type Ordered } from "./ordered.ts";

/** How far a participant lags behind. */
export type Owed = {
  /** Transactions that it may have promised to commit, and whose outcome it has not acknowledged. */
  readonly inDoubt: number;
  /** Transactions that are decided, and that it should have acknowledged. */
  readonly unacknowledged: number;
  /** When the oldest of these was decided. */
  readonly oldestUnacknowledgedMs: TimeMs | undefined;
};

/** What is owed and what is in doubt, entered with each change: whoever asks need not count. */
export type Books = {
  /** Of those who owe something. */
  readonly accounts: Map<ParticipantId, Account>;
  /** By their beginning. */
  readonly inDoubt: Ordered<Dated>;
};

type Account = { inDoubt: number; readonly unacknowledged: Ordered<Dated> };

type Dated = { readonly atMs: TimeMs; readonly id: TransactionId };

const createDated = (): Ordered<Dated> => createOrdered((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : Number(a.id > b.id)));

export const createBooks = (): Books => ({ accounts: new Map(), inDoubt: createDated() });

/** A transaction has changed. Undefined: it was not there, or is not any more. */
export function account(books: Books, before: Transaction | undefined, after: Transaction | undefined): void {
  const wasInDoubt = before !== undefined && isInDoubtSomewhere(before);
  const isInDoubt = after !== undefined && isInDoubtSomewhere(after);
  if (wasInDoubt && !isInDoubt) books.inDoubt.delete({ atMs: before.createdAtMs, id: before.id });
  if (isInDoubt && !wasInDoubt) books.inDoubt.add({ atMs: after.createdAtMs, id: after.id });
  const sameDecision =
    before?.outcome === after?.outcome && before?.resolution === after?.resolution && before?.phase === after?.phase;
  for (const [index, part] of ((after ?? before)?.parts ?? []).entries()) {
    const old = before?.parts[index];
    if (sameDecision && old === part && after) continue;
    if (before && old) enter(books, before, old, -1);
    if (after) enter(books, after, part, 1);
  }
}

function enter({ accounts }: Books, transaction: Transaction, part: Part, sign: 1 | -1): void {
  const isBound = mayHavePromised(transaction, part) && part.acknowledgedAtMs === undefined;
  const owes = transaction.decidedAtMs !== undefined && owesAck(transaction, part);
  if (!isBound && !owes) return;
  const { participantId } = part;
  const its = accounts.get(participantId) ?? { inDoubt: 0, unacknowledged: createDated() };
  if (isBound) its.inDoubt += sign;
  if (owes) {
    const dated = { atMs: transaction.decidedAtMs, id: transaction.id };
    if (sign === 1) its.unacknowledged.add(dated);
    else its.unacknowledged.delete(dated);
  }
  if (its.inDoubt === 0 && its.unacknowledged.size === 0) accounts.delete(participantId);
  else accounts.set(participantId, its);
}

export function owedBy({ accounts }: Books, participantId: ParticipantId): Owed {
  const its = accounts.get(participantId);
  return {
    inDoubt: its?.inDoubt ?? 0,
    unacknowledged: its?.unacknowledged.size ?? 0,
    oldestUnacknowledgedMs: its?.unacknowledged.first?.atMs,
  };
}

/** Looks at each participant that owes something. */
export function unacknowledgedIn({ accounts }: Books): Pick<CommitGauges, "unacknowledged" | "unacknowledgedMost"> {
  let unacknowledged = 0;
  let unacknowledgedMost = 0;
  for (const { unacknowledged: its } of accounts.values()) {
    unacknowledged += its.size;
    unacknowledgedMost = Math.max(unacknowledgedMost, its.size);
  }
  return { unacknowledged, unacknowledgedMost };
}

export const inDoubtAt = ({ inDoubt }: Books, nowMs: TimeMs): Pick<CommitGauges, "inDoubt" | "oldestInDoubtMs"> => ({
  inDoubt: inDoubt.size,
  oldestInDoubtMs: Math.max(0, nowMs - (inDoubt.first?.atMs ?? nowMs)),
});
