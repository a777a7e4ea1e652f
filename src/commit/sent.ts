import type { TransactionId } from "../kernel/ids.ts";

/** Messages of a session that are not answered: each by its transaction, and by its place in the stream, which is what a Nack names. */
export type Sent = {
  readonly size: number;
  add(transactionId: TransactionId, sequence: number): void;
  /** It is answered. */
  delete(transactionId: TransactionId): void;
  /** The transaction of the message with this sequence, which is answered with that. */
  take(sequence: number): TransactionId | undefined;
};

/** The oldest is forgotten beyond `countMax`. */
export function createSent(countMax: number): Sent {
  const sequences = new Map<TransactionId, number>();
  const transactions = new Map<number, TransactionId>();

  function forget(transactionId: TransactionId): void {
    const sequence = sequences.get(transactionId);
    if (sequence === undefined) return;
    sequences.delete(transactionId);
    transactions.delete(sequence);
  }

  return {
    get size() {
      return sequences.size;
    },
    add(transactionId, sequence) {
      forget(transactionId);
      sequences.set(transactionId, sequence);
      transactions.set(sequence, transactionId);
      const [oldest] = sequences.size > countMax ? sequences.keys() : [];
      if (oldest !== undefined) forget(oldest);
    },
    delete: forget,
    take(sequence) {
      const transactionId = transactions.get(sequence);
      if (transactionId !== undefined) forget(transactionId);
      return transactionId;
    },
  };
}
