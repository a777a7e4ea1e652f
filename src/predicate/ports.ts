import type { RequestId, RuleId, WorkflowId } from "../kernel/ids.ts";
import type { Range } from "../kernel/range.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import type { Result } from "../kernel/result.ts";
import type { Stretch } from "../kernel/stretch.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { StoreAge, StoreHealth, WriteResult } from "../kernel/write.ts";
import type { ExplainedVerdict } from "./core/explain-check.ts";
import type { RuleSet } from "./core/rule-set.ts";
import type {
  ChangeToStore,
  Check,
  Member,
  Rule,
  RuleSetChange,
  RuleSetContents,
  RuleSetItemKind,
  RuleTest,
  StoredVersion,
  Verdict,
} from "./core/types.ts";
import type { JudgeFailure, TestFailure } from "./errors.ts";
import type { VerdictRecord } from "./verdict-record.ts";

export type { Member, StoredVersion };

/** One change of the rules, as a value. Applied whole or not at all, durable before it is acknowledged. */
export type RuleBatch = ChangeToStore & {
  /** Of the last change in the store, upon which this one was decided. */
  readonly expectedSequence: number;
  /** Remembers the answer to a request. */
  readonly request: (RequestKey & { readonly atMs: TimeMs; readonly answer: ChangeAnswer }) | undefined;
};

export type RuleConflict =
  /** There was another change. */
  | { readonly type: "stale" }
  /** The request id is stored already; look it up. */
  | { readonly type: "request-exists" };

/** What a change answers, as far as it must be the same when it is repeated. */
export type ChangeAnswer = {
  readonly ruleSetRevision: number;
  /** Of one rule: as it was then. */
  readonly rule: Rule | undefined;
  /** Its place in the history; of what changed nothing, none. */
  readonly changeSequence: number | undefined;
};

export type LoadedRules = {
  readonly contents: RuleSetContents;
  /** Of the last change; 0: none. */
  readonly sequence: number;
  /** Rules that are neither active nor in shadow. */
  readonly idleRuleCount: number;
};

/** Keeps rules in all versions, rule sets in all revisions, their history, and answers to requests. */
export interface RuleStore extends StoreHealth, StoreAge {
  /** As it is now, in one read. A new store is at revision 0 and sequence 0. */
  load(): Promise<LoadedRules>;
  /** In this version, or in the newest. */
  rule(id: RuleId, version: number | undefined): Promise<Rule | undefined>;
  /** Of each the newest version, in the order of ids (bytewise), those after `afterId`: at most `limit`, and about `stretchBytesMax` of text. */
  listRules(page: { readonly afterId: string | undefined; readonly limit: number }): Promise<Stretch<Rule, string>>;
  /** Newest first, those before `beforeVersion`. As `listRules` otherwise. */
  listVersions(page: {
    readonly id: RuleId;
    readonly beforeVersion: number | undefined;
    readonly limit: number;
  }): Promise<Stretch<Rule, number>>;
  /** Of the rules that are there, whatever their state, how many this principal has created. */
  countCreatedAs(principal: string): Promise<number>;
  /** The newest version of a fact, a type or a test that there ever was; 0: none. */
  latestVersion(kind: Exclude<RuleSetItemKind, "RULE">, name: string): Promise<number>;
  /** Versions of a rule that were never active or in shadow, oldest first. */
  versionsNeverUsed(id: RuleId): Promise<readonly number[]>;
  /** The rule set as it was at this revision; nothing if there was none. */
  contentsAt(revision: number): Promise<RuleSetContents | undefined>;
  /** After this sequence, oldest first. As `listRules` otherwise. */
  changesAfter(page: { readonly sequence: number; readonly limit: number }): Promise<Stretch<RuleSetChange, number>>;
  /** Before this sequence (undefined: all), newest first; of this name if one is given. As `listRules` otherwise. */
  changesBefore(page: {
    readonly sequence: number | undefined;
    readonly name: string | undefined;
    readonly limit: number;
  }): Promise<Stretch<RuleSetChange, number>>;
  /** The newest that a restore from a backup has kept, if it has lost what had this sequence. */
  keptBeforeLoss(sequence: number): Promise<number | undefined>;
  /** The stored answer to a request, or nothing. */
  answer(requestId: RequestId): Promise<(ChangeAnswer & { readonly digest: string; readonly atMs: TimeMs }) | undefined>;
  /** Atomic. A stale expectation resolves to a conflict and writes nothing. */
  apply(batch: RuleBatch): WriteResult<void, RuleConflict>;
  /**
   * Called after each durable change, with its sequence: before it is acknowledged, or, if its write has failed though it is durable, by the
   * time the store is writable again. While the store cannot be read, it may be one that was told before. Returns the unsubscribe function.
   */
  onChange(listener: (sequence: number) => void): () => void;
  /** Drops answers older than this, at most `limit`; says how many. */
  purge(before: { readonly olderThanMs: TimeMs; readonly limit: number }): WriteResult<number, never>;
  /** Applies what is queued, then closes. Writes after it are `storage-unavailable`. */
  close(): Promise<void>;
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
  /** One check, and what the parts of the rules that apply have come to: of these rules, or if none are named of all. */
  explain(
    ruleSet: RuleSet,
    check: Check,
    options: Omit<AskOptions, "promptOnly"> & { readonly ruleIds: readonly RuleId[] },
  ): Promise<Result<ExplainedVerdict, JudgeFailure>>;
  close(): Promise<void>;
}

/** Judges by a rule set that is only tried, and says which of its tests fail. Rejects with the signal's reason. */
export type RunTests = (ruleSet: RuleSet, tests: readonly RuleTest[], signal: AbortSignal) => Promise<readonly TestFailure[]>;

/** What is known of each wanted verdict; the log may pass over the rest. */
export type VerdictRanges = {
  readonly sequence?: Range<number>;
  readonly judgedAtMs?: Range<number>;
  readonly judgement?: Range<string>;
  readonly workflowId?: Range<string>;
  readonly workflowType?: Range<string>;
  readonly fromState?: Range<string>;
  readonly toState?: Range<string>;
  readonly requestedBy?: Range<string>;
  readonly authenticatedAs?: Range<string>;
  readonly ruleSetRevision?: Range<number>;
};

export type WantedVerdicts = {
  /** Undefined: of all. */
  readonly workflowId: WorkflowId | undefined;
  /** That this rule has said something of. Undefined: all. */
  readonly ruleId: RuleId | undefined;
  readonly ranges: VerdictRanges;
};

/** Keeps what was decided, for a time. What judges does not need it: it may be full, broken, or behind. */
export interface VerdictLog extends StoreAge {
  /** In this order, under sequences that were never used before. */
  append(records: readonly Omit<VerdictRecord, "sequence">[]): WriteResult<void, never>;
  /** Before this sequence (undefined: all), newest first: at most `limit`, and about `stretchBytesMax` of text. */
  list(page: {
    readonly beforeSequence: number | undefined;
    readonly limit: number;
    readonly wanted: WantedVerdicts;
  }): Promise<Stretch<VerdictRecord, number>>;
  /** What is kept, with all that goes with it. */
  usedBytes(): number;
  /** Drops the oldest, at most `limit`, if `olderThanMs` is given only those judged before it; says how many. */
  drop(which: { readonly olderThanMs: TimeMs | undefined; readonly limit: number }): WriteResult<number, never>;
  /** Writes what is queued, then closes. */
  close(): Promise<void>;
}
