import type { TransactionId, WorkflowId } from "../../kernel/ids.ts";
import type { JsonObject } from "../../kernel/json.ts";
import type { WorkflowEventType, WorkflowState } from "../../kernel/lifecycle.ts";
import type { Proved } from "../../kernel/principal.ts";
import type { RequestKey } from "../../kernel/request-key.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { Deadline, WantedDeadline } from "./deadline.ts";
import type { Warnings } from "./warnings.ts";

/** A record of long-running work. See proto/concord/workflow/v1/workflow.proto for the meaning of each field. */
export type Workflow = {
  readonly id: WorkflowId;
  /** Empty: none. */
  readonly type: string;
  readonly state: WorkflowState;
  readonly previousState: WorkflowState | undefined;
  readonly version: number;
  readonly createdAtMs: TimeMs;
  readonly createdBy: string;
  readonly updatedAtMs: TimeMs;
  readonly updatedBy: string;
  readonly stateEnteredAtMs: TimeMs;
  readonly hold: Hold | undefined;
  readonly metadata: JsonObject;
  readonly retryCount: number;
  /** While it is FAILED, if it may not be recovered before. */
  readonly recoverableAtMs: TimeMs | undefined;
  readonly deadline: Deadline | undefined;
};

/**
 * A transaction's durable hold on a workflow: the manager has voted to commit this move. It carries all that the commit needs,
 * so that a decision can be carried out after a restart.
 */
export type Hold = {
  readonly transactionId: TransactionId;
  /** Whose transaction it is: the id names the decision log, and no other may end the hold. */
  readonly coordinatorId: string;
  readonly coordinatorEpoch: number;
  readonly move: Move;
  readonly preparedAtMs: TimeMs;
  readonly deadlineMs: TimeMs;
} & Consent;

/** The predicate engine's, to a change. */
export type Consent = { readonly ruleSetRevision: number; readonly warnings: Warnings };

/** A wanted move, as the caller described it. */
export type Move = {
  readonly targetState: WorkflowState;
  readonly reason: string;
  readonly requestedBy: string;
  readonly eventMetadata: JsonObject;
  /** Of the state that it leads to. Without it, what the policy of the type says. */
  readonly deadline?: WantedDeadline;
  readonly request: RequestKey | undefined;
} & Proved;

/** A change before the store has given it a place in the global order. */
export type NewWorkflowEvent = {
  readonly id: string;
  readonly workflowId: WorkflowId;
  readonly workflowType: string;
  readonly type: WorkflowEventType;
  readonly fromState: WorkflowState | undefined;
  readonly toState: WorkflowState;
  readonly version: number;
  readonly occurredAtMs: TimeMs;
  readonly retryCount: number;
  readonly reason: string;
  readonly requestedBy: string;
  readonly metadata: JsonObject;
  /** UPDATED: what was applied to the workflow's metadata. */
  readonly metadataPatch?: JsonObject | undefined;
  readonly transactionId: TransactionId | undefined;
  /** That the change has set. */
  readonly deadline?: Deadline;
  /** Of the bulk operation that has made the change. */
  readonly bulkOperationId?: string | undefined;
} & Consent &
  Proved;

/** What a move is judged by, of the change before it. */
export type LastEvent = Pick<
  NewWorkflowEvent,
  "type" | "fromState" | "toState" | "occurredAtMs" | "requestedBy" | "authenticatedAs" | "reason" | "metadata"
>;

/** The durable record of one change. `sequence` is 1, 2, 3, … over all workflows of the store; only a purge leaves gaps. */
export type WorkflowEvent = NewWorkflowEvent & { readonly sequence: number };
