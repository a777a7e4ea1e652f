import { assert } from "../kernel/assert.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import { stretchRowsMax } from "../kernel/limits.ts";
import { ok } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { atOnce } from "./at-once.ts";
import { type Attempts, judgeAll, judgeAndWrite, type MoveCommand, movesOf, stampOf } from "./attempt.ts";
import { bulkAtOnceMax, bulkWaitMsMax, bulkWaitMsMin } from "./bulk-limits.ts";
import type { BulkOperation, BulkResult, BulkStore, WorkflowFilter } from "./bulk-ports.ts";
import { applyMove } from "./core/step.ts";
import { errorOfOne, type ManagerError } from "./errors.ts";

export type BulkRunning = Attempts & {
  readonly bulk: BulkStore;
  /** Throws if the text is no filter. */
  readonly filterOf: (text: string) => WorkflowFilter;
  readonly clock: {
    monotonicMs(): DurationMs;
    setTimer(delayMs: DurationMs, run: () => void): () => void;
  };
};

type Found = { readonly id: WorkflowId; readonly version: number };

/** Those to be acted on next, and how far was looked for them. `isLast`: nothing lies behind. */
type Chunk = { readonly found: readonly Found[]; readonly position: string; readonly isLast: boolean };

/**
 * Runs an operation from where it is, chunk by chunk: acts on the workflows of one, writes what became of them, and waits as its rate has it.
 * Resolves to true when it has looked at all; to false when the signal has aborted, after what was under way.
 */
export async function runBulk(
  running: BulkRunning,
  operation: BulkOperation,
  signal: AbortSignal,
  tellWaiting: (cause: string) => void,
): Promise<boolean> {
  const { store, bulk, turns, environment, clock, filterOf } = running;
  const { id, action, isDryRun, ratePerSecond, createdAtMs, reason, requestedBy } = operation;
  const filter = filterOf(operation.filter);
  const breathe = turns();
  const chunkSize = Math.min(bulkAtOnceMax, Math.max(1, Math.floor(ratePerSecond / 10)));

  async function nextChunk(after: string): Promise<Chunk> {
    const found: Found[] = [];
    for (let position = after; !signal.aborted; ) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const stretch = await store.list({ afterId: position as WorkflowId, limit: stretchRowsMax, ranges: filter.known });
      for (const workflow of stretch.rows) {
        const beforeEach = breathe();
        if (beforeEach !== undefined) await beforeEach;
        position = workflow.id;
        if (workflow.createdAtMs > createdAtMs || !filter.matches(workflow)) continue;
        found.push({ id: workflow.id, version: workflow.version });
        if (found.length === chunkSize) return { found, position, isLast: false };
      }
      if (stretch.upTo === undefined) return { found, position, isLast: true };
      position = stretch.upTo;
    }
    return { found: [], position: after, isLast: false };
  }

  /** Tries it once. Nothing: it was carried out, and its result is written with it. */
  async function attempt({
    id: workflowId,
    version,
  }: Found): Promise<ManagerError | { readonly type: "request-exists" } | undefined> {
    const { context, eventMetadata, mustRecover, targetState } = action;
    const move = { targetState, reason, requestedBy, eventMetadata, request: undefined };
    const command: MoveCommand = { workflowId, expectedVersion: version, mustRecover, context, move };
    if (isDryRun) {
      const judged = await judgeAll(running, movesOf(command), undefined, { signal: never });
      return judged.ok ? undefined : errorOfOne(judged.error);
    }
    const moved = await judgeAndWrite(running, movesOf(command), undefined, { signal: never }, async ([judged]) => {
      assert(judged !== undefined, "what is judged was asked for");
      const { workflow, event } = applyMove(
        judged.workflow,
        move,
        judged.consent,
        stampOf(environment, judged.workflow.type),
        undefined,
      );
      const applied = await store.apply({
        puts: [{ workflow, expected: { version: judged.workflow.version, heldBy: undefined }, metadataStays: true }],
        events: [{ ...event, bulkOperationId: id }],
      });
      return applied.ok ? ok(undefined) : applied;
    });
    if (moved.ok) return undefined;
    return moved.error.type === "request-exists" ? { type: "request-exists" } : errorOfOne(moved.error);
  }

  /** What became of it, unless that is written already, or it is not wanted any more. Waits while it cannot be tried. */
  async function act(found: Found): Promise<BulkResult | undefined> {
    let wanted = found;
    for (let failures = 0; !signal.aborted; ) {
      if (await bulk.hasResult(id, wanted.id)) return undefined;
      const error = await attempt(wanted);
      if (error === undefined) return isDryRun ? { workflowId: wanted.id, sequence: 0 } : undefined;
      if (error.type === "request-exists") return undefined;
      if (error.type === "version-mismatch" || error.type === "workflow-not-found" || error.type === "workflow-purged") {
        // Whoever has changed it may have moved it out of the filter, and whoever has purged it has ended the matter.
        const now = await store.get(wanted.id);
        if (now === undefined || !filter.matches(now)) return undefined;
        wanted = { id: now.id, version: now.version };
      } else if (isInability(error)) {
        tellWaiting(`${error.type}: ${error.cause}`);
        failures += 1;
        await wait(Math.min(bulkWaitMsMax, bulkWaitMsMin * 2 ** (failures - 1)));
      } else return { workflowId: wanted.id, error };
    }
    return undefined;
  }

  function wait(delayMs: DurationMs): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.setTimer(delayMs, resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    return promise.finally(cancel);
  }

  for (let position = operation.position; !signal.aborted; ) {
    const beganMs = clock.monotonicMs();
    const chunk = await nextChunk(position);
    const results: BulkResult[] = [];
    await atOnce(chunk.found, bulkAtOnceMax, breathe, async (found) => {
      const result = await act(found);
      if (result !== undefined) results.push(result);
    });
    // What was cut short is looked at again.
    if (!signal.aborted) position = chunk.position;
    const written = await bulk.advance(id, position, results);
    if (!written.ok) throw new Error(`the results are not written: ${JSON.stringify(written.error)}`);
    tellWaiting("");
    if (chunk.isLast && !signal.aborted) return true;
    await wait(Math.max(0, beganMs + (chunk.found.length / ratePerSecond) * 1000 - clock.monotonicMs()));
  }
  return false;
}

/** Nothing is wrong with the workflow: it is tried again. */
const isInability = (
  error: ManagerError,
): error is Extract<ManagerError, { readonly type: `predicate-logic-${"unavailable" | "overloaded"}` | "storage-unavailable" }> =>
  error.type === "predicate-logic-unavailable" ||
  error.type === "predicate-logic-overloaded" ||
  error.type === "storage-unavailable";

/** What is under way is finished. */
const never = new AbortController().signal;
