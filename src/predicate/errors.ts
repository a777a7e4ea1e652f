import type { DecisionFailure } from "./core/rule-set/failure.ts";
import type { RuleSetProblem } from "./core/rule-set.ts";

/** Why the rules were not changed. */
export type ChangeFailure =
  | DecisionFailure
  /** Something that the change writes or touches would not be right. */
  | { readonly type: "rule-invalid"; readonly problems: readonly RuleSetProblem[] }
  | { readonly type: "revision-not-found"; readonly revision: number; readonly newest: number }
  /** Of so many in all. */
  | { readonly type: "tests-failed"; readonly failures: readonly TestFailure[]; readonly total: number }
  | { readonly type: "request-id-reused"; readonly requestId: string }
  | { readonly type: "storage-unavailable"; readonly cause: string };

/** A test of the rule set that would fail. */
export type TestFailure = { readonly name: string; readonly why: string };

/** Why there is no verdict. */
export type JudgeFailure =
  /** Too many checks wait, or too much of their data, in all or of this caller. */
  | { readonly type: "overloaded"; readonly what: `${"" | "bytes of "}checks${"" | " of one caller"}`; readonly limit: number }
  /** The checks of one call cost too much together. */
  | { readonly type: "call-cost-limit"; readonly limit: number }
  | RevisionNotReached;

/** There is no such rule set yet, not in the store either. */
export type RevisionNotReached = { readonly type: "revision-not-reached"; readonly wanted: number; readonly newest: number };
