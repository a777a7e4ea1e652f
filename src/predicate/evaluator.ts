import { err, ok } from "../kernel/result.ts";
import { judge, type RuleSet } from "./core/judge.ts";
import { callCostMax, inPlaceCostMax, sliceCostMax } from "./core/limits.ts";
import type { Check, Verdict } from "./core/types.ts";
import type { Judges } from "./judges.ts";
import type { Evaluator } from "./ports.ts";

/**
 * Judges what costs little at once, on the event loop: asking a thread would cost more. What turns out to cost much begins anew on a
 * thread, so the loop is held for `inPlaceCostMax` by a check and for `sliceCostMax` by a call. `nextTurn` resolves when others have had
 * their turn; only one of those who wait for it at a time.
 */
export function createEvaluator({
  judges,
  nextTurn,
}: {
  readonly judges: Judges;
  readonly nextTurn: () => Promise<void>;
}): Evaluator {
  return {
    prepare: judges.prepare,
    async judge(ruleSet, checks, { signal, promptOnly }) {
      const verdicts: Verdict[] = [];
      const dear: number[] = [];
      let costLeft = callCostMax;
      let sliceLeft = sliceCostMax;
      for (const [index, check] of checks.entries()) {
        if (sliceLeft < 0) {
          await nextTurn();
          signal.throwIfAborted();
          sliceLeft = sliceCostMax;
        }
        const { verdict, cost } = judgeInPlace(ruleSet, check);
        sliceLeft -= cost;
        if (verdict !== undefined) costLeft -= cost;
        else dear.push(index);
        verdicts[index] = verdict ?? { type: "deferred", ruleSetRevision: ruleSet.revision };
      }
      if (dear.length === 0 || promptOnly) return ok(verdicts);
      const asked = dear.map((index) => checks[index]).filter((check) => check !== undefined);
      const judged = await judges.judge(ruleSet, asked, { signal, costMax: costLeft });
      if (!judged.ok) return err(judged.error);
      for (const [place, verdict] of judged.value.entries()) verdicts[dear[place] ?? 0] = verdict;
      return ok(verdicts);
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
