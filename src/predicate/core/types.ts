import type { RuleId, WorkflowId } from "../../kernel/ids.ts";
import type { JsonObject } from "../../kernel/json.ts";
import type { WorkflowEventType, WorkflowState } from "../../kernel/lifecycle.ts";
import type { TimeMs } from "../../kernel/time.ts";

export type RuleState = "DRAFT" | "ACTIVE" | "INACTIVE" | "DEPRECATED";

/** Undefined: any state. */
export type RuleMove = { readonly from: WorkflowState | undefined; readonly to: WorkflowState | undefined };

/** A condition that a move must meet. See proto/concord/predicate/v1/predicate_logic.proto for the meaning of each field. */
export type Rule = {
  readonly id: RuleId;
  readonly version: number;
  readonly description: string;
  /** Empty: it applies to every move. */
  readonly moves: readonly RuleMove[];
  readonly expression: string;
  readonly message: string;
  readonly priority: number;
  readonly state: RuleState;
  readonly createdAtMs: TimeMs;
  readonly updatedAtMs: TimeMs;
  readonly requestedBy: string;
  readonly reason: string;
};

/** A question: may this workflow make this move? */
export type Check = {
  readonly workflow: {
    readonly id: WorkflowId;
    readonly type: string;
    readonly state: WorkflowState;
    readonly previousState: WorkflowState | undefined;
    readonly version: number;
    readonly retryCount: number;
    readonly createdAtMs: TimeMs;
    readonly createdBy: string;
    readonly updatedAtMs: TimeMs;
    readonly updatedBy: string;
    readonly stateEnteredAtMs: TimeMs;
    readonly metadata: JsonObject;
  };
  /** Undefined: nothing is known of it. */
  readonly lastEvent:
    | {
        readonly type: WorkflowEventType | undefined;
        readonly fromState: WorkflowState | undefined;
        readonly toState: WorkflowState | undefined;
        readonly occurredAtMs: TimeMs;
        readonly requestedBy: string;
        readonly reason: string;
        readonly metadata: JsonObject;
      }
    | undefined;
  readonly targetState: WorkflowState;
  readonly reason: string;
  readonly requestedBy: string;
  /** Empty: nobody knows. */
  readonly authenticatedAs: string;
  readonly context: JsonObject;
  /** Both empty: the move is made by itself. */
  readonly transaction: { readonly id: string; readonly participantIds: readonly string[] };
  readonly atMs: TimeMs;
};

export type Verdict =
  | { readonly type: "allowed"; readonly ruleSetRevision: number }
  | {
      readonly type: "invalid-transition";
      readonly ruleSetRevision: number;
      /** Where the workflow could go instead. */
      readonly allowedStates: readonly WorkflowState[];
    }
  | { readonly type: "rule-denied"; readonly ruleSetRevision: number; readonly violations: readonly Violation[] }
  /** Not judged: it takes long, and the caller wants only what does not. */
  | { readonly type: "deferred"; readonly ruleSetRevision: number };

export type Violation = {
  readonly ruleId: RuleId;
  readonly ruleVersion: number;
  readonly message: string;
  readonly evaluationFailed: boolean;
};
