import { err } from "../kernel/result.ts";
import { StorageUnavailableError, type WriteResult } from "../kernel/write.ts";
import type { VerdictLog } from "./ports.ts";

/** In the place of a log that could not be opened: nothing can be written, nor read. */
export function createClosedVerdictLog(cause: string): VerdictLog {
  const unavailable = async (): WriteResult<never, never> => err({ type: "storage-unavailable", cause, outcomeUnknown: false });
  return {
    // Nothing is old.
    keptBeforeMs: () => 0,
    append: unavailable,
    drop: unavailable,
    list: () => Promise.reject(new StorageUnavailableError(cause)),
    usedBytes: () => 0,
    close: async () => undefined,
  };
}
