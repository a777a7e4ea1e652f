import type { RequestId, WorkflowId } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";
import type { WorkflowState } from "../kernel/lifecycle.ts";
import type { Proved } from "../kernel/principal.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import type { Stretch } from "../kernel/stretch.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { WriteResult } from "../kernel/write.ts";
import type { Workflow } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";
import type { WorkflowRanges } from "./ports.ts";

export type BulkState = "RUNNING" | "PAUSED" | "COMPLETED" | "CANCELLED";

export type BulkAction = { readonly context: JsonObject; readonly eventMetadata: JsonObject } & (
  | {
      readonly type: "move";
      readonly targetState: WorkflowState;
      /** A recovery: refuse what is not FAILED. */
      readonly mustRecover: boolean;
    }
  | { readonly type: "update"; readonly patch: JsonObject }
);

/** See proto/concord/workflow/v1/bulk.proto for the meaning of each field. */
export type BulkOperation = {
  readonly id: string;
  readonly filter: string;
  readonly action: BulkAction;
  readonly isDryRun: boolean;
  readonly ratePerSecond: number;
  readonly state: BulkState;
  readonly doneCount: number;
  readonly refusedCount: number;
  readonly position: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly request: RequestKey | undefined;
  readonly createdAtMs: TimeMs;
  readonly stateEnteredAtMs: TimeMs;
} & Proved;

export type BulkStanding = Pick<BulkOperation, "id" | "state" | "stateEnteredAtMs"> & { readonly resultCount: number };

/** `sequence` 0: of a dry run. */
export type BulkResult = { readonly workflowId: WorkflowId } & ({ readonly sequence: number } | { readonly error: ManagerError });

/** What a filter asks for, as far as a store can tell, and all of it. */
export type WorkflowFilter = { readonly known: WorkflowRanges; readonly matches: (workflow: Workflow) => boolean };

/**
 * Keeps bulk operations and their results beside the workflows. The result of a change is written with it, by `WorkflowStore.apply`, which
 * rejects a second one of the same operation and workflow.
 */
export interface BulkStore {
  get(id: string): Promise<BulkOperation | undefined>;
  /** The one that was started by this request, if it is kept. */
  byRequest(id: RequestId): Promise<BulkOperation | undefined>;
  /** The newest first: those whose ids are before `beforeId`, and about `stretchBytesMax` of text. */
  list(page: { readonly beforeId: string | undefined; readonly limit: number }): Promise<Stretch<BulkOperation, string>>;
  /** Of all of them, the newest first: where each stands. */
  standing(): Promise<readonly BulkStanding[]>;
  /** In the order of workflow ids (bytewise). What is passed over for them is bounded. */
  results(page: {
    readonly id: string;
    readonly afterId: string | undefined;
    readonly limit: number;
    readonly refusedOnly?: boolean;
  }): Promise<Stretch<BulkResult, WorkflowId>>;
  /**
   * Rejected with `limit` if as many are RUNNING or PAUSED. `WorkflowStore.answer` finds it by its request, and with one that was answered already
   * it is rejected.
   */
  add(operation: BulkOperation, underWayMax: number): WriteResult<unknown, { readonly type: "limit" | "request-exists" }>;
  /** Rejected if it is in none of these states (any more). */
  enter(
    id: string,
    from: readonly BulkState[],
    to: BulkState,
    atMs: TimeMs,
  ): WriteResult<unknown, { readonly type: "other-state" }>;
  /** Writes how far it has come, and the results that are no changes: those that are known already stay as they are. */
  advance(id: string, position: string, results: readonly BulkResult[]): WriteResult<unknown, never>;
  /** Drops an operation that has ended: so many of its results, and itself with the last of them. Says how many rows went. */
  drop(id: string, limit: number): WriteResult<number, never>;
}
