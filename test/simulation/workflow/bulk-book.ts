import { type BulkOperation, BulkOperationState } from "../../../src/gen/concord/workflow/v1/bulk.ts";
import { sqliteBulkStore } from "../../../src/storage/sqlite/bulk-store.ts";
import type { BulkAction, BulkOperation as Stored } from "../../../src/workflow/bulk-ports.ts";
import type { WorkflowEvent } from "../../../src/workflow/core/types.ts";
import { lookingAt } from "../sqlite-rows.ts";
import type { Stage } from "../stage.ts";
import type { WorkflowDisk } from "./workflow-disk.ts";

/** What bulk operations have done, and must have. */
export type BulkBook = {
  /** Its caller is told that it is paused or cancelled. */
  onStopped(id: string): void;
  /** It is asked to go on. */
  onResume(id: string): void;
  /** Its caller is told that it has ended. */
  onEnd(operation: BulkOperation): void;
};

type Known = {
  readonly operation: Stored;
  /** Whether its filter finds what is in this state. */
  readonly finds: (state: string | undefined) => boolean;
  /** Those that lay in its filter when it began, and ever since. */
  readonly candidates: Set<string>;
  /** By workflow, the event that came of it. */
  readonly changed: Map<string, number>;
  isStopped: boolean;
};

/** Looks at each write, before anybody is told of it. */
export function createBulkBook({ fail, tally }: Stage, { disk, onWrite }: WorkflowDisk): BulkBook {
  const store = sqliteBulkStore(lookingAt(disk));
  const known = new Map<string, Known>();

  /** What has begun. It names those that were created up to then. */
  async function look(): Promise<void> {
    for (const { id } of await store.standing()) {
      if (known.has(id)) continue;
      const operation = await store.get(id);
      if (operation === undefined) continue;
      const [, isEqual, state] = /(==|!=) "(\w+)"/.exec(operation.filter) ?? [];
      const finds = (is: string | undefined): boolean => (is === state) === (isEqual === "==");
      const inIt = disk.rows(
        `SELECT id FROM workflows WHERE state ${isEqual} '${state}' AND created_at_ms <= ${operation.createdAtMs} ORDER BY id`,
      );
      known.set(id, {
        operation,
        finds,
        candidates: new Set(inIt.map((row) => row["id"] as string)),
        changed: new Map(),
        isStopped: false,
      });
    }
  }

  function onChange(id: string, event: WorkflowEvent): void {
    const { workflowId, fromState, toState, sequence } = event;
    const it = known.get(id);
    const detail = `event ${sequence}: ${id} changes ${workflowId} from ${fromState} to ${toState}`;
    const demand = (holds: boolean, invariant: string, why: string): void => {
      if (!holds) fail(`${invariant}: ${detail}, ${why}`);
    };
    demand(it !== undefined, "BulkHonest", "and is not there");
    if (it === undefined) return;
    tally.count(`changes of bulk operations: ${it.operation.action.type}`);
    demand(!it.operation.isDryRun, "BulkHonest", "in a dry run");
    demand(!it.isStopped, "BulkStopped", "and its caller knows that it is stopped");
    demand(!it.changed.has(workflowId), "BulkOnce", `after event ${it.changed.get(workflowId)}`);
    demand(it.finds(fromState), "BulkHonest", "which is not in its filter");
    demand(isDone(it.operation.action, event), "BulkHonest", "which is not asked for");
    it.changed.set(workflowId, sequence);
  }

  function onEvent(event: WorkflowEvent): void {
    const { workflowId, bulkOperationId, toState } = event;
    if (bulkOperationId !== undefined) onChange(bulkOperationId, event);
    for (const { operation, finds, candidates } of known.values()) {
      if (!finds(toState) && operation.id !== bulkOperationId) candidates.delete(workflowId);
    }
  }

  onWrite((written) => {
    if (written.type === "batch") for (const event of written.events) onEvent(event);
    if (written.type === "purge")
      for (const { candidates } of known.values()) for (const id of written.workflows) candidates.delete(id);
  });
  disk.onCommit((_, batches) => {
    if (batches.some((batch) => batch.some(({ sql }) => sql.startsWith("INSERT INTO bulk_operations"))))
      look().catch((error: unknown) => fail(String(error)));
  });

  return {
    onStopped(id) {
      const it = known.get(id);
      if (it) it.isStopped = true;
    },
    onResume(id) {
      const it = known.get(id);
      if (it) it.isStopped = false;
    },
    onEnd({ bulkOperationId: id, state, doneCount, refusedCount }) {
      const it = known.get(id);
      const demand = (holds: boolean, invariant: string, detail: string): void => {
        if (!holds) fail(`${invariant}: ${id} ${detail}`);
      };
      demand(it !== undefined, "BulkComplete", "has ended, and is not there");
      if (it === undefined) return;
      const results = disk.rows("SELECT * FROM bulk_results").filter((row) => row["operation_id"] === id);
      const done = results.filter((row) => row["error"] === null);
      const isCounted = done.length === Number(doneCount) && results.length - done.length === Number(refusedCount);
      demand(isCounted, "BulkComplete", `has ${results.length} results, and says ${doneCount} done and ${refusedCount} refused`);
      for (const [workflowId, sequence] of it.changed) {
        const isThere = done.some((row) => row["workflow_id"] === workflowId && Number(row["sequence"]) === sequence);
        demand(isThere, "BulkComplete", `has changed ${workflowId} by event ${sequence}, and has no such result`);
      }
      const isHonest = it.operation.isDryRun || done.length === it.changed.size;
      demand(isHonest, "BulkHonest", `has ${done.length} results of ${it.changed.size} changes`);
      if (state !== BulkOperationState.COMPLETED) return;
      const left = [...it.candidates].filter((workflowId) => !results.some((row) => row["workflow_id"] === workflowId));
      demand(left.length === 0, "BulkComplete", `is completed, and has left out ${left.join(" ")}`);
    },
  };
}

/** The change is the action. */
function isDone(action: BulkAction, { type, toState, metadataPatch }: WorkflowEvent): boolean {
  if (action.type === "update") return type === "UPDATED" && JSON.stringify(metadataPatch) === JSON.stringify(action.patch);
  return toState === action.targetState && (!action.mustRecover || type === "RECOVERED");
}
