import { describe, expect, test } from "vitest";
import { createAnswers } from "../../../src/predicate/answers.ts";
import type { RuleSet } from "../../../src/predicate/core/rule-set.ts";
import type { Engine } from "../../../src/predicate/engine.ts";
import { by, create, described, engineOver, id, source } from "../../support/engine-values.ts";
import { pausing } from "../../support/pausing.ts";
import { checkOf, ruleOf, ruleSetOf, sampleCheck } from "../../support/rule-values.ts";

const signal = new AbortController().signal;
const options = { signal };
const paused = checkOf({ targetState: "PAUSED" });

/** Its only active rule denies the sample. */
async function withCold(): Promise<Engine> {
  const engine = await engineOver();
  await engine.createRule(create("cold"));
  await engine.activate({ id: id("cold"), ...by });
  return engine;
}

describe("an explanation", () => {
  test("of the rules that are named, which must be active", async () => {
    const engine = await withCold();
    await engine.createRule(create("draft"));
    const explain = (...names: readonly string[]) => engine.explain(sampleCheck, { ...options, ruleIds: names.map(id) });
    expect(await explain("cold")).toMatchObject({
      ok: true,
      value: { verdict: { type: "rule-denied" }, explanation: { rules: [{ ruleId: "cold" }] } },
    });
    expect(await explain("cold", "draft")).toMatchObject({ ok: false, error: { type: "rule-not-found", ruleId: "draft" } });
  });

  test("by a rule set that is not there yet", async () => {
    const engine = await withCold();
    const failure = { ok: false, error: { type: "revision-not-reached", wanted: 2, newest: 1 } };
    expect(await engine.explain(sampleCheck, { ...options, ruleIds: [], minRevision: 2 })).toEqual(failure);
    expect(await engine.explain(sampleCheck, { ...options, ruleIds: [], minRevision: 1 })).toMatchObject({ ok: true });
  });
});

describe("the impact", () => {
  const types = (verdicts: readonly { readonly type: string }[]) => verdicts.map(({ type }) => type);

  test("of activating a version, of deactivating a rule, of another rule set; nothing is changed by asking", async () => {
    const engine = await withCold();
    await engine.updateRule(create("cold", { expression: "workflow.metadata.temperature < 9" }));
    await engine.createRule(create("never pause", { expression: "to != 'PAUSED'" }));
    const impact = async (candidate: Parameters<Engine["impact"]>[0]) => {
      const outcome = await engine.impact(candidate, [sampleCheck, paused], options);
      if (!outcome.ok) throw new Error(outcome.error.type);
      expect(outcome.value.ruleSetRevision).toBe(1);
      expect(types(outcome.value.before)).toEqual(["rule-denied", "rule-denied"]);
      return types(outcome.value.after);
    };
    expect(await impact({ type: "activate", id: id("cold"), version: undefined })).toEqual(["allowed", "allowed"]);
    expect(await impact({ type: "activate", id: id("cold"), version: 1 })).toEqual(["rule-denied", "rule-denied"]);
    expect(await impact({ type: "deactivate", id: id("cold") })).toEqual(["allowed", "allowed"]);
    const rules = [described("never pause", { expression: "to != 'PAUSED'" })];
    expect(await impact({ type: "apply", rules, facts: [], workflowTypes: [] })).toEqual(["allowed", "rule-denied"]);
    expect(engine.ruleSetRevision()).toBe(1);
    expect((await engine.changesBefore({ sequence: undefined, name: undefined, limit: 10 })).rows).toHaveLength(4);
  });

  test.each([
    ["a rule that is not there", { type: "activate", id: id("nothing"), version: undefined }, "rule-not-found"],
    ["a version that is not there", { type: "activate", id: id("cold"), version: 7 }, "rule-not-found"],
    ["a rule that does not judge", { type: "deactivate", id: id("draft") }, "rule-state"],
    [
      "a rule that is wrong",
      { type: "apply", rules: [described("x", { expression: "tru" })], facts: [], workflowTypes: [] },
      "rule-invalid",
    ],
  ] as const)("of %s is refused as the change would be", async (_, candidate, type) => {
    const engine = await withCold();
    await engine.createRule(create("draft"));
    expect(await engine.impact(candidate, [sampleCheck], options)).toMatchObject({ ok: false, error: { type } });
  });

  test("ends with its caller", async () => {
    const engine = await withCold();
    const caller = new AbortController();
    caller.abort(new Error("the caller has left"));
    const asked = engine.impact({ type: "deactivate", id: id("cold") }, [sampleCheck], { signal: caller.signal });
    await expect(asked).rejects.toThrow("the caller has left");
  });
});

describe("whoever asks", () => {
  const failure = { ok: false, error: { type: "overloaded", what: "checks", limit: 1 } } as const;

  /** Over a rule set of this revision, behind which another process has written one more. */
  function world(revision = 4) {
    const set = (at: number) => ruleSetOf(at, ruleOf({ id: "one" }), ruleOf({ id: "two" }));
    const state = { now: set(revision), looks: 0, asked: [] as { revision: number; options: object }[], fails: 0, told: 0 };
    const judged = (ruleSet: RuleSet, asked: object) => {
      state.asked.push({ revision: ruleSet.revision, options: asked });
      return state.fails === state.asked.length ? failure : ({ ok: true, value: [] } as const);
    };
    const answers = createAnswers({
      clock: { nowMs: () => 1_000 },
      evaluator: {
        judge: async (ruleSet: RuleSet, _: unknown, asked: object) => judged(ruleSet, asked),
        explain: async (ruleSet: RuleSet, _: unknown, asked: object) => judged(ruleSet, asked),
      } as never,
      changes: {
        current: () => ({ ruleSet: state.now }),
        catchUp: async () => {
          state.looks += 1;
          state.now = set(revision + 1);
        },
        tryOut: async () => ({ ok: true, value: { before: set(10), after: set(11) } }),
      } as never,
      turns: pausing(),
      onJudged: () => {
        state.told += 1;
      },
    });
    return { ...answers, state };
  }

  const prompt = { ...options, promptOnly: true };

  test("for a revision that is here is answered without a look at the store, for a newer one after it", async () => {
    for (const ask of [
      (answers: ReturnType<typeof world>, minRevision: number) => answers.check([sampleCheck], { ...prompt, minRevision }),
      (answers: ReturnType<typeof world>, minRevision: number) =>
        answers.explain(sampleCheck, { ...options, ruleIds: [id("two")], minRevision }),
    ]) {
      const answers = world();
      expect([await ask(answers, 4), answers.state.looks]).toMatchObject([{ ok: true }, 0]);
      expect([await ask(answers, 5), answers.state.looks]).toMatchObject([{ ok: true }, 1]);
      const notReached = { ok: false, error: { type: "revision-not-reached", wanted: 6, newest: 5 } };
      expect([await ask(answers, 6), answers.state.looks]).toMatchObject([notReached, 2]);
    }
    const first = world(0);
    expect([await first.reach(), await first.explain(sampleCheck, { ...options, ruleIds: [] })]).toMatchObject([
      { ok: true },
      { ok: true },
    ]);
    expect(first.state.looks).toBe(0);
  });

  test("is told what the evaluator could not do, and nobody else is told that it was decided", async () => {
    const answers = world();
    answers.state.fails = 1;
    expect([await answers.check([sampleCheck], prompt), answers.state.told]).toEqual([failure, 0]);
    expect([await answers.check([sampleCheck], prompt), answers.state.told]).toMatchObject([{ ok: true }, 1]);
  });

  test("of a change that is tried has verdicts of both rule sets, which take their time, or the first failure", async () => {
    const decide = (() => undefined) as never;
    const answers = world();
    expect(await answers.impact(decide, [sampleCheck], options)).toMatchObject({ ok: true, value: { ruleSetRevision: 10 } });
    expect(answers.state.asked).toEqual([10, 11].map((revision) => ({ revision, options: { signal, promptOnly: false } })));
    for (const fails of [1, 2]) {
      const failing = world();
      failing.state.fails = fails;
      expect([await failing.impact(decide, [sampleCheck], options), failing.state.asked.length]).toEqual([failure, fails]);
    }
    const early = world();
    const asked = await early.impact(decide, [sampleCheck], { ...options, minRevision: 9 });
    expect([asked, early.state.asked]).toMatchObject([{ error: { type: "revision-not-reached" } }, []]);
  });
});

test("a rule in shadow can be explained, too", async () => {
  const engine = await withCold();
  await engine.createRule(create("dry"));
  await engine.shadow({ id: id("dry"), version: 1, ...by });
  for (const ruleIds of [[id("dry")], [id("cold")]])
    expect(await engine.explain(sampleCheck, { ...options, ruleIds })).toMatchObject({ ok: true });
});

test("lint tells of the rules that are active now", async () => {
  const engine = await withCold();
  expect(await engine.lint(signal)).toEqual({ diagnostics: [], ruleSetRevision: 1 });
  await engine.createRule(create("idle", { expression: "true" }));
  expect((await engine.lint(signal)).diagnostics).toEqual([]);
  await engine.activate({ id: id("idle"), ...by });
  const linted = await engine.lint(signal);
  expect(linted).toMatchObject({ diagnostics: [{ severity: "WARNING", relatedRuleIds: ["idle"] }], ruleSetRevision: 2 });
  expect((await engine.lint(signal)).diagnostics).toBe(linted.diagnostics);
});

test("a rule that could never be evaluated within its cost is written nowhere", async () => {
  const engine = await withCold();
  const list = `[${Array.from({ length: 60 }, (_, index) => index).join(", ")}]`;
  const dear = { expression: `${list}.map(a, ${list}.map(b, ${list}.map(c, a + b + c))).size() > 0` };
  const refused = { ok: false, error: { type: "rule-invalid", problems: [{ name: "dear", field: "expression" }] } };
  expect(await engine.createRule(create("dear", dear))).toMatchObject(refused);
  expect((await engine.checkRule({ id: id("dear"), ...source(dear) })).diagnostics).toMatchObject([{ severity: "ERROR" }]);
  const fact = { kind: "FACT", fact: { name: "dear", description: "", ...dear } } as const;
  expect(await engine.setItem(fact, by)).toMatchObject(refused);
});

test("what is asked only to see, or explained, or tried, is not told as decided", async () => {
  const decided: string[] = [];
  const engine = await engineOver(undefined, {}, (checks) => void decided.push(...checks.map(({ targetState }) => targetState)));
  await engine.createRule(create("cold"));
  await engine.check([sampleCheck], { ...options, promptOnly: false, isTrial: true });
  await engine.explain(sampleCheck, { ...options, ruleIds: [] });
  await engine.impact({ type: "activate", id: id("cold"), version: 1 }, [sampleCheck], options);
  expect(decided).toEqual([]);
  await engine.check([paused], { ...options, promptOnly: false });
  expect(decided).toEqual(["PAUSED"]);
});
