import type { RuleId } from "../../src/kernel/ids.ts";
import { lastOf } from "../../src/predicate/core/compile-rule.ts";
import type { Check, Findings, Violation } from "../../src/predicate/core/types.ts";
import type { WantedVerdicts } from "../../src/predicate/ports.ts";
import { type Decided, recordSteps, type VerdictRecord } from "../../src/predicate/verdict-record.ts";
import { checkOf, sampleCheck } from "./rule-values.ts";

export const violationOf = (ruleId: string, message = "too warm"): Violation => ({
  ruleId: ruleId as RuleId,
  ruleVersion: 2,
  message,
  evaluationFailed: false,
});

type Of<Type> = Extract<Decided, { readonly type: Type }>;

const none = { warnings: [], audits: [], shadows: [], shadowsNotJudged: 0, cost: 3 };

export const allowed = (findings: Partial<Findings> = {}): Of<"allowed"> => ({
  type: "allowed",
  ruleSetRevision: 4,
  ...none,
  ...findings,
});

export const denied = (...violations: readonly Violation[]): Of<"rule-denied"> => ({
  type: "rule-denied",
  ruleSetRevision: 4,
  violations,
  ...none,
});

export const checkOfWorkflow = (id: string): Check => checkOf({ workflow: { id: id as Check["workflow"]["id"] } });

export const recordAt = (
  judgedAtMs: number,
  verdict: Decided = denied(violationOf("cold")),
  check: Check = sampleCheck,
  keepInput = false,
): Omit<VerdictRecord, "sequence"> => lastOf(recordSteps(check, verdict, { judgedAtMs, keepInput }));

export const anyVerdict: WantedVerdicts = { workflowId: undefined, ruleId: undefined, ranges: {} };
