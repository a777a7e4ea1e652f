import type { CallContext, Metadata } from "nice-grpc-common";
import type { TransactionId } from "../kernel/ids.ts";

/** Response header of a call that has begun a transaction. Sent at once: a caller that gets no answer can ask after it. */
const headerName = "concord-transaction-id";

export function tellTransaction({ header, sendHeader }: CallContext, transactionId: TransactionId): void {
  header.set(headerName, transactionId);
  sendHeader();
}

export const toldTransaction = (header: Metadata): TransactionId | undefined =>
  header.get(headerName) as TransactionId | undefined;
