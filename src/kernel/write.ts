import type { Result } from "./result.ts";
import type { DurationMs, TimeMs } from "./time.ts";

/** Why a write batch was not applied. Nothing of it was written, except perhaps after `outcomeUnknown`. */
export type WriteFailure<Conflict> =
  /** A compare-and-set expectation of this batch does not hold. Other batches of the same flush are not affected. */
  | { readonly type: "conflict"; readonly conflict: Conflict }
  /**
   * The store cannot write: disk full, I/O error, damaged, removed, or closed. Reads of what is sound still work. After an I/O error during
   * the flush it is not known whether the batch is durable (`outcomeUnknown`); a retry with the same request id settles it.
   */
  | { readonly type: "storage-unavailable"; readonly cause: string; readonly outcomeUnknown: boolean };

export type WriteResult<T, Conflict> = Promise<Result<T, WriteFailure<Conflict>>>;

/** What a read of a store rejects with: it is damaged, or closed. The message is for the log; it names the file. */
export class StorageUnavailableError extends Error {
  override readonly name = "StorageUnavailableError";
}

/** What every store can say about itself. */
export interface StoreHealth {
  /**
   * False from a failed write until there is space for a write of that size and more; the store probes by itself. A small write that
   * succeeds meanwhile changes nothing. False for good once the file is damaged or removed.
   */
  readonly writable: boolean;
  /** Called with each change of `writable`, and when it is false for good; then with the cause. Returns the unsubscribe function. */
  onWritableChange(listener: (writable: boolean, cause: string) => void): () => void;
}

/** How every store counts the age of what it keeps for a time. */
export interface StoreAge {
  /**
   * What was stamped before this time has been kept for at least so long while the store was open, give or take a minute, whatever the wall
   * clock has said. What is younger must not be dropped.
   */
  keptBeforeMs(retentionMs: DurationMs): TimeMs;
}
