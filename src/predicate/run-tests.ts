import type { Turns } from "../kernel/turns.ts";
import { testSteps } from "./core/rule-set/run-tests.ts";
import type { Evaluator, RunTests } from "./ports.ts";

/** One after the other, so that they are one caller among many for the threads. */
export function createRunTests({ evaluator, turns }: { readonly evaluator: Evaluator; readonly turns: Turns }): RunTests {
  return async (ruleSet, tests, signal) => {
    const breathe = turns(signal);
    const steps = testSteps(tests);
    for (let step = steps.next(); ; ) {
      if (step.done) return step.value.flatMap(({ test, why }) => (why === undefined ? [] : [{ name: test.name, why }]));
      const pause = breathe();
      if (pause !== undefined) await pause;
      const judged = await evaluator.judge(ruleSet, [step.value.check], { caller, signal, promptOnly: false });
      step = steps.next(judged.ok ? judged.value[0] : undefined);
    }
  };
}

/** No connection is called so. */
const caller = "tests of the rule set";
