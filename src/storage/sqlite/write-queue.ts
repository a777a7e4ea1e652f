import type { WriteFailure } from "../../kernel/write.ts";
import type { SqlValue, Statement } from "./statement.ts";
import type { BatchOutcome } from "./writer-messages.ts";

/** Bounds the work that one failure takes down, and the time that a batch waits behind others. */
export const flushBatchesMax = 1_024;

/** What goes to the writer is copied on the event loop: some 5 ms. A larger batch goes alone. */
export const flushBytesMax = 4 * 1024 * 1024;

/** Callers beyond these two are refused at once: a queue this long means that the disk does not keep up. */
export const waitingBatchesMax = 65_536;
export const waitingBytesMax = 256 * 1024 * 1024;

export type StorageUnavailable = Extract<WriteFailure<never>, { type: "storage-unavailable" }>;

export type Waiting = {
  readonly batch: readonly Statement<unknown>[];
  readonly bytes: number;
  readonly answer: (outcome: BatchOutcome | StorageUnavailable) => void;
};

/** Batches that wait for the writer, in order; bounded in count and in bytes. */
export function createWriteQueue() {
  let waiting: Waiting[] = [];
  let bytes = 0;
  return {
    isEmpty: (): boolean => waiting.length === 0,
    isFull: (): boolean => waiting.length >= waitingBatchesMax || bytes >= waitingBytesMax,
    push({ batch, answer }: Omit<Waiting, "bytes">): void {
      const each = { batch, answer, bytes: bytesOf(batch) };
      waiting.push(each);
      bytes += each.bytes;
    },
    /** What goes into the next flush. */
    take(): readonly Waiting[] {
      const flight = waiting.splice(0, flightLength(waiting));
      for (const each of flight) bytes -= each.bytes;
      return flight;
    },
    /** All of it: none of them will be written. */
    drop(): readonly Waiting[] {
      const dropped = waiting;
      waiting = [];
      bytes = 0;
      return dropped;
    },
  };
}

function flightLength(waiting: readonly Waiting[]): number {
  let bytes = 0;
  const over = waiting.findIndex((each, index) => {
    bytes += each.bytes;
    return index === flushBatchesMax || (index > 0 && bytes > flushBytesMax);
  });
  return over === -1 ? waiting.length : over;
}

/** What is bound into it. */
const bytesOf = (batch: readonly Statement<unknown>[]): number => {
  let bytes = 0;
  for (const { params } of batch) for (const param of params) bytes += sizeOf(param);
  return bytes;
};

function sizeOf(value: SqlValue): number {
  if (value instanceof Uint8Array) return value.byteLength;
  return typeof value === "string" ? Buffer.byteLength(value) : 8;
}
