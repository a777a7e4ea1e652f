import fc from "fast-check";
import { expect, test } from "vitest";
import { assert } from "../../../src/kernel/assert.ts";
import { ok } from "../../../src/kernel/result.ts";
import type { Turns } from "../../../src/kernel/turns.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import type { Check, RuleVersion, Verdict } from "../../../src/predicate/core/types.ts";
import { createEngine, type Engine } from "../../../src/predicate/engine.ts";
import { createEvaluator } from "../../../src/predicate/evaluator.ts";
import type { Judges } from "../../../src/predicate/judges.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createMemoryRuleStore } from "../../../src/storage/memory/rule-store.ts";
import { checks, rules } from "../../support/rule-arbitraries.ts";
import { ruleOf, ruleSetOf, verdictsOf } from "../../support/rule-values.ts";

// A failure prints its seed; replay it with SEED=n npx vitest run --project property.
const runs = { numRuns: 100 };

/** Others have their turn between any two steps, so that whatever can come in between does. */
const generous: Turns = () => () => new Promise((resolve) => setImmediate(resolve));

/** Judges what is dear here, step by step, too; that a thread says the same is a property of its own. */
const judges: Judges = {
  prepare: () => {},
  async judge(ruleSet, asked) {
    const verdicts: Verdict[] = [];
    for (const check of asked) {
      await generous()();
      verdicts.push(judge(ruleSet, check));
    }
    return ok(verdicts);
  },
  explain: async (ruleSet, check) => ok({ verdict: judge(ruleSet, check) }),
  close: async () => {},
};
const evaluator = createEvaluator({ judges, turns: generous, clock: systemClock });

const by = { reason: "property", requestedBy: "test", request: undefined };

/** No rule of the property is refused: each is written as `rules` has it. A rule that is none is left out. */
async function engineWith(
  all: readonly RuleVersion[],
): Promise<{ readonly engine: Engine; readonly written: readonly RuleVersion[] }> {
  const engine = await createEngine({
    store: createMemoryRuleStore(),
    clock: systemClock,
    evaluator,
    runTests: async () => [],
    turns: generous,
  });
  const written: RuleVersion[] = [];
  for (const rule of all) {
    const created = await engine.createRule({ ...rule, ...by });
    if (created.ok) written.push(rule);
  }
  return { engine, written };
}

async function setActive(engine: Engine, { id }: RuleVersion, isActive: boolean): Promise<number> {
  const changed = await (isActive ? engine.activate({ id, ...by }) : engine.deactivate({ id, ...by }));
  assert(changed.ok, "a rule that was written can be switched");
  return changed.value.ruleSetRevision;
}

const withoutRevision = (verdicts: readonly Verdict[]) => verdicts.map(({ ruleSetRevision: _, ...rest }) => rest);

const someChecks = fc.array(checks, { minLength: 1, maxLength: 8 });

test("a rule more turns no denial into an allowance, and without it again every answer is as before", async () => {
  await fc.assert(
    fc.asyncProperty(rules, someChecks, fc.boolean(), async (all, asked, isDenying) => {
      const { engine, written } = await engineWith(all);
      for (const rule of written) await setActive(engine, rule, true);
      const more = ruleOf({ id: "more", expression: isDenying ? "false" : "workflow.metadata.temperature > 20" });
      await engine.createRule({ ...more, ...by });

      const before = await verdictsOf(engine, ...asked);
      await setActive(engine, more, true);
      const during = await verdictsOf(engine, ...asked);
      await setActive(engine, more, false);
      const after = await verdictsOf(engine, ...asked);

      for (const [at, { type }] of during.entries()) {
        if (before[at]?.type !== "allowed") expect(type).toBe(before[at]?.type);
        if (isDenying) expect(type).not.toBe("allowed");
      }
      expect(withoutRevision(after)).toStrictEqual(withoutRevision(before));
    }),
    runs,
  );
});

test("a batch has the answers that its checks have alone", async () => {
  await fc.assert(
    fc.asyncProperty(rules, someChecks, async (all, asked) => {
      const { engine, written } = await engineWith(all);
      for (const rule of written) await setActive(engine, rule, true);
      const alone: Verdict[] = [];
      for (const check of asked) alone.push(...(await verdictsOf(engine, check)));
      expect(await verdictsOf(engine, ...asked)).toStrictEqual(alone);
    }),
    runs,
  );
});

type Step = { readonly type: "switch"; readonly rule: number } | { readonly type: "ask"; readonly checks: readonly Check[] };

const steps = fc.array(
  fc.oneof(
    fc.nat().map((rule): Step => ({ type: "switch", rule })),
    someChecks.map((asked): Step => ({ type: "ask", checks: asked })),
  ),
  { maxLength: 20 },
);

test("while rules change, all answers of a call come from one rule set: that of the revision they name", async () => {
  await fc.assert(
    fc.asyncProperty(
      rules.filter((all) => all.length > 0),
      steps,
      async (all, todo) => {
        const { engine, written } = await engineWith(all);
        fc.pre(written.length > 0);
        // What is active from a revision on.
        let active: ReadonlySet<RuleVersion> = new Set();
        const sets = new Map<number, ReadonlySet<RuleVersion>>([[engine.ruleSetRevision(), active]]);
        const changes: Promise<void>[] = [];
        const answers: Promise<{ readonly asked: readonly Check[]; readonly verdicts: readonly Verdict[] }>[] = [];
        // None waits for the one before.
        for (const step of todo) {
          if (step.type === "ask") {
            answers.push(verdictsOf(engine, ...step.checks).then((verdicts) => ({ asked: step.checks, verdicts })));
          } else {
            const rule = written[step.rule % written.length] as RuleVersion;
            const isActive = !active.has(rule);
            active = new Set(isActive ? [...active, rule] : [...active].filter((each) => each !== rule));
            const then = active;
            changes.push(setActive(engine, rule, isActive).then((revision) => void sets.set(revision, then)));
          }
          await Promise.resolve();
        }
        await Promise.all(changes);
        for (const { asked, verdicts } of await Promise.all(answers)) {
          const [revision = -1] = verdicts.map((verdict) => verdict.ruleSetRevision);
          const set = ruleSetOf(revision, ...(sets.get(revision) ?? []));
          expect(sets.has(revision)).toBe(true);
          expect(verdicts).toStrictEqual(asked.map((check) => judge(set, check)));
        }
      },
    ),
    runs,
  );
});
