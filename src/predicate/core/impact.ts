import type { Verdict } from "./types.ts";

/** How the judgement of a move changes with the rules. */
export type ImpactKind =
  | "newly-denied"
  | "newly-allowed"
  /** It stays allowed, and a rule warns that did not. */
  | "newly-warned"
  /** It stays allowed or denied, and other rules deny, warn or audit. */
  | "other-rules";

/** Undefined: the same rules say the same. */
export function impactOf(before: Verdict, after: Verdict): ImpactKind | undefined {
  const [was, is] = [findingsOf(before), findingsOf(after)];
  if (was.allowed && !is.allowed) return "newly-denied";
  if (!was.allowed && is.allowed) return "newly-allowed";
  if (is.allowed && is.warning.some((id) => !was.warning.includes(id))) return "newly-warned";
  return JSON.stringify(was) === JSON.stringify(is) ? undefined : "other-rules";
}

/** Which rules do not hold, whatever they say. */
function findingsOf(verdict: Verdict) {
  const idsOf = (found: readonly { readonly ruleId: string }[]): readonly string[] =>
    found.map(({ ruleId }) => ruleId).toSorted();
  const denying = verdict.type === "rule-denied" ? idsOf(verdict.violations) : [];
  const [warnings, audits] = "warnings" in verdict ? [verdict.warnings, verdict.audits] : [[], []];
  return { allowed: verdict.type === "allowed", denying, warning: idsOf(warnings), auditing: idsOf(audits) };
}
