import fc from "fast-check";
import { expect, test } from "vitest";
import { isMove } from "../../../src/kernel/lifecycle.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { checkCostMax } from "../../../src/predicate/core/limits.ts";
import { startJudgeThread } from "../../../src/predicate/judge-thread.ts";
import { checks, rules } from "../../support/rule-arbitraries.ts";
import { ruleSetOf } from "../../support/rule-values.ts";

test("rules can only restrict: what is allowed is a move of the lifecycle, and what is not stays refused as such", () => {
  fc.assert(
    fc.property(rules, checks, (all, check) => {
      const { type } = judge(ruleSetOf(1, ...all), check);
      expect(type === "invalid-transition").toBe(!isMove(check.workflow.state, check.targetState));
    }),
  );
});

test("the same check under the same rules has the same verdict, in whatever order the rules were written", () => {
  fc.assert(
    fc.property(rules, checks, fc.func(fc.integer()), (all, check, weight) => {
      const shuffled = all.toSorted((a, b) => weight(a.id) - weight(b.id));
      const [set, again] = [ruleSetOf(1, ...all), ruleSetOf(1, ...shuffled)];
      const verdict = judge(set, check);
      expect(judge(set, structuredClone(check))).toStrictEqual(verdict);
      expect(judge(again, check)).toStrictEqual(verdict);
    }),
  );
});

test("a rule more allows nothing more, and leaves the violations of the others", () => {
  fc.assert(
    fc.property(rules, checks, (all, check) => {
      const fewer = judge(ruleSetOf(1, ...all.slice(1)), check);
      const more = judge(ruleSetOf(1, ...all), check);
      if (fewer.type === "rule-denied") {
        const violations = more.type === "rule-denied" ? more.violations : [];
        expect(violations.filter(({ ruleId }) => ruleId !== all[0]?.id)).toStrictEqual(fewer.violations);
      } else if (fewer.type === "invalid-transition") expect(more).toStrictEqual(fewer);
    }),
  );
});

test("violations come highest priority first, then by id, each rule at most once", () => {
  fc.assert(
    fc.property(rules, checks, (all, check) => {
      const verdict = judge(ruleSetOf(1, ...all), check);
      const denied = verdict.type === "rule-denied" ? verdict.violations.map(({ ruleId }) => ruleId) : [];
      const sorted = all.toSorted((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1)).map(({ id }) => id);
      expect(denied).toEqual(sorted.filter((id) => denied.includes(id)));
    }),
  );
});

test("a thread has the same verdict, at the same cost", async () => {
  const thread = startJudgeThread();
  let revision = 0;
  await fc.assert(
    fc.asyncProperty(rules, checks, async (all, check) => {
      fc.pre(isMove(check.workflow.state, check.targetState));
      revision += 1;
      // A version never changes, so a thread compiles it once.
      const set = ruleSetOf(revision, ...all.map((rule) => ({ ...rule, version: revision })));
      const purse = { left: checkCostMax };
      const verdict = judge(set, check, purse);
      expect(await thread.judge(set, check)).toStrictEqual({ type: "judged", verdict, cost: checkCostMax - purse.left });
    }),
  );
  await thread.end();
});
