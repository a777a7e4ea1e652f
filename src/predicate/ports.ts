import type { RequestId } from "../kernel/ids.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import type { Result } from "../kernel/result.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { StoreAge, StoreHealth, WriteResult } from "../kernel/write.ts";
import type { RuleSet } from "./core/judge.ts";
import type { Check, Rule, RuleState, Verdict } from "./core/types.ts";
import type { JudgeFailure } from "./errors.ts";

/** One change of one rule, as a value. Applied whole or not at all, durable before it is acknowledged. */
export type RuleBatch = {
  readonly rule: Rule;
  /** What must be stored now: no version of this rule, or this version in this state. */
  readonly expected: "absent" | { readonly version: number; readonly state: RuleState };
  readonly revision: { readonly expected: number; readonly next: number };
  /** Remembers the answer to a request. Its answer is `rule` and `revision.next`. */
  readonly request?: RequestKey & { readonly atMs: TimeMs };
};

export type RuleConflict =
  /** The rule or the revision is not as expected. */
  | { readonly type: "stale" }
  /** The request id is stored already; look it up. */
  | { readonly type: "request-exists" };

export type RuleChange = { readonly rule: Rule; readonly ruleSetRevision: number };

/** Keeps rules, the rule-set revision, and answers to requests. */
export interface RuleStore extends StoreHealth, StoreAge {
  /** Every rule, in its newest version, and the revision that goes with them. A new store is at revision 0. */
  load(): Promise<{ readonly rules: readonly Rule[]; readonly revision: number }>;
  /** The stored answer to a request, or nothing. */
  answer(requestId: RequestId): Promise<(RuleChange & { readonly digest: string }) | undefined>;
  /** Atomic. A stale expectation resolves to a conflict and writes nothing. */
  apply(batch: RuleBatch): WriteResult<void, RuleConflict>;
  /** Drops answers older than this, at most `limit`; says how many. */
  purge(before: { readonly olderThanMs: TimeMs; readonly limit: number }): WriteResult<number, never>;
  /** Applies what is queued, then closes. Writes after it are `storage-unavailable`. */
  close(): Promise<void>;
}

export interface Clock {
  nowMs(): TimeMs;
}

export interface Timers {
  /** Runs once, after the delay. Returns the function that cancels it. */
  setTimer(delayMs: DurationMs, run: () => void): () => void;
}

/** Who waits for verdicts, and how. */
export type AskOptions = {
  /** Callers take turns: its connection. Those without a name share one turn. */
  readonly caller?: string;
  /** Ends what is under way for this caller. */
  readonly signal: AbortSignal;
  /** What takes long is answered `deferred` at once, to be asked alone. */
  readonly promptOnly: boolean;
};

/** Judges without holding up others, however much the rules cost. */
export interface Evaluator {
  /** Before it is asked for, so that nobody waits for it to be compiled. */
  prepare(ruleSet: RuleSet): void;
  /** All by this rule set, in the order of the checks. Rejects with the signal's reason. */
  judge(ruleSet: RuleSet, checks: readonly Check[], options: AskOptions): Promise<Result<readonly Verdict[], JudgeFailure>>;
  close(): Promise<void>;
}
