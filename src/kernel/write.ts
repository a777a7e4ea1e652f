import type { Result } from "./result.ts";

/** Why a write batch was not applied. Nothing of it was written, except perhaps after `outcomeUnknown`. */
export type WriteFailure<Conflict> =
  /** A compare-and-set expectation of this batch does not hold. Other batches of the same flush are not affected. */
  | { readonly type: "conflict"; readonly conflict: Conflict }
  /**
   * The store cannot write now: disk full, I/O error, or closed. Reads still work. After an I/O error during the flush it is not
   * known whether the batch is durable (`outcomeUnknown`); a retry with the same request id settles it.
   */
  | { readonly type: "storage-unavailable"; readonly cause: string; readonly outcomeUnknown: boolean };

export type WriteResult<T, Conflict> = Promise<Result<T, WriteFailure<Conflict>>>;

/** What every store can say about itself. */
export interface StoreHealth {
  /** False from a failed write until a write succeeds again; the store probes by itself. */
  readonly writable: boolean;
  /** Called with each change of `writable`. Returns the unsubscribe function. */
  onWritableChange(listener: (writable: boolean) => void): () => void;
}
