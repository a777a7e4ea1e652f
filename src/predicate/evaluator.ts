import type { Clock } from "../kernel/clock.ts";
import { err, ok } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Turns } from "../kernel/turns.ts";
import { isPossible, judge } from "./core/judge.ts";
import { callCostMax, inPlaceCostMax } from "./core/limits.ts";
import { applyingTo, type RuleSet } from "./core/rule-set.ts";
import type { Check, Verdict } from "./core/types.ts";
import type { Judges } from "./judges.ts";
import type { Evaluator } from "./ports.ts";

/**
 * Judges what costs little at once, on the event loop: asking a thread would cost more. What turns out to cost much begins anew on a
 * thread, so a check holds the loop for `inPlaceCostMax`. Between the checks of a call others have their turn.
 */
export function createEvaluator({
  judges,
  turns,
  clock,
  onJudged,
}: {
  readonly judges: Judges;
  readonly turns: Turns;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Told how long a check took that was judged at once. */
  readonly onJudged?: (tookMs: DurationMs) => void;
}): Evaluator {
  return {
    prepare: judges.prepare,
    async judge(ruleSet, checks, { caller = "", signal, promptOnly }) {
      const verdicts: Verdict[] = [];
      const dear: number[] = [];
      let costLeft = callCostMax;
      const breathe = turns(signal);
      for (const [index, check] of checks.entries()) {
        // The first at once: most calls have no other.
        const pause = index === 0 ? undefined : breathe();
        if (pause !== undefined) await pause;
        const startedMs = onJudged && clock.monotonicMs();
        const { verdict, cost } = judgeInPlace(ruleSet, check);
        if (verdict !== undefined) {
          costLeft -= cost;
          if (startedMs !== undefined) onJudged?.(clock.monotonicMs() - startedMs);
        } else dear.push(index);
        verdicts[index] = verdict ?? { type: "deferred", ruleSetRevision: ruleSet.revision };
      }
      if (dear.length === 0 || promptOnly) return ok(verdicts);
      const asked = dear.map((index) => checks[index]).filter((check) => check !== undefined);
      const judged = await judges.judge(ruleSet, asked, { caller, signal, costMax: costLeft });
      if (!judged.ok) return err(judged.error);
      for (const [place, verdict] of judged.value.entries()) verdicts[dear[place] ?? 0] = verdict;
      return ok(verdicts);
    },
    async explain(ruleSet, check, { caller = "", signal, ruleIds }) {
      const { rules, shadows } = applyingTo(ruleSet, check);
      if (isPossible(check) && rules.length + shadows.length > 0)
        return judges.explain(ruleSet, check, { caller, signal, ruleIds });
      return ok({ verdict: judge(ruleSet, check), explanation: { rules: [], facts: [], omittedCount: 0 } });
    },
    close: judges.close,
  };
}

/** No verdict: it costs more. */
function judgeInPlace(ruleSet: RuleSet, check: Check): { readonly verdict: Verdict | undefined; readonly cost: number } {
  const purse = { left: inPlaceCostMax };
  const verdict = judge(ruleSet, check, purse);
  return purse.left < 0 ? { verdict: undefined, cost: inPlaceCostMax } : { verdict, cost: inPlaceCostMax - purse.left };
}
