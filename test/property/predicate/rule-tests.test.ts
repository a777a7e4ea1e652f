import fc from "fast-check";
import { expect, test } from "vitest";
import { compileFiles } from "../../../src/cli/rule-files/compile.ts";
import { runTests } from "../../../src/cli/rule-files/run.ts";
import { Rule, type RuleState, RuleTest } from "../../../src/gen/concord/predicate/v1/rule_set.ts";
import type { RuleId } from "../../../src/kernel/ids.ts";
import { compileRule } from "../../../src/predicate/core/compile-rule.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import type { RuleSet } from "../../../src/predicate/core/rule-set.ts";
import type { Check, Expectation, RuleAction, RuleSetItem, RuleVersion } from "../../../src/predicate/core/types.ts";
import { createEngine } from "../../../src/predicate/engine.ts";
import { createEvaluator } from "../../../src/predicate/evaluator.ts";
import { startJudgeThread } from "../../../src/predicate/judge-thread.ts";
import { createJudges } from "../../../src/predicate/judges.ts";
import { createRunTests } from "../../../src/predicate/run-tests.ts";
import { appliedRuleFromWire, itemToWire, testFromWire } from "../../../src/rpc/convert-rule-set.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../../src/storage/memory/rule-store.ts";
import { applying } from "../../support/engine-values.ts";
import { checks, rules } from "../../support/rule-arbitraries.ts";
import { ruleSetOf } from "../../support/rule-values.ts";

const legalMoves = fc.constantFrom<RuleVersion["moves"]>(
  [],
  [{ from: "ACTIVE", to: undefined }],
  [{ from: undefined, to: "CANCELLED" }],
);
const actions = fc.constantFrom<RuleAction>("DENY", "WARN", "AUDIT");

/** Rules that can be stored. */
const usable = fc
  .tuple(rules, fc.infiniteStream(fc.record({ moves: legalMoves, action: actions })))
  .map(([all, changes]) =>
    all
      .map((rule, index) => ({ ...rule, ...changes.take(1).next().value, id: `rule-${index}` as RuleId }))
      .filter((rule) => compileRule(rule).ok),
  );

/** What a test wants: what is so, or anything else. */
const wishes = fc.record({
  isRight: fc.boolean(),
  verdict: fc.constantFrom<Expectation["verdict"]>("allowed", "rule-denied", "invalid-transition"),
  ruleIds: fc.subarray(["rule-0", "rule-1", "rule-2"]),
  message: fc.constantFrom("", "not allowed"),
});

function expectationOf(
  ruleSet: RuleSet,
  check: Check,
  wish: typeof wishes extends fc.Arbitrary<infer Wish> ? Wish : never,
): Expectation {
  const verdict = judge(ruleSet, check);
  if (wish.isRight && verdict.type === "rule-denied" && verdict.warnings.length + verdict.audits.length === 0) {
    return { verdict: verdict.type, violations: verdict.violations };
  }
  if (wish.isRight && verdict.type !== "deferred") return { verdict: verdict.type, violations: [] };
  return { verdict: wish.verdict, violations: wish.ruleIds.map((id) => ({ ruleId: id as RuleId, message: wish.message })) };
}

function wireOf(item: RuleSetItem) {
  const { item: wire } = itemToWire(item);
  if (wire === undefined || !("value" in wire)) throw new Error("no item");
  return wire.value;
}

const authorship = { version: 1, createdAtMs: 0, createdBy: "" };

test("tests end offline as they end at the server, which refuses a change for those that fail", async () => {
  await fc.assert(
    fc.asyncProperty(usable, fc.array(fc.tuple(checks, wishes), { maxLength: 5 }), async (all, questions) => {
      const ruleSet = ruleSetOf(1, ...all);
      const tests = questions.map(([check, wish], index) =>
        RuleTest.fromPartial(
          wireOf({
            kind: "TEST",
            test: { name: `test-${index}`, check, expect: expectationOf(ruleSet, check, wish), ...authorship },
          }) as RuleTest,
        ),
      );
      const parts = {
        rules: all.map((rule) =>
          Rule.fromPartial({
            ...(wireOf({ kind: "RULE", role: "ACTIVE", rule }) as Rule),
            state: "RULE_STATE_ACTIVE" as RuleState,
          }),
        ),
        facts: [],
        workflowTypes: [],
        tests,
      };

      const offline = compileFiles({ ...parts, placeOf: () => ({ file: "rules.yaml" }) });
      expect(offline.problems).toEqual([]);
      const { results } = runTests(offline.ruleSet, () => ({ file: "rules.yaml" }));
      const failures = results.flatMap(({ name, why }) => (why === undefined ? [] : [{ name, why }]));

      const turns = createTurns();
      const evaluator = createEvaluator({
        judges: createJudges({ threadCount: 1, startThread: startJudgeThread, clock: systemClock }),
        turns,
        clock: systemClock,
      });
      const engine = await createEngine({
        store: createMemoryRuleStore(),
        evaluator,
        runTests: createRunTests({ evaluator, turns }),
        turns,
        clock: systemClock,
      });
      const applied = await engine.apply(
        applying({
          rules: parts.rules.map(appliedRuleFromWire),
          tests: tests.map((each, index) => testFromWire(each, `tests[${index}].`)),
        }),
      );
      await evaluator.close();
      const refusal = { type: "tests-failed", failures, total: tests.length };
      expect(applied).toMatchObject(failures.length === 0 ? { ok: true } : { ok: false, error: refusal });
    }),
    { numRuns: 60 },
  );
});
