import type { RequestId } from "../kernel/ids.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { StoreAge, StoreHealth, WriteResult } from "../kernel/write.ts";
import type { Rule, RuleState } from "./core/types.ts";

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
