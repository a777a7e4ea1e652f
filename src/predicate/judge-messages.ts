import type { Check, Rule, Verdict } from "./core/types.ts";

/** What the main thread and a judge's thread share, as the places of an Int32Array. */
export const shared = {
  /** 1: nobody waits for the verdict any more. */
  stop: 0,
  /** Which of the rules that apply is asked now. -1: none yet. */
  rule: 1,
} as const;

export const sharedBytes = 2 * Int32Array.BYTES_PER_ELEMENT;

export type JudgeRequest =
  | { readonly type: "rule-set"; readonly revision: number; readonly rules: readonly Rule[] }
  /** The rule set of the revision was sent before, as one of the last `ruleSetsKept`. */
  | { readonly type: "judge"; readonly revision: number; readonly check: Check };

export type JudgeReply =
  | { readonly type: "judged"; readonly verdict: Verdict; readonly cost: number }
  | { readonly type: "stopped" };

/** A thread keeps the newest ones: checks under way may name those before. */
export const ruleSetsKept = 4;

/** Keeps the newest of them. Both ends of the channel use it, so that they agree on what is kept. */
export function keepRuleSet<RuleSet>(kept: Map<number, RuleSet>, revision: number, ruleSet: RuleSet): void {
  kept.set(revision, ruleSet);
  const [oldest] = kept.keys();
  if (kept.size > ruleSetsKept && oldest !== undefined) kept.delete(oldest);
}
