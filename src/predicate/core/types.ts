import type { RuleId, WorkflowId } from "../../kernel/ids.ts";
import type { JsonObject } from "../../kernel/json.ts";
import type { WorkflowEventType, WorkflowState } from "../../kernel/lifecycle.ts";
import type { Proved } from "../../kernel/principal.ts";
import type { TimeMs } from "../../kernel/time.ts";

export type RuleState = "DRAFT" | "ACTIVE" | "INACTIVE" | "DEPRECATED" | "SHADOW";

/** What happens when a rule does not hold. Only DENY refuses the move. */
export type RuleAction = "DENY" | "WARN" | "AUDIT";

/** What a rule judges: moves, or changes of metadata. */
export const ruleOperations = ["TRANSITION", "UPDATE"] as const;

export type RuleOperation = (typeof ruleOperations)[number];

/** Undefined: any state. */
export type RuleMove = { readonly from: WorkflowState | undefined; readonly to: WorkflowState | undefined };

/** Of a version, which never changes: when and by whom it was written. */
export type Authorship = {
  readonly version: number;
  readonly createdAtMs: TimeMs;
  readonly createdBy: string;
  /** As far as it was proved. Left out: nobody has proved anything. */
  readonly createdAs?: string;
};

/** What a rule says. See proto/concord/predicate/v1/rule_set.proto for the meaning of each field, here and below. */
export type RuleSource = {
  readonly description: string;
  /** At least one, in the order of `ruleOperations`. */
  readonly operations: readonly RuleOperation[];
  /** Empty: it applies to every move. Updates have nothing to do with it. */
  readonly moves: readonly RuleMove[];
  /** Empty: it applies to all workflows, also to those without a type. */
  readonly workflowTypes: readonly string[];
  /** Empty: it applies always. */
  readonly condition: string;
  readonly expression: string;
  readonly message: string;
  readonly priority: number;
  readonly action: RuleAction;
};

/** One version of a rule. */
export type RuleVersion = RuleSource & Authorship & { readonly id: RuleId };

/** How a rule stands. */
export type RuleStanding = {
  readonly id: RuleId;
  readonly state: RuleState;
  readonly latestVersion: number;
  readonly activeVersion: number | undefined;
  readonly shadowVersion: number | undefined;
  /** Some version of it was active or in shadow once, so it can be given up but not deleted: earlier revisions have it. */
  readonly hasJudged: boolean;
  readonly updatedAtMs: TimeMs;
  readonly requestedBy: string;
  readonly reason: string;
  /** Who has created the rule, as far as that was proved, whoever has changed it since: it counts as theirs. Left out: nobody has proved anything. */
  readonly createdAs?: string;
} & Proved;

/** A version of a rule, and how the rule stands. */
export type Rule = { readonly version: RuleVersion; readonly standing: RuleStanding };

/** A named expression that rules share as `facts.<name>`. */
export type FactSource = { readonly name: string; readonly description: string; readonly expression: string };
export type Fact = FactSource & Authorship;

/** What is known of the workflows of a type. No schema: any metadata. */
export type WorkflowTypeSource = {
  readonly name: string;
  readonly description: string;
  readonly metadataSchema: JsonObject | undefined;
};
export type WorkflowType = WorkflowTypeSource & Authorship;

/** A question with the verdict that the rule set must give. */
export type RuleTestSource = { readonly name: string; readonly check: Check; readonly expect: Expectation };
export type RuleTest = RuleTestSource & Authorship;

export type Expectation = {
  readonly verdict: "allowed" | "rule-denied" | "invalid-transition" | "metadata-invalid";
  /** All rules that do not hold. Empty: not looked at. */
  readonly violations: readonly { readonly ruleId: RuleId; readonly message: string }[];
};

/** All that judges, and what goes with it, under one revision. Each in the order of names. */
export type RuleSetContents = {
  readonly revision: number;
  readonly active: readonly RuleVersion[];
  readonly shadow: readonly RuleVersion[];
  readonly facts: readonly Fact[];
  readonly workflowTypes: readonly WorkflowType[];
  readonly tests: readonly RuleTest[];
};

/** A version of a part of a rule set, which never changes once it is stored. */
export type StoredVersion =
  | { readonly kind: "RULE"; readonly rule: RuleVersion }
  | { readonly kind: "FACT"; readonly fact: Fact }
  | { readonly kind: "WORKFLOW_TYPE"; readonly workflowType: WorkflowType }
  | { readonly kind: "TEST"; readonly test: RuleTest };

/** Names a version that is part of a rule set. */
export type Member = {
  readonly kind: RuleSetItemKind;
  readonly name: string;
  readonly version: number;
  /** Of what is no rule: ACTIVE. */
  readonly role: "ACTIVE" | "SHADOW";
};

/** A part of a rule set. */
export type RuleSetItem =
  | { readonly kind: "RULE"; readonly role: RuleRole; readonly rule: RuleVersion }
  | { readonly kind: "FACT"; readonly fact: Fact }
  | { readonly kind: "WORKFLOW_TYPE"; readonly workflowType: WorkflowType }
  | { readonly kind: "TEST"; readonly test: RuleTest };

/** DRAFT: it is kept, and judges nothing. */
export type RuleRole = "ACTIVE" | "SHADOW" | "DRAFT";

export type RuleSetItemKind = RuleSetItem["kind"];

export type RuleSetChangeKind =
  | "RULE_CREATED"
  | "RULE_UPDATED"
  | "RULE_ACTIVATED"
  | "RULE_DEACTIVATED"
  | "RULE_DEPRECATED"
  | "RULE_DELETED"
  | "RULE_SHADOWED"
  | "ITEM_SET"
  | "ITEM_DELETED"
  | "APPLIED"
  | "ROLLED_BACK"
  | "IMPORTED";

/** One change of the rules. `sequence` is 1, 2, 3, … without gaps, but after a restore; the revision grows only if what judges, or goes with it, is different. */
export type RuleSetChange = {
  readonly sequence: number;
  readonly revision: number;
  readonly kind: RuleSetChangeKind;
  readonly changedAtMs: TimeMs;
  readonly requestedBy: string;
  readonly reason: string;
  readonly differences: readonly RuleSetDifference[];
} & Proved;

/**
 * `before` undefined: it was not there; `after` undefined: it is not there any more. Both are of one kind, name and role. Of a rule as ACTIVE or in
 * SHADOW it is what judges; as DRAFT, its newest version, where the change has written or removed that, or given the rule up or taken it back.
 */
export type RuleSetDifference = { readonly before: RuleSetItem | undefined; readonly after: RuleSetItem | undefined };

/** What a change of the rules writes. */
export type ChangeToStore = {
  /** Its sequence is one more than that of the change before. Undefined: nothing changes, and only the answer is remembered; all that follows is empty. */
  readonly change: RuleSetChange | undefined;
  /** As these rules stand after it. */
  readonly standings: readonly RuleStanding[];
  /** Their standings and all their versions go. */
  readonly removedRules: readonly RuleId[];
  readonly versions: readonly StoredVersion[];
  /** Of rules that stay, versions that were never active or in shadow. */
  readonly removedVersions: readonly { readonly id: RuleId; readonly version: number }[];
  /** Of the rule set from `change.revision` on; before, it stays what it was. */
  readonly membersAdded: readonly Member[];
  readonly membersRemoved: readonly Member[];
};

/** A question: may this workflow make this move, or have its metadata changed so? */
export type Check = {
  readonly workflow: {
    readonly id: WorkflowId;
    /** Empty: none. */
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
    /** Undefined: at once, or it has not failed. */
    readonly recoverableAtMs?: TimeMs | undefined;
    readonly metadata: JsonObject;
  };
  /** Undefined: nothing is known of it. */
  readonly lastEvent:
    | ({
        readonly type: WorkflowEventType | undefined;
        readonly fromState: WorkflowState | undefined;
        readonly toState: WorkflowState | undefined;
        readonly occurredAtMs: TimeMs;
        readonly requestedBy: string;
        readonly reason: string;
        readonly metadata: JsonObject;
      } & Proved)
    | undefined;
  /** Of an update, the state that it is in. */
  readonly targetState: WorkflowState;
  /** The metadata as it would be. Undefined: it is a move. */
  readonly proposed?: JsonObject | undefined;
  readonly reason: string;
  readonly requestedBy: string;
  /** Empty: nobody knows. */
  readonly authenticatedAs: string;
  readonly context: JsonObject;
  /** Both empty: the move is made by itself. */
  readonly transaction: { readonly id: string; readonly participantIds: readonly string[] };
  readonly atMs: TimeMs;
};

export type Verdict = { readonly ruleSetRevision: number } & (
  | ({ readonly type: "allowed" } & Findings)
  | {
      readonly type: "invalid-transition";
      /** Where the workflow could go instead. */
      readonly allowedStates: readonly WorkflowState[];
    }
  | ({ readonly type: "rule-denied"; readonly violations: readonly Violation[] } & Findings)
  /** Of an update: it does not meet the schema of the type. */
  | { readonly type: "metadata-invalid"; readonly problems: readonly MetadataViolation[] }
  /** Not judged: it takes long, and the caller wants only what does not. */
  | { readonly type: "deferred" }
);

/** `path` is where, such as `metadata.tags[2]`. */
export type MetadataViolation = { readonly path: string; readonly message: string };

/** What rules say that do not decide. */
export type Findings = {
  readonly warnings: readonly Violation[];
  readonly audits: readonly Violation[];
  readonly shadows: readonly ShadowDifference[];
  /** Rules in shadow that would have cost more than they may. */
  readonly shadowsNotJudged: number;
  /** What was spent, in units, shadows not counted. */
  readonly cost: number;
};

/** A rule that does not hold. */
export type Violation = {
  readonly ruleId: RuleId;
  readonly ruleVersion: number;
  readonly message: string;
  readonly evaluationFailed: boolean;
};

/** A version in shadow that says otherwise than the active one. Of a rule that is not active: that does not hold. */
export type ShadowDifference = {
  readonly ruleId: RuleId;
  readonly shadowVersion: number;
  readonly activeVersion: number | undefined;
  /** Undefined: it holds. */
  readonly violation: Violation | undefined;
};
