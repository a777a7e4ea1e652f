import { assert } from "../kernel/assert.ts";
import { purgeBatchSize } from "../kernel/limits.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { Stretch } from "../kernel/stretch.ts";
import {
  bulkKeptMax,
  bulkPurgeIntervalMs,
  bulkResultsKeptMax,
  bulkRetentionMs,
  bulkUnderWayMax,
  bulkWaitMsMax,
} from "./bulk-limits.ts";
import type { BulkOperation, BulkState } from "./bulk-ports.ts";
import { type BulkRunning, inabilityWords, runBulk } from "./bulk-run.ts";

export type BulkCommand = Pick<
  BulkOperation,
  "filter" | "action" | "isDryRun" | "ratePerSecond" | "reason" | "requestedBy" | "authenticatedAs" | "request"
>;

export type BulkError =
  | { readonly type: "bulk-operation-not-found"; readonly id: string }
  | { readonly type: "bulk-operation-state"; readonly id: string; readonly state: BulkState }
  | { readonly type: "bulk-operation-limit"; readonly limit: number }
  | { readonly type: "request-id-reused"; readonly requestId: RequestKey["id"] }
  | { readonly type: "storage-unavailable"; readonly cause: string };

/** `waitingFor`: why it does not go on; empty, if it does. */
export type BulkStatus = BulkOperation & { readonly waitingFor: string };

export type Bulk = ReturnType<typeof createBulk>;

type Run = { readonly stop: AbortController; readonly ended: Promise<void>; waitingFor: string };

const reused = ({ id: requestId }: RequestKey): Result<never, BulkError> => err({ type: "request-id-reused", requestId });

const underWay: readonly BulkState[] = ["RUNNING", "PAUSED"];

/** Bulk operations of one store: at most `bulkUnderWayMax` at a time, each a loop of its own, which its state in the store starts and stops. */
export function createBulk(
  dependencies: BulkRunning & {
    readonly logger: { readonly [level in "info" | "warn" | "error"]: (fields: object, message: string) => void };
  },
) {
  const { store, bulk, environment, clock, logger } = dependencies;
  const runs = new Map<string, Run>();
  let isClosed = false;
  let cancelPurge: () => void = () => {};

  function startRun(id: string): void {
    if (isClosed || runs.has(id)) return;
    const stop = new AbortController();
    const run: Run = { stop, waitingFor: "", ended: Promise.resolve().then(() => runToEnd(id, stop.signal)) };
    runs.set(id, run);
    void run.ended.finally(() => {
      runs.delete(id);
      // Whoever has resumed it while it was being stopped has found it running.
      if (stop.signal.aborted) startRun(id);
    });
  }

  /** Begins again what has failed, until it is over or is to stop. */
  async function runToEnd(id: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const operation = await bulk.get(id);
        if (operation?.state !== "RUNNING") return;
        const isOver = await runBulk(dependencies, operation, signal, (words, cause) => tellWaiting(id, words, cause));
        if (!isOver) return;
        const completed = await bulk.enter(id, ["RUNNING"], "COMPLETED", environment.nowMs());
        if (completed.ok) logger.info({ bulk: id }, "bulk operation completed");
        // Paused or cancelled meanwhile, it is over for now.
        if (completed.ok || completed.error.type === "conflict") return;
        tellWaiting(id, inabilityWords["storage-unavailable"], completed.error.cause);
      } catch (error) {
        logger.error({ bulk: id, err: error }, "bulk operation interrupted; it begins again where it was");
        tellWaiting(id, "INTERNAL: it was interrupted; the server's log says by what", String(error));
      }
      await pause(signal);
    }
  }

  function tellWaiting(id: string, words: string, cause: string): void {
    const run = runs.get(id);
    if (run === undefined) return;
    if (run.waitingFor === "") logger.warn({ bulk: id, cause }, "bulk operation waits");
    run.waitingFor = words;
  }

  function pause(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.setTimer(bulkWaitMsMax, resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(cancel);
  }

  async function stopRun(id: string): Promise<void> {
    const run = runs.get(id);
    run?.stop.abort();
    await run?.ended;
  }

  const statusOf = (operation: BulkOperation): BulkStatus => ({
    ...operation,
    waitingFor: operation.state === "RUNNING" ? (runs.get(operation.id)?.waitingFor ?? "") : "",
  });

  async function read(id: string): Promise<Result<BulkStatus, BulkError>> {
    const operation = await bulk.get(id);
    return operation === undefined ? err({ type: "bulk-operation-not-found", id }) : ok(statusOf(operation));
  }

  /** What this request has started, as long as its operation is kept; longer, if its answer is. A misuse of its id is an answer too. */
  async function startedBefore(request: RequestKey | undefined): Promise<Result<BulkStatus, BulkError> | undefined> {
    if (request === undefined) return undefined;
    const kept = await bulk.byRequest(request.id);
    if (kept !== undefined) {
      if (kept.request?.digest !== request.digest) return reused(request);
      // The write that has started it may have failed for all that its caller was told.
      if (kept.state === "RUNNING") startRun(kept.id);
      return ok(statusOf(kept));
    }
    const answer = await store.answer(request.id);
    if (answer === undefined) return undefined;
    return "bulkOperationId" in answer && answer.digest === request.digest ? read(answer.bulkOperationId) : reused(request);
  }

  /** Goes from one of these states to this one. Where it is there already, nothing is written; but nobody may have been told of the write before. */
  async function enter(id: string, from: readonly BulkState[], to: BulkState): Promise<Result<BulkStatus, BulkError>> {
    const before = await read(id);
    if (!before.ok) return before;
    const { state } = before.value;
    if (state !== to) {
      if (!from.includes(state)) return err({ type: "bulk-operation-state", id, state });
      const entered = await bulk.enter(id, from, to, environment.nowMs());
      // It has ended, or somebody else was faster: look again.
      if (!entered.ok) return entered.error.type === "conflict" ? enter(id, from, to) : err(entered.error);
    }
    if (to === "RUNNING") startRun(id);
    else await stopRun(id);
    return read(id);
  }

  /** Those that have ended, the oldest first, as far as they need not be kept. */
  async function dropOld(): Promise<void> {
    const beforeMs = store.keptBeforeMs(bulkRetentionMs);
    let results = 0;
    for (const [index, { id, state, stateEnteredAtMs, resultCount }] of (await bulk.standing()).entries()) {
      if (underWay.includes(state)) continue;
      results += resultCount;
      const isMuch = index >= bulkKeptMax || (results > bulkResultsKeptMax && results > resultCount);
      if (stateEnteredAtMs >= beforeMs && !isMuch) continue;
      for (let dropped = purgeBatchSize; dropped === purgeBatchSize && !isClosed; ) {
        const gone = await bulk.drop(id, purgeBatchSize);
        if (!gone.ok) return;
        dropped = gone.value;
      }
    }
  }

  function purgeLater(): void {
    cancelPurge = clock.setTimer(bulkPurgeIntervalMs, async () => {
      await dropOld().catch((error: unknown) => logger.error({ err: error }, "old bulk operations cannot be dropped"));
      if (!isClosed) purgeLater();
    });
  }

  return {
    /** Goes on with what was RUNNING when the server stopped. */
    async resumeAll(): Promise<void> {
      purgeLater();
      for (const { id, state } of await bulk.standing()) if (state === "RUNNING") startRun(id);
    },

    async start(command: BulkCommand): Promise<Result<BulkStatus, BulkError>> {
      const answered = await startedBefore(command.request);
      if (answered !== undefined) return answered;
      const nowMs = environment.nowMs();
      const operation: BulkOperation = {
        ...command,
        id: environment.newId(),
        state: "RUNNING",
        doneCount: 0,
        refusedCount: 0,
        position: "",
        createdAtMs: nowMs,
        stateEnteredAtMs: nowMs,
      };
      await dropOld();
      const added = await bulk.add(operation, bulkUnderWayMax);
      if (!added.ok) {
        if (added.error.type !== "conflict") return err(added.error);
        if (added.error.conflict.type === "limit") return err({ type: "bulk-operation-limit", limit: bulkUnderWayMax });
        const meanwhile = await startedBefore(command.request);
        assert(meanwhile !== undefined, "a request that exists has an answer");
        return meanwhile;
      }
      startRun(operation.id);
      return ok(statusOf(operation));
    },

    get: read,
    list: async (page: Parameters<typeof bulk.list>[0]): Promise<Stretch<BulkStatus, string>> => {
      const { rows, ...rest } = await bulk.list(page);
      return { rows: rows.map(statusOf), ...rest };
    },
    results: bulk.results,
    pause: (id: string) => enter(id, ["RUNNING"], "PAUSED"),
    resume: (id: string) => enter(id, ["PAUSED"], "RUNNING"),
    cancel: (id: string) => enter(id, underWay, "CANCELLED"),

    /** Lets each finish what is under way; they go on with the next start. */
    async close(): Promise<void> {
      isClosed = true;
      cancelPurge();
      await Promise.all([...runs.keys()].map(stopRun));
    },
  };
}
