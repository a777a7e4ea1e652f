import { assert } from "../kernel/assert.ts";
import type { RequestId, TransactionId, WorkflowId } from "../kernel/ids.ts";
import type { WorkflowState } from "../kernel/lifecycle.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { DeadlineProblem } from "./core/deadline.ts";
import type { WorkflowError } from "./core/errors.ts";
import type { TransactionOutcome } from "./ports.ts";

/** Why the manager did not do what was asked. */
export type ManagerError =
  | WorkflowError
  /** `differences`: what of it is not as a creation that would take it wants it. */
  | {
      readonly type: "workflow-already-exists";
      readonly workflowId: WorkflowId;
      readonly differences: readonly ("type" | "metadata" | "state")[];
    }
  /** Whoever asks may see it, and not do this to it. */
  | { readonly type: "permission-denied"; readonly workflowId: WorkflowId }
  /** There was such a workflow. */
  | { readonly type: "workflow-purged"; readonly workflowId: WorkflowId; readonly purgedAtMs: TimeMs }
  /** A new one may not have the id of a workflow that was purged. */
  | { readonly type: "id-retired"; readonly workflowId: WorkflowId }
  | { readonly type: "deadline-invalid"; readonly problem: DeadlineProblem }
  | { readonly type: "deadline-not-set"; readonly workflowId: WorkflowId; readonly state: WorkflowState }
  | { readonly type: "workflow-limit-reached"; readonly limit: number }
  /** Of the workflows that are there, this principal has created `count`. */
  | { readonly type: "workflow-quota"; readonly principal: string; readonly limit: number; readonly count: number }
  | { readonly type: "policy-not-found"; readonly workflowType: string }
  /** `current` 0: there is none. */
  | {
      readonly type: "policy-revision-mismatch";
      readonly workflowType: string;
      readonly expected: number | undefined;
      readonly current: number;
    }
  | { readonly type: "policy-limit-reached"; readonly limit: number }
  | { readonly type: "request-id-reused"; readonly requestId: RequestId }
  | { readonly type: "storage-unavailable"; readonly cause: string; readonly outcomeUnknown?: boolean }
  /** What it has begun is told if it said so. */
  | { readonly type: "coordinator-unavailable"; readonly cause: string; readonly transactionId: TransactionId | undefined }
  | { readonly type: "coordinator-overloaded"; readonly cause: string }
  | { readonly type: "coordinator-refused"; readonly cause: string }
  | {
      readonly type: "transaction-aborted";
      /** Nothing, if it was to move several. */
      readonly workflowId: WorkflowId | undefined;
      readonly transactionId: TransactionId;
      readonly abortReason: string;
      readonly refusals: readonly { readonly participantId: string; readonly reason: string }[];
    }
  /** It cannot be resolved. With an outcome: it has ended so. */
  | {
      readonly type: "transaction-state";
      readonly workflowId: WorkflowId;
      readonly transactionId: TransactionId;
      readonly outcome: TransactionOutcome | undefined;
      readonly cause: string;
    }
  /** Its caller waits no longer. Without a transaction, nothing may have been begun. */
  | {
      readonly type: "outcome-pending";
      readonly workflowId: WorkflowId | undefined;
      readonly transactionId: TransactionId | undefined;
    };

/** Moves that were to be made together: why each of them was refused, those apart that would have been made. Nothing was changed. */
export type ItemsRefused = { readonly type: "items-refused"; readonly errors: readonly (ManagerError | undefined)[] };

/** Why moves were not made together: for themselves, or for something else. */
export type MovesError = ManagerError | ItemsRefused;

/** Of one move by itself. */
export function errorOfOne(error: MovesError): ManagerError {
  if (error.type !== "items-refused") return error;
  const [only] = error.errors;
  assert(only !== undefined && error.errors.length === 1, "what is refused has a reason");
  return only;
}
