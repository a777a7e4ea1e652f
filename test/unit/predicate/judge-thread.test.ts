import { afterEach, expect, test } from "vitest";
import type { RuleId } from "../../../src/kernel/ids.ts";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { explainCheck, explainedCostMax } from "../../../src/predicate/core/explain-check.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { callCostMax, checkCostMax } from "../../../src/predicate/core/limits.ts";
import type { RuleSet } from "../../../src/predicate/core/rule-set.ts";
import type { Check } from "../../../src/predicate/core/types.ts";
import { type JudgeThread, startJudgeThread } from "../../../src/predicate/judge-thread.ts";
import { checkOf, factOf, ruleOf, ruleSetOf, ruleSetWith, sampleCheck } from "../../support/rule-values.ts";
import { until } from "../../support/until.ts";

const threads: JudgeThread[] = [];

function start(): JudgeThread {
  const thread = startJudgeThread();
  threads.push(thread);
  return thread;
}

afterEach(async () => {
  await Promise.all(threads.map((thread) => thread.end()));
  threads.length = 0;
});

function onTheSpot(ruleSet: RuleSet, check: Check) {
  const purse = { left: checkCostMax };
  return { type: "judged", verdict: judge(ruleSet, check, purse), cost: checkCostMax - purse.left };
}

test("a thread judges as it would be judged on the spot, at the same cost", async () => {
  const thread = start();
  const rules = [
    ruleOf({
      id: "cold",
      expression: "workflow.metadata.temperature < 5",
      message: "'at ' + string(workflow.metadata.temperature)",
    }),
    ruleOf({ id: "odd", expression: "workflow.metadata.constructor.a == 1 && request.context['__proto__'] == 3", priority: 1 }),
  ];
  const set = ruleSetOf(1, ...rules);
  const metadata = JSON.parse('{"temperature": 9.5, "constructor": {"a": 1}, "__proto__": 2}') as JsonObject;
  for (const check of [sampleCheck, checkOf({ workflow: { metadata }, context: metadata })]) {
    expect(await thread.judge(set, check)).toEqual(onTheSpot(set, check));
  }
});

test("a check sees the rule set that it was asked with, however many came since", async () => {
  const thread = start();
  const sets = Array.from({ length: 10 }, (_, revision) =>
    ruleSetOf(revision, ruleOf({ id: "r", version: revision + 1, expression: String(revision % 2 === 0) })),
  );
  for (const set of sets) thread.prepare(set);
  for (const set of sets.toReversed()) expect(await thread.judge(set, sampleCheck)).toEqual(onTheSpot(set, sampleCheck));
});

test("a rule set that was only tried leaves nothing behind, though its versions have the numbers of others", async () => {
  const thread = start();
  const withFact = (text: string) =>
    ruleSetWith({ active: [ruleOf({ id: "r", expression: "facts.f" })], facts: [factOf("f", text)] });
  const tried = ruleSetOf(1, ruleOf({ id: "r", expression: "false" }));
  const warning = ruleSetOf(1, ruleOf({ id: "r", expression: "false", action: "WARN" }));
  const holding = ruleSetOf(1, ruleOf({ id: "r", expression: "true" }));
  for (const set of [tried, warning, holding, withFact("true"), withFact("false")]) {
    expect(await thread.judge(set, sampleCheck)).toEqual(onTheSpot(set, sampleCheck));
  }
});

test("a check is ended when nobody waits for it, and the thread goes on", async () => {
  const thread = start();
  const set = ruleSetOf(1, ruleOf({ id: "a", expression: "[1, 2].all(x, x > 0) || true" }));
  const judged = thread.judge(set, sampleCheck);
  thread.stop();
  expect(await judged).toMatchObject({ type: "ended", rule: 0 });
  expect(await thread.judge(set, sampleCheck)).toMatchObject({ type: "judged" });
});

test("a thread can be ended whatever it does", async () => {
  const thread = start();
  const set = ruleSetOf(1, ruleOf({ id: "a" }));
  const judged = thread.judge(set, sampleCheck);
  await thread.end();
  expect(await judged).toMatchObject({ type: "ended" });
  expect(thread.alive).toBe(false);
  expect(await thread.judge(set, sampleCheck)).toEqual({ type: "ended", rule: -1, cause: "the thread was ended" });
});

test("a thread explains beside the verdict, and counts what that costs", async () => {
  const thread = start();
  const set = ruleSetOf(1, ruleOf({ id: "cold", expression: "workflow.metadata.temperature < 5" }), ruleOf({ id: "other" }));
  const ids = ["cold" as RuleId];
  const purse = { left: explainedCostMax };
  const explanation = explainCheck(set, sampleCheck, ids, purse);
  const plain = onTheSpot(set, sampleCheck);
  const cost = plain.cost + explainedCostMax - purse.left;
  expect(await thread.judge(set, sampleCheck, ids)).toEqual({ ...plain, explanation, cost });
});

test("an explanation of the dearest rules costs less than a call may, and has its verdict", async () => {
  const thread = start();
  const items = `[${Array.from({ length: 120 }, (_, n) => n).join(",")}]`;
  const expression = `${items}.all(x, ${items}.all(y, x + y >= 0))`;
  const said = { expression: "false", message: `${expression} ? 'a' : 'b'`, condition: `${expression} || true` };
  const set = ruleSetOf(1, ...["a", "b", "c", "d"].map((id) => ruleOf({ id, expression })), ruleOf({ id: "e", ...said }));
  const judged = await thread.judge(set, sampleCheck, []);
  expect(judged).toMatchObject({ type: "judged", verdict: { type: "rule-denied" }, explanation: { omittedCount: 3 } });
  expect((judged as { readonly cost: number }).cost).toBeLessThan(callCostMax);
});

test("a check that is ended for what it costs has cost what a check may, and not more", async () => {
  const thread = start();
  const items = `[${Array.from({ length: 75 }, (_, n) => n).join(",")}]`;
  const dear = ["a", "b", "c", "d", "e", "f", "g", "h"].map((id) =>
    ruleOf({ id, expression: `${items}.all(x, ${items}.all(y, x + y >= 0))` }),
  );
  const judged = await thread.judge(ruleSetOf(1, ...dear), sampleCheck);
  expect(judged).toMatchObject({ type: "judged", verdict: { type: "rule-denied" }, cost: checkCostMax });
});

test("rules in shadow may cost a hundred times as much on a thread, and as much as is said", async () => {
  const thread = start();
  const items = `[${Array.from({ length: 30 }, (_, n) => n).join(",")}]`;
  const dear = ruleOf({ id: "dear", expression: `!${items}.all(x, ${items}.all(y, x + y >= 0))` });
  const set = ruleSetWith({ shadow: [dear] });
  expect(onTheSpot(set, sampleCheck)).toMatchObject({ verdict: { shadows: [], shadowsNotJudged: 1 } });
  expect(await thread.judge(set, sampleCheck)).toMatchObject({ verdict: { shadows: [{}], shadowsNotJudged: 0 } });
  const little = await thread.judge(set, sampleCheck, undefined, 3000);
  expect(little).toMatchObject({ verdict: { shadows: [], shadowsNotJudged: 1 } });
});

test("an explanation that is stopped has its verdict all the same, and what there is", async () => {
  const thread = start();
  const pairs = "workflow.metadata.numbers.all(x, workflow.metadata.numbers.all(y, x + y >= 0.0))";
  const numbers = Array.from({ length: 40 }, (_, index) => index);
  const set = ruleSetOf(1, ...Array.from({ length: 10 }, (_, index) => ruleOf({ id: `pairs-${index}`, expression: pairs })));
  const check = checkOf({ workflow: { metadata: { numbers } } });
  let isAnswered = false;
  const judged = thread.judge(set, check, []).finally(() => {
    isAnswered = true;
  });
  // It is judged, up to the last rule, and then explained from the first one on.
  await until(() => isAnswered || thread.rule === 9, "it has come to the last rule");
  await until(() => isAnswered || thread.rule !== 9, "it has begun to explain");
  thread.stop();
  const told = await judged;
  expect(told).toMatchObject({ type: "judged", verdict: { type: "allowed" } });
  const { rules = [], omittedCount = 0 } = told.type === "judged" ? (told.explanation ?? {}) : {};
  expect(rules.length + omittedCount).toBe(10);
});
