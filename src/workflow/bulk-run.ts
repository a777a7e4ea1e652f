import type { Clock } from "../kernel/clock.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import { stretchRowsMax } from "../kernel/limits.ts";
import { provedOf } from "../kernel/principal.ts";
import { ok, type Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { atOnce } from "./at-once.ts";
import { type Attempts, changedAgain, judge, judgedAndWritten, stampOf } from "./attempt.ts";
import { bulkAtOnceMax, bulkWaitMsMax, bulkWaitMsMin } from "./bulk-limits.ts";
import type { BulkOperation, BulkResult, BulkStore, WorkflowFilter } from "./bulk-ports.ts";
import { orLeft } from "./calls.ts";
import { applyMove } from "./core/step.ts";
import type { NewWorkflowEvent, Workflow } from "./core/types.ts";
import { applyUpdate } from "./core/update.ts";
import type { ManagerError } from "./errors.ts";
import type { Asker } from "./ports.ts";
import { judgeUpdate } from "./update.ts";

export type BulkRunning = Attempts & {
  readonly bulk: BulkStore;
  /** Throws if the text is no filter. */
  readonly filterOf: (text: string) => WorkflowFilter;
  readonly clock: Pick<Clock, "monotonicMs" | "setTimer">;
};

type Found = { readonly id: WorkflowId; readonly version: number };

/** Those to be acted on next, and how far was looked for them. `isLast`: nothing lies behind. */
type Chunk = { readonly found: readonly WorkflowId[]; readonly position: string; readonly isLast: boolean };

/**
 * Runs an operation from where it is, chunk by chunk: acts on the workflows of one, writes what became of them, and waits as its rate has it.
 * Resolves to true when it has looked at all; to false when the signal has aborted, after what was under way.
 */
export async function runBulk(
  running: BulkRunning,
  operation: BulkOperation,
  signal: AbortSignal,
  tellWaiting: (words: string, cause: string) => void,
): Promise<boolean> {
  const { store, bulk, turns, clock, filterOf } = running;
  const { id, isDryRun, ratePerSecond, createdAtMs } = operation;
  const filter = filterOf(operation.filter);
  const breathe = turns();
  const isWanted = (workflow: Workflow): boolean => workflow.createdAtMs <= createdAtMs && filter.matches(workflow);
  const chunkSize = Math.min(bulkAtOnceMax, Math.max(1, Math.floor(ratePerSecond / 10)));

  async function nextChunk(after: string): Promise<Chunk> {
    const found: WorkflowId[] = [];
    for (let position = after; !signal.aborted; ) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const stretch = await store.list({ afterId: position as WorkflowId, limit: stretchRowsMax, ranges: filter.known });
      for (const workflow of stretch.rows) {
        const beforeEach = breathe();
        if (beforeEach !== undefined) await beforeEach;
        position = workflow.id;
        if (!isWanted(workflow)) continue;
        found.push(workflow.id);
        if (found.length === chunkSize) return { found, position, isLast: false };
      }
      if (stretch.upTo === undefined) return { found, position, isLast: true };
      position = stretch.upTo;
    }
    return { found: [], position: after, isLast: false };
  }

  /** Tries it once. Nothing: it was carried out, and its result is written with it. */
  async function attempt(found: Found): Promise<ManagerError | { readonly type: "request-exists" } | undefined> {
    const asker = { signal: never };
    const change = changeOf(running, operation, found, asker);
    if (isDryRun) {
      const judged = await change.judgeNow();
      return judged.ok ? undefined : judged.error;
    }
    const written = await judgedAndWritten(asker, {
      ...change,
      write: async (judged) => {
        const { before, workflow, event } = judged();
        const applied = await store.apply({
          puts: [{ workflow, expected: { version: before.version, heldBy: undefined } }],
          events: [{ ...event, bulkOperationId: id }],
        });
        return applied.ok ? ok(undefined) : applied;
      },
    });
    return written.ok ? undefined : written.error;
  }

  /** What became of it, unless that is written already, or it is not wanted any more. Waits while it cannot be tried. */
  async function act(workflowId: WorkflowId): Promise<BulkResult | undefined> {
    for (let failures = 0; !signal.aborted; ) {
      // Looked at each time: whoever has changed it may have moved it out of the filter, and whoever has purged it has ended the matter, also if
      // there is a new one of its id, whose version may even be the same.
      const now = await store.get(workflowId);
      if (now === undefined || !isWanted(now)) return undefined;
      const error = await attempt({ id: workflowId, version: now.version });
      if (error === undefined) return isDryRun ? { workflowId, sequence: 0 } : undefined;
      // It was done before a crash, and still lies in the filter.
      if (error.type === "request-exists") return undefined;
      if (isInability(error)) {
        tellWaiting(inabilityWords[error.type], error.cause);
        failures += 1;
        await wait(Math.min(bulkWaitMsMax, bulkWaitMsMin * 2 ** (failures - 1)));
      } else if (!isRace(error)) return { workflowId, error };
    }
    return undefined;
  }

  async function wait(delayMs: DurationMs): Promise<void> {
    const over = Promise.withResolvers<void>();
    const cancel = clock.setTimer(delayMs, over.resolve);
    await orLeft(signal, over.promise);
    cancel();
  }

  for (let position = operation.position; !signal.aborted; ) {
    const beganMs = clock.monotonicMs();
    const chunk = await nextChunk(position);
    const results: BulkResult[] = [];
    await atOnce(chunk.found, bulkAtOnceMax, breathe, async (workflowId) => {
      const result = await act(workflowId);
      if (result !== undefined) results.push(result);
    });
    // What was cut short is looked at again.
    if (!signal.aborted) position = chunk.position;
    const written = await bulk.advance(id, position, results);
    if (!written.ok) throw new Error(`the results are not written: ${JSON.stringify(written.error)}`);
    tellWaiting("", "");
    if (chunk.isLast && !signal.aborted) return true;
    await wait(Math.max(0, beganMs + (chunk.found.length / ratePerSecond) * 1000 - clock.monotonicMs()));
  }
  return false;
}

type Change = { readonly before: Workflow; readonly workflow: Workflow; readonly event: NewWorkflowEvent };

/** How a workflow is judged for the action of an operation, and then changed. */
function changeOf(
  running: BulkRunning,
  { action, reason, requestedBy, ...operation }: BulkOperation,
  { id: workflowId, version: expectedVersion }: Found,
  asker: Asker,
) {
  const { environment } = running;
  const { context, eventMetadata } = action;
  const said = { reason, requestedBy, eventMetadata, ...provedOf(operation) };
  async function judgeNow(): Promise<Result<() => Change, ManagerError>> {
    if (action.type === "update") {
      const update = { patch: action.patch, ...said };
      const judged = await judgeUpdate(running, { workflowId, expectedVersion, context, update }, asker);
      if (!judged.ok) return judged;
      const { workflow: before, metadata, consent } = judged.value;
      return ok(() => ({ before, ...applyUpdate(before, update, metadata, consent, stampOf(environment, before.type)) }));
    }
    const { targetState, mustRecover } = action;
    const move = { targetState, ...said, request: undefined };
    const judged = await judge(running, { workflowId, expectedVersion, mustRecover, context, move }, undefined, asker);
    if (!judged.ok) return judged;
    const { workflow: before, consent } = judged.value;
    return ok(() => ({ before, ...applyMove(before, move, consent, stampOf(environment, before.type), undefined) }));
  }
  return { workflowId, judgeNow, whenLost: () => changedAgain(running, { workflowId, expectedVersion }, asker) };
}

/** Nothing is wrong with the workflow: it is tried again. Who asks why is told the contract's reason; the cause is for the log. */
export const inabilityWords = {
  "predicate-logic-unavailable": "PREDICATE_LOGIC_UNAVAILABLE: the predicate engine does not answer",
  "predicate-logic-overloaded": "OVERLOADED: more waits for its rules than can be judged in time",
  "storage-unavailable": "STORAGE_UNAVAILABLE: the store cannot be written",
} as const;

const isInability = (error: ManagerError): error is Extract<ManagerError, { readonly type: keyof typeof inabilityWords }> =>
  Object.hasOwn(inabilityWords, error.type);

/** Somebody else has changed it, or it is gone. */
const isRace = ({ type }: ManagerError): boolean =>
  type === "version-mismatch" || type === "workflow-not-found" || type === "workflow-purged";

/** What is under way is finished. */
const never = new AbortController().signal;
