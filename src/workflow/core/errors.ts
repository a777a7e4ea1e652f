import type { RequestId, TransactionId, WorkflowId } from "../../kernel/ids.ts";
import type { WorkflowState } from "../../kernel/lifecycle.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";

/** Why the predicate engine does not take a question: asked again, it would not take it either. */
export type Refusal = {
  readonly why: "invalid" | "too-large" | "too-expensive";
  readonly cause: string;
  /** Beyond which it is too much, if that is known. */
  readonly limit: number | undefined;
  /** Of the question: what is wrong where. */
  readonly fields: readonly { readonly field: string; readonly description: string }[];
};

/** Why a workflow was not changed. The order is the order of the checks; see docs/architecture.md. */
export type WorkflowError =
  | { readonly type: "workflow-not-found"; readonly workflowId: WorkflowId }
  | { readonly type: "terminal-state"; readonly workflowId: WorkflowId; readonly state: WorkflowState; readonly version: number }
  | {
      readonly type: "version-mismatch";
      readonly workflowId: WorkflowId;
      /** Nothing if the caller gave none, and others were faster each time. */
      readonly expectedVersion: number | undefined;
      readonly currentVersion: number;
    }
  | {
      readonly type: "in-transition";
      readonly workflowId: WorkflowId;
      readonly transactionId: TransactionId;
      readonly targetState: WorkflowState;
      /** Of the request that holds it, if that has one. */
      readonly heldFor: RequestId | undefined;
    }
  | { readonly type: "predicate-logic-unavailable"; readonly workflowId: WorkflowId; readonly cause: string }
  | {
      readonly type: "predicate-logic-overloaded";
      readonly workflowId: WorkflowId;
      readonly cause: string;
      readonly retryAfterMs: DurationMs;
    }
  | { readonly type: "predicate-logic-refused"; readonly workflowId: WorkflowId; readonly refusal: Refusal }
  | {
      readonly type: "invalid-transition";
      readonly workflowId: WorkflowId;
      readonly from: WorkflowState;
      readonly to: WorkflowState;
      readonly allowed: readonly WorkflowState[];
    }
  | { readonly type: "not-failed"; readonly workflowId: WorkflowId; readonly state: WorkflowState }
  /** It knows no updates: it has taken the question for another. */
  | { readonly type: "predicate-logic-outdated"; readonly workflowId: WorkflowId }
  /** What a change of the metadata would leave is more than may be kept with a workflow. */
  | { readonly type: "metadata-too-large"; readonly excess: string }
  /** It does not meet the schema that the rule set has for the type. */
  | {
      readonly type: "metadata-invalid";
      readonly workflowType: string;
      readonly ruleSetRevision: number;
      readonly violations: readonly { readonly path: string; readonly message: string }[];
    }
  | {
      readonly type: "recoveries-exhausted";
      readonly workflowId: WorkflowId;
      readonly retryCount: number;
      readonly maxAttempts: number;
    }
  | {
      readonly type: "recovery-too-early";
      readonly workflowId: WorkflowId;
      readonly recoverableAtMs: TimeMs;
      readonly waitMs: DurationMs;
    }
  | {
      readonly type: "rule-denied";
      readonly workflowId: WorkflowId;
      readonly ruleSetRevision: number;
      readonly violations: readonly { readonly ruleId: string; readonly message: string }[];
      readonly warnings?: readonly { readonly ruleId: string; readonly message: string }[];
    };
