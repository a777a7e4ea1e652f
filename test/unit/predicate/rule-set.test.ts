import { describe, expect, test } from "vitest";
import { lastOf } from "../../../src/predicate/core/compile-rule.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { checkCostMax } from "../../../src/predicate/core/limits.ts";
import { compileContents, type RuleSet } from "../../../src/predicate/core/rule-set.ts";
import type { Findings } from "../../../src/predicate/core/types.ts";
import { metadataViolations } from "../../../src/predicate/core/workflow-types.ts";
import { checkOf, contentsOf, factOf, ruleOf, ruleSetOf, ruleSetWith, sampleCheck } from "../../support/rule-values.ts";

const idsOf = (violations: readonly { readonly ruleId: string }[] = []) => violations.map(({ ruleId }) => ruleId);

function found(set: RuleSet, check = sampleCheck) {
  const verdict = judge(set, check);
  if (verdict.type !== "allowed" && verdict.type !== "rule-denied") throw new Error(verdict.type);
  const denied = verdict.type === "rule-denied" ? verdict.violations : [];
  return { denied: idsOf(denied), warned: idsOf(verdict.warnings), audited: idsOf(verdict.audits), shadows: verdict.shadows };
}

describe("actions", () => {
  const no = (id: string, action: "DENY" | "WARN" | "AUDIT", expression = "false") => ruleOf({ id, action, expression });

  test("only DENY refuses; what warns and audits is told beside it, or alone", () => {
    const [warn, audit] = [no("warn", "WARN"), no("audit", "AUDIT")];
    expect(judge(ruleSetOf(1, warn, audit), sampleCheck).type).toBe("allowed");
    expect(found(ruleSetOf(1, warn, audit))).toMatchObject({ warned: ["warn"], audited: ["audit"] });
    expect(found(ruleSetOf(1, audit, warn, no("deny", "DENY")))).toMatchObject({
      denied: ["deny"],
      warned: ["warn"],
      audited: ["audit"],
    });
  });

  test("of those with one action, the highest priority first, then by their names, whatever the order in which they stand", () => {
    const rules = [
      ["b", 0],
      ["a", 0],
      ["z", 5],
      ["y", -1],
      ["x", 7],
    ].map(([id, priority]) => ({
      ...no(String(id), "DENY"),
      priority: Number(priority),
    }));
    for (const standing of [rules, rules.toReversed()]) {
      expect(found(ruleSetOf(1, ...standing)).denied).toEqual(["x", "z", "a", "b", "y"]);
    }
  });

  test("what costs too much names the rule that has taken most of it", () => {
    const items = `[${Array.from({ length: 75 }, (_, n) => n).join(",")}]`;
    const dear = `${items}.all(x, ${items}.all(y, x + y >= 0))`;
    const cheap = no("a", "DENY", "true");
    const less = no("d", "DENY", `${items}.all(x, x >= 0)`);
    const rules = ["b", "c", "e", "f", "g"].map((id, at) =>
      no(id, "DENY", at === 1 ? `${dear} && ${items}.all(z, z >= 0)` : dear),
    );
    const { violations } = judge(ruleSetOf(1, cheap, less, ...rules), sampleCheck) as {
      violations: readonly { message: string }[];
    };
    expect(violations.map(({ message }) => message)).toEqual([expect.stringMatching(/units together, most of it rule "c"$/)]);
  });

  test("a check may cost all that is in the purse, and no more", () => {
    const set = ruleSetOf(1, no("a", "DENY", "workflow.metadata.temperature < 8"));
    const purse = { left: checkCostMax };
    judge(set, sampleCheck, purse);
    const cost = checkCostMax - purse.left;
    expect(judge(set, sampleCheck, { left: cost })).toMatchObject({ type: "allowed" });
    expect(judge(set, sampleCheck, { left: cost - 0.01 })).toMatchObject({ type: "rule-denied" });
  });

  test("a rule that warns and cannot be evaluated warns", () => {
    expect(found(ruleSetOf(1, no("warn", "WARN", "workflow.metadata.missing")))).toMatchObject({ denied: [], warned: ["warn"] });
  });

  test("one that denies is asked first, whatever its priority, so that dear ones that only warn cannot hide it", () => {
    const items = `[${Array.from({ length: 75 }, (_, n) => n).join(",")}]`;
    const dear = Array.from({ length: 8 }, (_, n) =>
      ruleOf({ id: `dear-${n}`, action: "WARN", priority: 9, expression: `${items}.all(x, ${items}.all(y, x + y >= 0))` }),
    );
    expect(found(ruleSetOf(1, ...dear, no("deny", "DENY")))).toMatchObject({ denied: ["deny"] });
  });
});

describe("scope", () => {
  const cold = ruleOf({ id: "cold", workflowTypes: ["sample", "reagent"], expression: "false" });
  const any = ruleOf({ id: "any", expression: "false" });

  test.each([
    ["sample", ["any", "cold"]],
    ["reagent", ["any", "cold"]],
    ["order", ["any"]],
    ["", ["any"]],
  ])("a rule with types applies to workflows of these only: %j", (type, denied) => {
    expect(found(ruleSetOf(1, cold, any), checkOf({ workflow: { type } })).denied).toEqual(denied);
  });

  test("a rule whose condition is false does not apply; one whose condition fails could not be evaluated", () => {
    const rule = (condition: string) => ruleSetOf(1, ruleOf({ condition, expression: "false" }));
    expect(found(rule("workflow.metadata.temperature > 8")).denied).toEqual([]);
    expect(found(rule("workflow.metadata.temperature < 8")).denied).toEqual(["rule"]);
    expect(judge(rule("workflow.metadata.missing == 1"), sampleCheck)).toMatchObject({
      violations: [{ evaluationFailed: true, message: expect.stringContaining("its condition: line 1, column 19") }],
    });
  });
});

test("what is wrong is told in order: the active rules, then those in shadow", () => {
  const wrong = (id: string) => ruleOf({ id, expression: "tru" });
  const { problems } = lastOf(compileContents(contentsOf({ active: [wrong("b")], shadow: [wrong("a")] })));
  expect(problems.map(({ name }) => name)).toEqual(["b", "a"]);
});

test("each step compiles one expression, or one schema: whoever waits meanwhile waits for one", () => {
  const written = { version: 1, description: "", createdAtMs: 1, createdBy: "lab" };
  const contents = contentsOf({
    workflowTypes: ["sample", "reagent"].map((name) => ({ ...written, name, metadataSchema: { properties: { [name]: {} } } })),
    facts: [factOf("a", "1"), factOf("b", "facts.a")],
    active: [ruleOf({ id: "short", condition: "", expression: "true", message: "" })],
    shadow: [
      ruleOf({ id: "long", condition: "true", expression: "true", message: "'no'", workflowTypes: ["sample", "reagent"] }),
    ],
  });
  const steps = compileContents(contents);
  let count = 0;
  while (!steps.next().done) count += 1;
  // What is for two types is compiled for each.
  expect(count).toBe(2 + 2 + 1 + 2 * 3);
});

describe("facts", () => {
  const facts = [factOf("warm", "workflow.metadata.temperature > 5"), factOf("bad", "facts.warm && !facts.passed")];
  const passed = factOf("passed", "workflow.metadata.qc.passed");

  test("rules and facts read them by name, in whatever order they stand", () => {
    const active = [ruleOf({ id: "a", expression: "!facts.warm" }), ruleOf({ id: "b", expression: "!facts.bad" })];
    expect(found(ruleSetWith({ facts: [...facts, passed], active })).denied).toEqual(["a"]);
  });

  test("an error of a fact is one of the rule that reads it, where that needs it", () => {
    const missing = factOf("missing", "workflow.metadata.humidity > 1");
    const rule = (expression: string) => ruleSetWith({ facts: [missing], active: [ruleOf({ expression })] });
    expect(judge(rule("facts.missing"), sampleCheck)).toMatchObject({
      violations: [
        {
          evaluationFailed: true,
          message: expect.stringContaining('fact "missing", line 1, column 19: field not found: humidity'),
        },
      ],
    });
    expect(found(rule("facts.missing || true")).denied).toEqual([]);
  });

  test("each is evaluated once for a check, at the cost of the rule that reads it first", () => {
    const cost = (...expressions: string[]) => {
      const active = expressions.map((expression, index) => ruleOf({ id: `rule-${index}`, expression }));
      const verdict = judge(ruleSetWith({ facts: [factOf("sum", "[1,2,3,4,5,6,7,8].all(x, x > 0)")], active }), sampleCheck);
      return verdict.type === "allowed" ? verdict.cost : Number.NaN;
    };
    const [plain, once, twice] = [cost("true"), cost("facts.sum"), cost("facts.sum", "facts.sum")];
    expect(once - plain).toBeGreaterThan(30);
    expect(twice - once).toBeLessThan(5);
  });

  test("what one rule could not pay for is evaluated anew for the next", () => {
    const items = `[${Array.from({ length: 75 }, (_, n) => n).join(",")}]`;
    const dear = factOf("dear", `${items}.all(x, ${items}.all(y, x + y >= 0))`);
    const active = [
      ruleOf({ id: "a", expression: `${items}.all(x, ${items}.all(y, x + y >= 0)) && facts.dear`, priority: 1 }),
      ruleOf({ id: "b", expression: "facts.dear" }),
    ];
    expect(judge(ruleSetWith({ facts: [dear], active }), sampleCheck)).toMatchObject({
      violations: [{ ruleId: "a", evaluationFailed: true }],
    });
  });

  test("where there are none, the word means nothing", () => {
    for (const expression of ["facts.warm", "facts == 1"]) {
      const { problems } = lastOf(compileContents(contentsOf({ active: [ruleOf({ expression })] })));
      expect(problems).toMatchObject([
        { error: { message: expect.stringMatching(/^unknown variable "facts"; known: workflow, /) } },
      ]);
    }
  });

  test("a circle, a name that is none, and a fact that does not compile are problems, and whoever reads them does not hold", () => {
    const contents = contentsOf({
      facts: [factOf("a", "facts.b"), factOf("b", "facts.c"), factOf("c", "facts.a"), factOf("d", "gone()"), factOf("e", "1")],
      active: [ruleOf({ expression: "facts.d == 1" }), ruleOf({ id: "other", expression: "facts.none" })],
    });
    const { ruleSet, problems } = lastOf(compileContents(contents));
    expect(problems).toMatchObject([
      { kind: "FACT", name: "d", error: { message: 'unknown function "gone"' } },
      { kind: "FACT", name: "a", error: { message: expect.stringContaining("circle: a → b → c → a") } },
      { kind: "FACT", name: "b", error: { message: expect.stringContaining("circle: b → c → a → b") } },
      { kind: "RULE", name: "other", error: { message: expect.stringContaining('unknown field "none"') } },
    ]);
    expect(judge(ruleSet, sampleCheck)).toMatchObject({
      violations: [{ ruleId: "other" }, { ruleId: "rule", message: expect.stringContaining('fact "d" does not compile') }],
    });
  });

  test("so is a schema that is none, and it takes no metadata", () => {
    const written = { version: 3, description: "", createdAtMs: 1, createdBy: "lab" };
    const contents = contentsOf({ workflowTypes: [{ ...written, name: "sample", metadataSchema: { type: "dict" } }] });
    const { ruleSet, problems } = lastOf(compileContents(contents));
    const message = '#/type: there is no type "dict"; write object';
    expect(problems).toEqual([
      {
        kind: "WORKFLOW_TYPE",
        name: "sample",
        version: 3,
        field: "metadata_schema",
        error: { line: 1, column: 1, message, snippet: "", others: [] },
      },
    ]);
    expect(metadataViolations(ruleSet.workflowTypes, "sample", {})).toMatchObject([{ path: "metadata" }]);
  });

  test.each([
    "facts == {}",
    "size(facts) == 0",
    "facts.exists(name, name == 'warm')",
    "facts[request.reason]",
    "request.reason in facts",
    "dyn(facts) == 1",
    "[1].all(x, facts == {})",
  ])("they are no map: %s", (expression) => {
    const contents = contentsOf({ facts: [factOf("warm", "true")], active: [ruleOf({ expression })] });
    expect(lastOf(compileContents(contents)).problems).toMatchObject([
      { name: "rule", error: { message: "facts are read one by one, by name: facts.<name>" } },
    ]);
  });

  test.each([
    "facts.warm",
    "facts['warm']",
    "facts.?warm.orValue(false)",
    "facts[?'warm'].value()",
    "has(facts.warm)",
    "[true].all(facts, facts)",
  ])("each has its name, however it is written: %s", (expression) => {
    const [fact, reader] = [factOf("warm", "true"), factOf("a", expression)];
    expect(found(ruleSetWith({ facts: [reader, fact], active: [ruleOf({ expression: "facts.a" })] })).denied).toEqual([]);
  });

  test("a fact that changes is another one for the rules that read it", () => {
    const active = [ruleOf({ expression: "facts.yes" })];
    const before = ruleSetWith({ facts: [factOf("yes", "true")], active });
    expect(found(before).denied).toEqual([]);
    expect(found(ruleSetWith({ facts: [factOf("yes", "false", 2)], active }, before)).denied).toEqual(["rule"]);
    expect(ruleSetWith({ facts: before.contents.facts, active }, before).compiled.get(active[0] as never)).toBe(
      before.compiled.get(active[0] as never),
    );
  });
});

describe("rules in shadow", () => {
  const holds = ruleOf({ expression: "true" });
  const denies = ruleOf({ expression: "false", message: "'no'" });
  const second = (rule: typeof holds, changes = {}) => ({ ...rule, version: 2, ...changes });

  test("decide nothing, and are told where they say otherwise", () => {
    expect(found(ruleSetWith({ active: [holds], shadow: [second(denies)] }))).toMatchObject({
      denied: [],
      shadows: [{ ruleId: "rule", activeVersion: 1, shadowVersion: 2, violation: { message: "no" } }],
    });
    expect(found(ruleSetWith({ active: [denies], shadow: [second(holds)] }))).toMatchObject({
      denied: ["rule"],
      shadows: [{ ruleId: "rule", activeVersion: 1, shadowVersion: 2, violation: undefined }],
    });
  });

  test.each([
    ["both hold", [holds], second(holds), 0],
    ["both do not", [denies], second(denies), 0],
    ["both do not, with another action", [denies], second(denies, { action: "WARN" }), 1],
    ["it is not active, and does not hold", [], second(denies), 1],
    ["it is not active, and holds", [], second(holds), 0],
    ["it does not apply, and the active one denies", [denies], second(denies, { workflowTypes: ["other"] }), 1],
    ["it does not apply, and the active one holds", [holds], second(denies, { workflowTypes: ["other"] }), 0],
    [
      "neither applies",
      [ruleOf({ expression: "false", moves: [{ from: "PAUSED", to: undefined }] })],
      second(denies, { workflowTypes: ["other"] }),
      0,
    ],
  ])("%s", (_name, active, shadow, differences) => {
    expect(found(ruleSetWith({ active, shadow: [shadow] })).shadows).toHaveLength(differences);
  });

  const pairs = (count: number) => {
    const items = `[${Array.from({ length: count }, (_, n) => n).join(",")}]`;
    return `${items}.all(x, ${items}.all(y, x + y >= 0))`;
  };
  const [dear, dearest] = [pairs(40), pairs(90)];

  test("have a purse of their own, and cost the check nothing", () => {
    const shadow = [ruleOf({ id: "dear", expression: dear }), second(denies)];
    const [alone, beside] = [ruleSetWith({ active: [holds] }), ruleSetWith({ active: [holds], shadow })];
    const { cost } = judge(alone, sampleCheck) as { readonly cost: number };
    expect(judge(beside, sampleCheck)).toMatchObject({ type: "allowed", cost });
  });

  test("that would cost more than they may are counted, differ in nothing, and take nothing from cheaper ones", () => {
    const shadow = [
      ruleOf({ id: "a", expression: "false" }),
      ...["dear-1", "dear-2", "dear-3"].map((id) => ruleOf({ id, expression: dear })),
      ruleOf({ id: "said", expression: "false", message: `${dear} ? 'no' : ''` }),
      ruleOf({ id: "z", expression: "false" }),
    ];
    const verdict = judge(ruleSetWith({ active: [holds], shadow }), sampleCheck);
    expect(verdict).toMatchObject({ shadows: [{ ruleId: "a" }, { ruleId: "z" }], shadowsNotJudged: 4 });
    const more = judge(ruleSetWith({ active: [holds], shadow }), sampleCheck, { left: checkCostMax, shadowsMax: 150_000 });
    expect(more).toMatchObject({ shadows: [{ ruleId: "a" }, { ruleId: "said" }, { ruleId: "z" }], shadowsNotJudged: 0 });
  });

  test("share what they may cost: each may cost what those before it have left", () => {
    const some = pairs(11);
    const compiled = ruleSetWith({ shadow: ["a", "b", "c"].map((id) => ruleOf({ id, expression: `!(${some})` })) });
    const { cost } = judge(ruleSetWith({ active: [ruleOf({ expression: `!(${some})` })] }), sampleCheck) as { cost: number };
    for (const [shadowsMax, judged] of [
      [cost - 10, 0],
      [cost + 10, 1],
      [2 * cost + 10, 2],
      [3 * cost + 10, 3],
    ] as const) {
      const { shadows, shadowsNotJudged } = judge(compiled, sampleCheck, { left: checkCostMax, shadowsMax }) as Findings;
      expect([shadows.length, shadowsNotJudged]).toEqual([judged, 3 - judged]);
    }
  });

  test("may cost all that there is", () => {
    const set = ruleSetWith({ shadow: [ruleOf({ expression: "false" })] });
    const said = (shadowsMax: number) => judge(set, sampleCheck, { left: checkCostMax, shadowsMax });
    expect(said(1)).toMatchObject({ shadows: [{ ruleId: "rule" }], shadowsNotJudged: 0 });
    expect(said(0.5)).toMatchObject({ shadows: [], shadowsNotJudged: 1 });
  });

  test("that are too dear end: however many they are, less than three times what all may cost is spent", () => {
    let asked = 0;
    const stopped = (): boolean => {
      asked += 1;
      return false;
    };
    const asks = (count: number): number => {
      const shadow = Array.from({ length: count }, (_, n) => ruleOf({ id: `dear-${n}`, expression: dearest }));
      asked = 0;
      judge(ruleSetWith({ shadow }), sampleCheck, { left: checkCostMax, shadowsMax: 10_000, stopped });
      return asked;
    };
    const once = asks(1);
    expect(once).toBeGreaterThan(100);
    expect(asks(100)).toBeLessThan(3 * once);
  });

  test("are not judged beside rules that have cost too much", () => {
    const active = ["a", "b", "c"].map((id) => ruleOf({ id, expression: dearest }));
    const set = ruleSetWith({ active, shadow: [ruleOf({ id: "z", expression: "false" })] });
    expect(judge(set, sampleCheck)).toMatchObject({ type: "rule-denied", shadows: [], shadowsNotJudged: 1 });
  });
});
