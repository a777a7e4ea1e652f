import { err } from "../../../src/kernel/result.ts";
import type { TimeMs } from "../../../src/kernel/time.ts";
import type { WriteResult } from "../../../src/kernel/write.ts";
import type { RuleSetChange } from "../../../src/predicate/core/types.ts";
import type { RuleStore } from "../../../src/predicate/ports.ts";
import type { WorkflowEvent } from "../../../src/workflow/core/types.ts";
import type { WorkflowBatch, WorkflowConflict, WorkflowStore } from "../../../src/workflow/ports.ts";
import { DiskFailure, type OpenDisk } from "../disk.ts";
import type { Process } from "../schedule.ts";

// The stores below hold what is durable, and outlive the processes that have them open.

async function write<T, C>(disk: OpenDisk, apply: () => WriteResult<T, C>): WriteResult<T, C> {
  try {
    return await disk.write(apply);
  } catch (error) {
    if (!(error instanceof DiskFailure)) throw error;
    return err({ type: "storage-unavailable", cause: error.message, outcomeUnknown: true });
  }
}

/** A write that is durable, before anybody else can know of it. */
export type ManagerWrite =
  | {
      readonly type: "batch";
      readonly process: Process;
      readonly batch: WorkflowBatch;
      readonly events: readonly WorkflowEvent[];
      /** The latest time that the process has read off its clock, which may have been set back since. */
      readonly latestMs: TimeMs;
    }
  | { readonly type: "conflict"; readonly process: Process; readonly batch: WorkflowBatch; readonly conflict: WorkflowConflict }
  | { readonly type: "purge"; readonly process: Process; readonly workflows: readonly string[] };

const eventPageMax = 5;

/** The workflow store as one process sees it. Only one has it open at a time, as the lock of its file demands. */
export function openWorkflowStore(
  store: WorkflowStore,
  { process, disk, clock }: { readonly process: Process; readonly disk: OpenDisk; readonly clock: { readonly latestMs: TimeMs } },
  onWrite: (written: ManagerWrite) => Promise<void>,
): WorkflowStore {
  const listening =
    <Value>(subscribe: (listener: (value: Value) => void) => () => void) =>
    (listener: (value: Value) => void): (() => void) =>
      subscribe((value) => {
        // What a process that died had under way may become durable after it.
        if (process.alive) listener(value);
      });
  const read =
    <Args extends readonly unknown[], T>(get: (...args: Args) => Promise<T>) =>
    (...args: Args): Promise<T> =>
      disk.read(() => get(...args));
  return {
    id: store.id,
    get writable() {
      return disk.writable;
    },
    onWritableChange: () => () => {},
    keptBeforeMs: store.keptBeforeMs,
    get: read(store.get),
    getWithLastEvent: read(store.getWithLastEvent),
    list: read(store.list),
    listSorted: read(store.listSorted),
    changesSince: read(store.changesSince),
    // Short pages, so that there are several of them.
    listEvents: (page) => disk.read(() => store.listEvents({ ...page, limit: Math.min(page.limit, eventPageMax) })),
    sequences: read(store.sequences),
    counts: read(store.counts),
    typeCounts: read(store.typeCounts),
    answer: read(store.answer),
    outcome: read(store.outcome),
    coordinators: read(store.coordinators),
    heldBy: read(store.heldBy),
    held: read(store.held),
    due: read(store.due),
    policies: read(store.policies),
    metadataIndexes: read(store.metadataIndexes),
    purgedAtMs: read(store.purgedAtMs),
    endedTypes: read(store.endedTypes),
    ended: read(store.ended),
    purgeFacts: read(store.purgeFacts),
    apply: (batch) =>
      write(disk, async () => {
        const applied = await store.apply(batch);
        if (applied.ok) await onWrite({ type: "batch", process, batch, events: applied.value, latestMs: clock.latestMs });
        else if (applied.error.type === "conflict")
          await onWrite({ type: "conflict", process, batch, conflict: applied.error.conflict });
        return applied;
      }),
    applyPolicy: (change) => write(disk, () => store.applyPolicy(change)),
    indexMetadata: (slice) => write(disk, () => store.indexMetadata(slice)),
    purge: (before) => write(disk, () => store.purge(before)),
    purgeOutcomes: (before) => write(disk, () => store.purgeOutcomes(before)),
    purgeWorkflows: (purge) =>
      write(disk, async () => {
        const purged = await store.purgeWorkflows(purge);
        if (purged.ok) await onWrite({ type: "purge", process, workflows: purged.value.workflows });
        return purged;
      }),
    onDeadline: listening(store.onDeadline),
    onAppend: listening(store.onAppend),
    close: async () => {},
  };
}

export function openRuleStore(
  store: RuleStore,
  { process, disk }: { readonly process: Process; readonly disk: OpenDisk },
  onChange: (change: RuleSetChange) => Promise<void>,
): RuleStore {
  const read =
    <Args extends readonly unknown[], T>(get: (...args: Args) => Promise<T>) =>
    (...args: Args): Promise<T> =>
      disk.read(() => get(...args));
  return {
    get writable() {
      return disk.writable;
    },
    onWritableChange: () => () => {},
    keptBeforeMs: store.keptBeforeMs,
    load: read(store.load),
    rule: read(store.rule),
    listRules: read(store.listRules),
    listVersions: read(store.listVersions),
    latestVersion: read(store.latestVersion),
    versionsNeverUsed: read(store.versionsNeverUsed),
    contentsAt: read(store.contentsAt),
    changesAfter: read(store.changesAfter),
    changesBefore: read(store.changesBefore),
    answer: read(store.answer),
    apply: (batch) =>
      write(disk, async () => {
        const applied = await store.apply(batch);
        if (applied.ok && batch.change) await onChange(batch.change);
        return applied;
      }),
    onChange: (listener) => store.onChange((sequence) => process.alive && listener(sequence)),
    purge: (before) => write(disk, () => store.purge(before)),
    close: async () => {},
  };
}
