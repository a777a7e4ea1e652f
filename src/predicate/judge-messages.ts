import type { RuleId } from "../kernel/ids.ts";
import type { ExplainedVerdict } from "./core/explain-check.ts";
import type { Check, RuleSetContents } from "./core/types.ts";

/** What the main thread and a judge's thread share, as the places of an Int32Array. */
export const shared = {
  /** 1: nobody waits for the verdict any more. */
  stop: 0,
  /** Which of the rules that apply is asked now. -1: none yet. */
  rule: 1,
} as const;

export const sharedBytes = 2 * Int32Array.BYTES_PER_ELEMENT;

export type JudgeRequest =
  | { readonly type: "rule-set"; readonly contents: RuleSetContents }
  /** The rule set of the revision was sent before, as one of the last `ruleSetsKept`. */
  | {
      readonly type: "judge";
      readonly revision: number;
      readonly check: Check;
      readonly explained: Explained;
      readonly shadowsMax: number;
    };

/** The rules that are explained beside the verdict; empty: all that apply. Undefined: none. */
export type Explained = readonly RuleId[] | undefined;

/** What a thread says of a check. */
export type JudgedCheck = ExplainedVerdict & { readonly cost: number };

export type JudgeReply = ({ readonly type: "judged" } & JudgedCheck) | { readonly type: "stopped" };

/** A thread keeps the newest ones: checks under way may name those before. */
export const ruleSetsKept = 4;

/** Keeps the newest of them. Both ends of the channel use it, so that they agree on what is kept. */
export function keepRuleSet<RuleSet>(kept: Map<number, RuleSet>, revision: number, ruleSet: RuleSet): void {
  kept.set(revision, ruleSet);
  const [oldest] = kept.keys();
  if (kept.size > ruleSetsKept && oldest !== undefined) kept.delete(oldest);
}
