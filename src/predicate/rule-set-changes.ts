import type { Clock } from "../kernel/clock.ts";
import type { CountQuota } from "../kernel/count-quota.ts";
import { type Proved, provedOf } from "../kernel/principal.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { Breathe, Turns } from "../kernel/turns.ts";
import { compileRuleSteps } from "./core/compile-rule.ts";
import type { RuleSetLimits } from "./core/rule-set/limits.ts";
import { type Outcome, type Own, outcomeOf, type Plan, type Present } from "./core/rule-set/outcome.ts";
import { newProblems } from "./core/rule-set/problems.ts";
import type { Stamp } from "./core/rule-set/standing.ts";
import { compileContents, type RuleSet, type RuleSetProblem } from "./core/rule-set.ts";
import type { RuleSetChange, RuleVersion } from "./core/types.ts";
import type { ChangeFailure } from "./errors.ts";
import { inSlices } from "./in-slices.ts";
import type { ChangeAnswer, Evaluator, RuleStore, RunTests } from "./ports.ts";

/** Who wants a change, and why. */
export type Mutation = {
  readonly reason: string;
  readonly requestedBy: string;
  readonly request: RequestKey | undefined;
  /** Ends the change as long as nothing is written. */
  readonly signal?: AbortSignal;
} & Proved;

/** What judges. */
export type Current = {
  readonly present: Present;
  readonly ruleSet: RuleSet;
  /** Of what was stored before it was looked at so closely. */
  readonly problems: readonly RuleSetProblem[];
};

/** Reads of the store what it needs, and decides. Called anew if the store has changed meanwhile. */
export type Decide = (present: Present, stamp: Stamp, breathe: Breathe) => Promise<Result<Plan, ChangeFailure>>;

export type ChangeOptions = {
  /** Failing tests block it. */
  readonly tested: boolean;
  /** Only says what would be different. */
  readonly dryRun: boolean;
};

export type Changed = {
  readonly answer: ChangeAnswer;
  readonly atMs: number;
  /** Undefined: nothing is different; or it was made before, and is in the history. */
  readonly change: RuleSetChange | undefined;
};

/** Keeps what judges, and changes it: what is durable judges, and nothing else. */
export interface RuleSetChanges {
  current(): Current;
  /** One after the other, each upon the outcome of the one before. A repeated request has the answer that it had. */
  change(mutation: Mutation, decide: Decide, options: ChangeOptions): Promise<Result<Changed, ChangeFailure>>;
  /** What would judge after a change, and what judges before it. Nothing is written, and no test is run. */
  tryOut(
    decide: Decide,
    signal: AbortSignal,
  ): Promise<Result<{ readonly before: RuleSet; readonly after: RuleSet }, ChangeFailure>>;
  /** Takes over what another process has written, without waiting for changes under way. */
  catchUp(): Promise<void>;
}

/** A conflict means that another process has written to the store; the third in a row, that it does so all the time. */
const writeAttemptsMax = 3;

const never = new AbortController().signal;

export async function createRuleSetChanges({
  store,
  clock,
  evaluator,
  runTests,
  turns,
  limits,
  quota,
}: {
  readonly store: RuleStore;
  readonly clock: Pick<Clock, "nowMs">;
  readonly evaluator: Evaluator;
  readonly runTests: RunTests;
  readonly turns: Turns;
  readonly limits: RuleSetLimits;
  readonly quota: CountQuota;
}): Promise<RuleSetChanges> {
  let current = await load(undefined);
  evaluator.prepare(current.ruleSet);
  let last: Promise<unknown> = Promise.resolve();
  let catchingUp: Promise<void> | undefined;

  async function load(before: Current | undefined): Promise<Current> {
    const present = await store.load();
    if (before?.present.contents.revision === present.contents.revision) return { ...before, present };
    return { present, ...(await inSlices(compileContents(present.contents, before?.ruleSet), turns())) };
  }

  function adopt(next: Current): void {
    // What is read takes its time, in which something newer may have been written.
    if (next.present.sequence <= current.present.sequence) return;
    const isOther = next.ruleSet !== current.ruleSet;
    current = next;
    if (isOther) evaluator.prepare(next.ruleSet);
  }

  async function isBehind({ present }: Current): Promise<boolean> {
    const later = await store.changesAfter({ sequence: present.sequence, limit: 1 });
    return later.rows.length > 0;
  }

  async function reloadIfBehind(): Promise<void> {
    if (await isBehind(current)) adopt(await load(current));
  }

  async function answered(request: RequestKey | undefined): Promise<Result<Changed, ChangeFailure> | undefined> {
    const stored = request && (await store.answer(request.id));
    if (stored === undefined) return undefined;
    const { digest, atMs, ...answer } = stored;
    if (digest !== request?.digest) return err({ type: "request-id-reused", requestId: request?.id ?? "" });
    return ok({ answer, atMs, change: undefined });
  }

  async function ownOf({ authenticatedAs: principal }: Proved): Promise<Own | undefined> {
    const countMax = principal === undefined ? undefined : quota.most(principal);
    if (principal === undefined || countMax === undefined) return undefined;
    return { principal, count: await store.countCreatedAs(principal), countMax };
  }

  async function decideAndWrite(
    mutation: Mutation,
    decide: Decide,
    { tested, dryRun }: ChangeOptions,
  ): Promise<Result<Changed, ChangeFailure>> {
    const { reason, requestedBy, signal = never } = mutation;
    const request = dryRun ? undefined : mutation.request;
    const breathe = turns(signal);
    for (let attempt = 1; attempt <= writeAttemptsMax; attempt += 1) {
      signal.throwIfAborted();
      const repeated = await answered(request);
      // Before a repeated request is answered, too: this process may not know that it was made, and what is answered judges.
      await reloadIfBehind();
      if (repeated !== undefined) return repeated;
      const base = current;
      const stamp = { atMs: clock.nowMs(), requestedBy, reason, ...provedOf(mutation) };
      const plan = await decide(base.present, stamp, breathe);
      const own = await ownOf(mutation);
      // Then it was decided upon two states at once.
      if (await isBehind(base)) continue;
      if (!plan.ok) return plan;
      const pause = breathe();
      if (pause !== undefined) await pause;
      const outcome = outcomeOf(base.present, plan.value, stamp, limits, own);
      if (!outcome.ok) {
        if (outcome.error.type === "rule-quota") quota.exceeded(outcome.error.principal);
        return outcome;
      }
      const next = await tryOut(base, outcome.value, { tested, breathe, signal });
      if (!next.ok) return next;
      const { present, change, rule, ...rest } = outcome.value;
      const answer = { ruleSetRevision: present.contents.revision, rule, changeSequence: change?.sequence };
      const changed = { answer, atMs: stamp.atMs, change };
      if (dryRun || (change === undefined && request === undefined)) return ok(changed);
      signal.throwIfAborted();
      const written = await store.apply({
        expectedSequence: base.present.sequence,
        change,
        ...rest,
        request: request && { ...request, atMs: stamp.atMs, answer },
      });
      if (written.ok) {
        adopt(next.value);
        // Who is answered makes something of it that may be as large as the rule set.
        await turns()();
        return ok(changed);
      }
      const failure = written.error;
      if (failure.type === "conflict") continue;
      // It may be durable all the same.
      if (failure.outcomeUnknown) await reloadIfBehind();
      return err({ type: "storage-unavailable", cause: failure.cause });
    }
    return err({ type: "storage-unavailable", cause: "another process keeps changing the rules" });
  }

  /** As if it were so already. */
  async function tryOut(
    base: Current,
    outcome: Outcome,
    { tested, breathe, signal }: { readonly tested: boolean; readonly breathe: Breathe; readonly signal: AbortSignal },
  ): Promise<Result<Current, ChangeFailure>> {
    const { present } = outcome;
    const { contents } = present;
    const isOther = contents.revision !== base.present.contents.revision;
    const { ruleSet, problems } = isOther ? await inSlices(compileContents(contents, base.ruleSet), breathe) : base;
    const wrong = [
      ...newProblems(base.problems, problems, outcome.membersAdded),
      ...(await inSlices(draftProblems(outcome, ruleSet), breathe)),
    ];
    if (wrong.length > 0) return err({ type: "rule-invalid", problems: wrong });
    const failures = isOther && tested ? await runTests(ruleSet, contents.tests, signal) : [];
    if (failures.length > 0) return err({ type: "tests-failed", failures, total: contents.tests.length });
    return ok({ present, ruleSet, problems });
  }

  return {
    current: () => current,
    change(mutation, decide, options) {
      const changed = last.then(() => decideAndWrite(mutation, decide, options));
      last = changed.catch(() => undefined);
      return changed;
    },
    async tryOut(decide, signal) {
      const base = current;
      const breathe = turns(signal);
      const stamp = { atMs: clock.nowMs(), requestedBy: "", reason: "" };
      const plan = await decide(base.present, stamp, breathe);
      const outcome = plan.ok ? outcomeOf(base.present, plan.value, stamp, limits) : plan;
      const tried = outcome.ok ? await tryOut(base, outcome.value, { tested: false, breathe, signal }) : outcome;
      return tried.ok ? ok({ before: base.ruleSet, after: tried.value.ruleSet }) : tried;
    },
    catchUp() {
      catchingUp ??= reloadIfBehind().finally(() => {
        catchingUp = undefined;
      });
      return catchingUp;
    },
  };
}

/** Of rules that are written and do not judge yet. */
function* draftProblems({ versions, membersAdded }: Outcome, ruleSet: RuleSet): Generator<void, readonly RuleSetProblem[]> {
  const judging = new Set(membersAdded.map(({ kind, name, version }) => `${kind} ${version} ${name}`));
  const isDraft = ({ id, version }: RuleVersion): boolean => !judging.has(`RULE ${version} ${id}`);
  const drafts = versions.flatMap((stored) => (stored.kind === "RULE" && isDraft(stored.rule) ? [stored.rule] : []));
  const problems: RuleSetProblem[] = [];
  for (const rule of drafts) {
    yield;
    const { errors } = yield* compileRuleSteps(rule, ruleSet);
    for (const { field, ...error } of errors) problems.push({ kind: "RULE", name: rule.id, version: rule.version, field, error });
  }
  return problems;
}
