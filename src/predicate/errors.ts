import type { RuleId } from "../kernel/ids.ts";
import type { RuleError } from "./core/judge.ts";
import type { RuleState } from "./core/types.ts";

export type CreateRuleFailure =
  | { readonly type: "rule-invalid"; readonly ruleId: RuleId; readonly error: RuleError }
  /** The lifecycle has no such move: the rule would never be asked about it. */
  | { readonly type: "move-unknown"; readonly index: number }
  | { readonly type: "rule-exists"; readonly ruleId: RuleId }
  | { readonly type: "rule-limit"; readonly limit: number }
  | WriteFailure;

export type ChangeRuleFailure =
  | { readonly type: "rule-not-found"; readonly ruleId: RuleId }
  /** It cannot go from this state to the wanted one. */
  | { readonly type: "rule-state"; readonly ruleId: RuleId; readonly state: RuleState }
  | WriteFailure;

export type WriteFailure =
  | { readonly type: "request-id-reused"; readonly requestId: string }
  | { readonly type: "storage-unavailable"; readonly cause: string };

/** Why there is no verdict. */
export type JudgeFailure =
  /** Too many checks wait, or too much of their data, in all or of this caller. */
  | { readonly type: "overloaded"; readonly what: `${"" | "bytes of "}checks${"" | " of one caller"}`; readonly limit: number }
  /** The checks of one call cost too much together. */
  | { readonly type: "call-cost-limit"; readonly limit: number };
