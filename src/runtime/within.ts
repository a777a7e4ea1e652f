import { setTimeout as sleep } from "node:timers/promises";
import type { DurationMs } from "../kernel/time.ts";

/** Resolves when the promise does, or after this time. */
export async function within(limitMs: DurationMs, promise: Promise<unknown>): Promise<void> {
  const limit = new AbortController();
  await Promise.race([promise, sleep(limitMs, undefined, { signal: limit.signal }).catch(() => undefined)]);
  limit.abort();
}
