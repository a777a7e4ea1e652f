import type { Clock } from "../kernel/clock.ts";
import type { RuleId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { Turns } from "../kernel/turns.ts";
import type { ExplainedVerdict } from "./core/explain-check.ts";
import { type Diagnostic, lintSteps } from "./core/rule-set/review.ts";
import type { RuleSet } from "./core/rule-set.ts";
import type { Check, Verdict } from "./core/types.ts";
import type { ChangeFailure, JudgeFailure, RevisionNotReached } from "./errors.ts";
import { inSlices } from "./in-slices.ts";
import type { AskOptions, Evaluator } from "./ports.ts";
import type { Decide, RuleSetChanges } from "./rule-set-changes.ts";

/** A question. `atMs` undefined: the engine's clock. */
export type Question = Omit<Check, "atMs"> & { readonly atMs: TimeMs | undefined };

/** `minRevision` undefined: any. */
export type AskedOptions = Omit<AskOptions, "promptOnly"> & { readonly minRevision?: number | undefined };

/** What is said of moves now, and what would be said. */
export type Impact = {
  readonly ruleSetRevision: number;
  readonly before: readonly Verdict[];
  readonly after: readonly Verdict[];
};

/** Told of each verdict by which somebody means to act, just before the caller is. */
export type OnJudged = (checks: readonly Check[], verdicts: readonly Verdict[]) => void;

/** What is to be said of the active rules. */
export type Lint = { readonly diagnostics: readonly Diagnostic[]; readonly ruleSetRevision: number };

/** What the rules say of questions. */
export interface Answers {
  /** All under one rule-set revision, in the order of the questions. Rejects with the signal's reason. `isTrial`: nobody means to move. */
  check(
    questions: readonly Question[],
    options: AskedOptions & Pick<AskOptions, "promptOnly"> & { readonly isTrial?: boolean },
  ): Promise<Result<readonly Verdict[], JudgeFailure>>;
  /** With what the rules that apply have come to: those named, which must be active or in shadow, or if none are named all. */
  explain(
    question: Question,
    options: AskedOptions & { readonly ruleIds: readonly RuleId[] },
  ): Promise<Result<ExplainedVerdict, JudgeFailure | Extract<ChangeFailure, { type: "rule-not-found" }>>>;
}

export function createAnswers({
  clock,
  evaluator,
  changes,
  turns,
  onJudged,
}: {
  readonly clock: Pick<Clock, "nowMs">;
  readonly evaluator: Evaluator;
  readonly changes: RuleSetChanges;
  readonly turns: Turns;
  readonly onJudged: OnJudged | undefined;
}) {
  const ruleSet = () => changes.current().ruleSet;

  /** What another process has written may be newer. */
  async function reach(minRevision = 0): Promise<Result<void, RevisionNotReached>> {
    if (minRevision > ruleSet().revision) await changes.catchUp();
    const newest = ruleSet().revision;
    return minRevision > newest ? err({ type: "revision-not-reached", wanted: minRevision, newest }) : ok(undefined);
  }

  /** One `now` for all of a call. */
  function checksOf(questions: readonly Question[]): readonly Check[] {
    let nowMs: TimeMs | undefined;
    const now = (): TimeMs => {
      nowMs ??= clock.nowMs();
      return nowMs;
    };
    return questions.map((question): Check => ({ ...question, atMs: question.atMs ?? now() }));
  }

  const answers: Answers = {
    async check(questions, { minRevision = 0, isTrial = false, ...options }) {
      // Most ask for none, and waiting for that would take as long as a simple rule.
      const reached = minRevision > ruleSet().revision ? await reach(minRevision) : ok(undefined);
      if (!reached.ok) return reached;
      const checks = checksOf(questions);
      const judged = await evaluator.judge(ruleSet(), checks, options);
      if (judged.ok && !isTrial) onJudged?.(checks, judged.value);
      return judged;
    },
    async explain(question, { minRevision, ...options }) {
      const reached = await reach(minRevision);
      if (!reached.ok) return reached;
      const { active, shadow } = ruleSet().contents;
      const missing = options.ruleIds.find((id) => ![...active, ...shadow].some((rule) => rule.id === id));
      if (missing !== undefined) return err({ type: "rule-not-found", ruleId: missing, version: undefined });
      const [check] = checksOf([question]) as [Check];
      return evaluator.explain(ruleSet(), check, options);
    },
  };

  /** Of the rule set that was looked at last. */
  let linted: { readonly ruleSet: RuleSet; readonly diagnostics: readonly Diagnostic[] } | undefined;

  return {
    ...answers,
    reach,
    async lint(signal: AbortSignal): Promise<Lint> {
      const looked = ruleSet();
      if (linted?.ruleSet !== looked) {
        linted = { ruleSet: looked, diagnostics: await inSlices(lintSteps(looked), turns(signal)) };
      }
      return { diagnostics: linted.diagnostics, ruleSetRevision: looked.revision };
    },
    /** Of a change that is only tried. */
    async impact(
      decide: Decide,
      questions: readonly Question[],
      { minRevision, ...options }: AskedOptions,
    ): Promise<Result<Impact, JudgeFailure | ChangeFailure>> {
      const reached = await reach(minRevision);
      if (!reached.ok) return reached;
      const tried = await changes.tryOut(decide, options.signal);
      if (!tried.ok) return tried;
      const checks = checksOf(questions);
      const asked = { ...options, promptOnly: false };
      const before = await evaluator.judge(tried.value.before, checks, asked);
      if (!before.ok) return before;
      const after = await evaluator.judge(tried.value.after, checks, asked);
      if (!after.ok) return after;
      return ok({ ruleSetRevision: tried.value.before.revision, before: before.value, after: after.value });
    },
  };
}
