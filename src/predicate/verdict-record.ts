import { createHash } from "node:crypto";
import type { RuleId, WorkflowId } from "../kernel/ids.ts";
import type { WorkflowState } from "../kernel/lifecycle.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { Check, Findings, Verdict, Violation } from "./core/types.ts";
import { recordTextMax } from "./limits.ts";

/** A verdict, and not one that was put off. */
export type Decided = Exclude<Verdict, { readonly type: "deferred" }>;

/** What was decided once. See proto/concord/predicate/v1/verdict.proto for the meaning of each field. */
export type VerdictRecord = {
  readonly sequence: number;
  readonly judgedAtMs: TimeMs;
  /** Cut: see `violationsOmitted`. */
  readonly verdict: Decided;
  readonly violationsOmitted: number;
  readonly workflowId: WorkflowId;
  readonly workflowType: string;
  readonly fromState: WorkflowState;
  readonly toState: WorkflowState;
  readonly requestedBy: string;
  readonly authenticatedAs: string;
  readonly inputDigest: string;
  /** Undefined: it was not kept. */
  readonly input: Check | undefined;
};

/** Rules were asked. */
export type Asked = Extract<Decided, { readonly type: "allowed" | "rule-denied" }>;

export const wasAsked = (verdict: Verdict): verdict is Asked => verdict.type === "allowed" || verdict.type === "rule-denied";

/** Something was said by a rule, or by a schema, or otherwise than by the one in shadow. */
export function isFinding(verdict: Verdict): boolean {
  if (verdict.type === "rule-denied" || verdict.type === "metadata-invalid") return true;
  return verdict.type === "allowed" && findingCount(verdict) > 0;
}

/** What is written down of a check. Each step takes as long as one of its Structs, at most. */
export function* recordSteps(
  check: Check,
  verdict: Decided,
  { judgedAtMs, keepInput }: { readonly judgedAtMs: TimeMs; readonly keepInput: boolean },
): Generator<void, Omit<VerdictRecord, "sequence">> {
  const { workflow, targetState, requestedBy, authenticatedAs } = check;
  return {
    judgedAtMs,
    ...cutVerdict(verdict),
    workflowId: workflow.id,
    workflowType: workflow.type,
    fromState: workflow.state,
    toState: targetState,
    requestedBy,
    authenticatedAs,
    inputDigest: yield* digestSteps(check),
    input: keepInput ? check : undefined,
  };
}

/** Who has said something, once each. */
export function rulesIn(verdict: Decided): readonly RuleId[] {
  if (!wasAsked(verdict)) return [];
  const violations = verdict.type === "rule-denied" ? verdict.violations : [];
  const { warnings, audits, shadows } = verdict;
  return [...new Set([...violations, ...warnings, ...audits, ...shadows].map(({ ruleId }) => ruleId))];
}

/** As the contract names it. */
export const judgementOf = ({ type }: Decided): string => type.toUpperCase().replaceAll("-", "_");

/** As it is written down. What is cut of violations is counted. */
export function cutVerdict(verdict: Decided): Pick<VerdictRecord, "verdict" | "violationsOmitted"> {
  if (!wasAsked(verdict)) return { verdict, violationsOmitted: 0 };
  let left = recordTextMax;
  const fitting = <Item>(items: readonly Item[], textOf: (item: Item) => string, least: number): readonly Item[] =>
    items.filter((item, index) => {
      left -= textOf(item).length + itemTextLength;
      return index < least || left >= 0;
    });
  const ofViolation = ({ ruleId, message }: Violation): string => ruleId + message;
  const violations = verdict.type === "rule-denied" ? fitting(verdict.violations, ofViolation, 1) : [];
  const findings = {
    warnings: fitting(verdict.warnings, ofViolation, 0),
    audits: fitting(verdict.audits, ofViolation, 0),
    shadows: fitting(verdict.shadows, ({ ruleId, violation }) => ruleId + (violation?.message ?? ""), 0),
  };
  if (verdict.type === "allowed") return { verdict: { ...verdict, ...findings }, violationsOmitted: 0 };
  return {
    verdict: { ...verdict, ...findings, violations },
    violationsOmitted: verdict.violations.length - violations.length,
  };
}

/** What an item takes besides its texts, as JSON. */
const itemTextLength = 100;

/** Whether both say the same to a caller: of the same rules, whatever their versions, in the same words. */
export function decidesSame(one: Decided, other: Decided): boolean {
  return saidTo(one) === saidTo(other);
}

function saidTo(verdict: Decided): string {
  const said = (violations: readonly Violation[]) => violations.map(({ ruleId, message }) => [ruleId, message]);
  if (verdict.type === "metadata-invalid") return JSON.stringify(verdict.problems);
  if (verdict.type === "invalid-transition") return verdict.type;
  const violations = verdict.type === "rule-denied" ? said(verdict.violations) : [];
  return JSON.stringify([verdict.type, violations, said(verdict.warnings), said(verdict.audits)]);
}

const findingCount = ({ warnings, audits, shadows }: Findings): number => warnings.length + audits.length + shadows.length;

/** The texts of the parts one after the other: each says where it ends. */
function* digestSteps({ workflow, lastEvent, context, ...rest }: Check): Generator<void, string> {
  const { metadata, ...workflowRest } = workflow;
  const { metadata: lastMetadata = null, ...eventRest } = lastEvent ?? {};
  const hash = createHash("sha256");
  for (const part of [{ ...rest, workflow: workflowRest, lastEvent: eventRest }, metadata, lastMetadata, context]) {
    hash.update(canonicalText(part));
    yield;
  }
  return hash.digest("hex");
}

/** JSON with its keys in one order, which those of metadata do not have. */
function canonicalText(json: unknown): string {
  if (Array.isArray(json)) return `[${json.map(canonicalText).join()}]`;
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  const fields = Object.entries(json).filter(([, value]) => value !== undefined);
  return `{${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${JSON.stringify(key)}:${canonicalText(value)}`)
    .join()}}`;
}
