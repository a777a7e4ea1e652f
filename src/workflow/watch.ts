import type { WorkflowId } from "../kernel/ids.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { WorkflowEvent } from "./core/types.ts";
import type { WorkflowStore } from "./ports.ts";

/** Enough to catch up fast; small enough that a watcher never holds the event loop for long. */
const watchPageSize = 256;

export type WatchMessage =
  | { readonly type: "event"; readonly event: WorkflowEvent }
  /** Every matching event up to here has been sent. */
  | { readonly type: "progress"; readonly sequence: number };

export type WatchOptions = {
  readonly afterSequence: number;
  readonly workflowId: WorkflowId | undefined;
  readonly matches: (event: WorkflowEvent) => boolean;
  readonly progressIntervalMs: DurationMs;
  readonly signal: AbortSignal;
};

/**
 * Tells of events in the order of their sequence until the signal aborts. It reads what is stored, at the pace of its consumer: a
 * slow consumer costs no memory, and nothing can be missed or told twice. specs/WorkflowManager.tla: NoEventSkipped.
 */
export async function* watch(store: WorkflowStore, options: WatchOptions): AsyncGenerator<WatchMessage> {
  const { workflowId, matches, progressIntervalMs, signal } = options;
  let cursor = options.afterSequence;
  yield { type: "progress", sequence: cursor };
  let sentMs = performance.now();
  while (!signal.aborted) {
    const wake = awaitAppend(store, sentMs + progressIntervalMs - performance.now(), signal);
    try {
      // Read before the page: what comes between the two is found by the next round.
      const { newest } = await store.sequences();
      const page = await store.events({
        afterSequence: cursor,
        limit: watchPageSize,
        ...(workflowId === undefined ? {} : { workflowId }),
      });
      for (const event of page) {
        cursor = event.sequence;
        if (!matches(event)) continue;
        yield { type: "event", event };
        sentMs = performance.now();
      }
      if (page.length === watchPageSize) continue;
      cursor = Math.max(cursor, newest);
      await wake.promise;
    } finally {
      wake.cancel();
    }
    if (performance.now() - sentMs >= progressIntervalMs) {
      yield { type: "progress", sequence: cursor };
      sentMs = performance.now();
    }
  }
}

/** Subscribed before the page is read, so that no append falls between the reading and the waiting. */
function awaitAppend(store: WorkflowStore, limitMs: DurationMs, signal: AbortSignal) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const unsubscribe = store.onAppend(cancel);
  const timer = setTimeout(cancel, Math.max(0, limitMs));
  signal.addEventListener("abort", cancel);
  function cancel() {
    unsubscribe();
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
    resolve();
  }
  return { promise, cancel };
}
