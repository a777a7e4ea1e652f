import type { RuleId } from "../../../kernel/ids.ts";
import type { RuleSetItemKind, RuleState } from "../types.ts";
import type { RuleSetLimits } from "./limits.ts";

/** Why the rules cannot be changed as wanted. */
export type DecisionFailure =
  /** The lifecycle has no such move: the rule would never be asked about it. `field`: where in the command, such as `rules[2].moves[0]`. */
  | { readonly type: "move-unknown"; readonly ruleId: RuleId; readonly field: string }
  | { readonly type: "rule-exists"; readonly ruleId: RuleId }
  /** `version` undefined: no version of it. */
  | { readonly type: "rule-not-found"; readonly ruleId: RuleId; readonly version: number | undefined }
  /** What is wanted cannot be done to a rule in this state. */
  | { readonly type: "rule-state"; readonly ruleId: RuleId; readonly state: RuleState }
  | { readonly type: "rule-limit"; readonly what: Exclude<keyof RuleSetLimits, "unusedVersions">; readonly limit: number }
  /** Of the rules that are there, this principal has created `count`. */
  | {
      readonly type: "rule-quota";
      readonly principal: string;
      readonly limit: number;
      readonly count: number;
      /** How many more it wants. */
      readonly wanted: number;
    }
  | { readonly type: "rule-version-mismatch"; readonly ruleId: RuleId; readonly expected: number; readonly current: number }
  | { readonly type: "revision-mismatch"; readonly expected: number; readonly current: number }
  | { readonly type: "item-not-found"; readonly kind: RuleSetItemKind; readonly name: string }
  /** It is described twice. */
  | { readonly type: "duplicate"; readonly kind: RuleSetItemKind; readonly name: string };
