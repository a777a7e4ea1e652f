import { describe, expect, test } from "vitest";
import { err, ok } from "../../../src/kernel/result.ts";
import type { RuleRole } from "../../../src/predicate/core/types.ts";
import { createEngine, type Engine } from "../../../src/predicate/engine.ts";
import type { RuleStore } from "../../../src/predicate/ports.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../../src/storage/memory/rule-store.ts";
import { applying, by, create, described, engineOver, fact, id, request, source, testOf } from "../../support/engine-values.ts";
import { checkOf, sampleCheck, simpleEvaluator, verdictOf, verdictsOf } from "../../support/rule-values.ts";

/** Everything that the engine knows of the past. */
const historyOf = async (engine: Engine) => (await engine.changesAfter({ sequence: 0, limit: 1000 })).rows;

test("all checks of a call have the same now, whatever the clock does meanwhile", async () => {
  const engine = await engineOver();
  await engine.createRule(create("now", { expression: "false", message: "string(now)" }));
  await engine.activate({ id: id("now"), ...by });
  const question = { ...sampleCheck, atMs: undefined };
  const [first, second] = await verdictsOf(engine, question, question);
  expect(first).toMatchObject({ type: "rule-denied", violations: [{ message: expect.stringMatching(/^1970-01-01T/) }] });
  expect(second).toEqual(first);
});

test("the engine's clock is asked only if the check has no time", async () => {
  const engine = await engineOver();
  await engine.createRule(create("early", { expression: "now < timestamp('1970-01-02T00:00:00Z')" }));
  await engine.activate({ id: id("early"), ...by });
  expect((await verdictOf(engine))?.type).toBe("rule-denied");
  expect((await verdictOf(engine, { ...sampleCheck, atMs: undefined }))?.type).toBe("allowed");
});

describe("a rule judges while it is active, and each change of that adds 1 to the revision", () => {
  test("from draft to active to inactive and back", async () => {
    const engine = await engineOver();
    const verdicts = async () => {
      const all = await verdictsOf(engine, sampleCheck, checkOf({ targetState: "CREATED" }));
      return [all.map(({ type }) => type), all[0]?.ruleSetRevision];
    };
    await engine.createRule(create("cold"));
    expect(await verdicts()).toEqual([["allowed", "invalid-transition"], 0]);

    expect(await engine.activate({ id: id("cold"), ...by })).toMatchObject({
      ok: true,
      value: {
        ruleSetRevision: 1,
        rule: {
          version: { version: 1, createdAtMs: 1001, createdBy: "kurt" },
          standing: { state: "ACTIVE", activeVersion: 1, updatedAtMs: 1002, reason: "season", requestedBy: "kurt" },
        },
      },
    });
    expect(await verdicts()).toEqual([["rule-denied", "invalid-transition"], 1]);

    expect(await engine.deactivate({ id: id("cold"), ...by })).toMatchObject({
      ok: true,
      value: { ruleSetRevision: 2, rule: { standing: { state: "INACTIVE" } } },
    });
    expect(await verdicts()).toEqual([["allowed", "invalid-transition"], 2]);

    expect(await engine.activate({ id: id("cold"), ...by })).toMatchObject({ ok: true, value: { ruleSetRevision: 3 } });
    expect(await verdicts()).toEqual([["rule-denied", "invalid-transition"], 3]);
  });

  test("a new version judges when it is activated, the old one until then", async () => {
    const engine = await engineOver();
    await engine.createRule(create("cold"));
    await engine.activate({ id: id("cold"), ...by });
    const updated = await engine.updateRule(create("cold", { expression: "workflow.metadata.temperature < 9" }));
    expect(updated).toMatchObject({
      value: { ruleSetRevision: 1, rule: { version: { version: 2 }, standing: { activeVersion: 1 } } },
    });
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
    await engine.activate({ id: id("cold"), ...by });
    expect((await verdictOf(engine))?.type).toBe("allowed");
    await engine.activate({ id: id("cold"), version: 1, ...by });
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
  });

  test("changes that arrive together are made one after the other", async () => {
    const engine = await engineOver();
    const names = ["a", "b", "c", "d", "e"];
    await Promise.all(names.map((name) => engine.createRule(create(name))));
    const changes = await Promise.all(names.map((name) => engine.activate({ id: id(name), ...by })));
    expect(changes.map((result) => result.ok && result.value.ruleSetRevision)).toEqual([1, 2, 3, 4, 5]);
  });

  test("a rule and a version that are not there are not found", async () => {
    const engine = await engineOver();
    await engine.createRule(create("cold"));
    const none = err({ type: "rule-not-found", ruleId: "none", version: undefined });
    const command = { id: id("none"), ...by };
    for (const change of [engine.activate, engine.deactivate, engine.shadow, engine.deprecate, engine.deleteRule]) {
      expect(await change(command)).toEqual(none);
    }
    expect(await engine.updateRule(create("none"))).toEqual(none);
    const noVersion = err({ type: "rule-not-found", ruleId: "cold", version: 2 });
    expect(await engine.activate({ id: id("cold"), version: 2, ...by })).toEqual(noVersion);
    expect(await engine.shadow({ id: id("cold"), version: 2, ...by })).toEqual(noVersion);
  });
});

describe("what is not right is refused when it is written, and nothing is stored", () => {
  test.each([
    [
      { expression: "workflw.version > 1" },
      { type: "rule-invalid", problems: [{ field: "expression", error: { line: 1, column: 1 } }] },
    ],
    [{ message: "'a' +" }, { type: "rule-invalid", problems: [{ field: "message", error: { line: 1, column: 6 } }] }],
    [{ condition: "facts.warm" }, { type: "rule-invalid", problems: [{ field: "condition" }] }],
    [
      {
        moves: [
          { from: "ACTIVE" as const, to: undefined },
          { from: "CREATED" as const, to: "PAUSED" as const },
        ],
      },
      { type: "move-unknown", ruleId: "cold", field: "moves[1]" },
    ],
    [{ moves: [{ from: "COMPLETED" as const, to: undefined }] }, { type: "move-unknown", field: "moves[0]" }],
    [{ moves: [{ from: undefined, to: "CREATED" as const }] }, { type: "move-unknown", field: "moves[0]" }],
  ])("%j", async (changes, error) => {
    const engine = await engineOver();
    expect(await engine.createRule(create("cold", changes))).toMatchObject({ ok: false, error });
    expect(await engine.rule(id("cold"))).toBeUndefined();
    await engine.createRule(create("cold"));
    expect(await engine.updateRule(create("cold", changes))).toMatchObject({ ok: false, error });
    expect(await engine.rule(id("cold"))).toMatchObject({ version: { version: 1 } });
    const inSet = "field" in error ? { ...error, field: `rules[0].${error.field}` } : error;
    expect(await engine.apply(applying({ rules: [described("cold", changes)] }))).toMatchObject({ ok: false, error: inSet });
    expect(engine.ruleSetRevision()).toBe(0);
  });

  test("checkRule says the same, and stores nothing", async () => {
    const engine = await engineOver();
    const review = await engine.checkRule({
      id: id("cold"),
      ...source({ expression: "true\n\t&& workflw.version > 1", moves: [{ from: undefined, to: "CREATED" }] }),
    });
    expect(review.diagnostics).toMatchObject([
      { severity: "ERROR", field: "moves", position: undefined, snippet: "" },
      { severity: "ERROR", field: "expression", position: { line: 2, column: 5 }, snippet: expect.stringContaining("^") },
    ]);
    expect(await engine.rule(id("cold"))).toBeUndefined();
    expect(await engine.checkRule({ id: id("cold"), ...source({ expression: "true" }) })).toEqual({
      diagnostics: [
        {
          severity: "WARNING",
          field: "expression",
          position: undefined,
          message: 'rule "cold" is true for each of its moves: it never denies one',
          snippet: "",
          relatedRuleIds: [],
        },
      ],
      costMin: 1,
      costMax: 1,
    });
  });

  test("a fact cannot go, or mean something else, while what reads it would not be right", async () => {
    const engine = await engineOver();
    expect(await engine.setItem(fact("warm", "workflow.metadata.temperature > 5"), by)).toMatchObject({
      ok: true,
      value: { ruleSetRevision: 1, item: { kind: "FACT", fact: { name: "warm", version: 1 } } },
    });
    await engine.createRule(create("cold", { expression: "!facts.warm" }));
    await engine.activate({ id: id("cold"), ...by });
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
    expect(await engine.deleteItem({ kind: "FACT", name: "warm", ...by })).toMatchObject({
      ok: false,
      error: { type: "rule-invalid", problems: [{ kind: "RULE", name: "cold", field: "expression" }] },
    });
    expect(await engine.setItem(fact("warm", "facts.warm"), by)).toMatchObject({ ok: false, error: { type: "rule-invalid" } });
    expect(engine.ruleSetRevision()).toBe(2);
    await engine.setItem(fact("warm", "workflow.metadata.temperature > 50"), by);
    expect((await verdictOf(engine))?.type).toBe("allowed");
    await engine.deactivate({ id: id("cold"), ...by });
    expect(await engine.deleteItem({ kind: "FACT", name: "warm", ...by })).toEqual(ok({ ruleSetRevision: 5 }));
    expect(await engine.activate({ id: id("cold"), ...by })).toMatchObject({ ok: false, error: { type: "rule-invalid" } });
  });

  test("a part that is not there cannot be taken away", async () => {
    const engine = await engineOver();
    await engine.setItem(fact("warm", "true"), by);
    for (const [kind, name] of [
      ["TEST", "warm"],
      ["FACT", "cold"],
    ] as const) {
      expect(await engine.deleteItem({ kind, name, ...by })).toEqual(err({ type: "item-not-found", kind, name }));
    }
  });

  test("what was wrong before does not keep people from changing the rest", async () => {
    const store = createMemoryRuleStore();
    const before = await engineOver(store);
    await before.createRule(create("old"));
    await before.activate({ id: id("old"), ...by });
    // As if an older version of Concord had taken it.
    const broken: RuleStore = {
      ...store,
      load: async () => {
        const loaded = await store.load();
        const active = loaded.contents.active.map((rule) => (rule.id === "old" ? { ...rule, expression: "gone()" } : rule));
        return { ...loaded, contents: { ...loaded.contents, active } };
      },
    };
    const engine = await engineOver(broken);
    expect(await verdictOf(engine)).toMatchObject({
      type: "rule-denied",
      violations: [
        { message: 'rule "old" could not be evaluated: line 1, column 1: unknown function "gone"', evaluationFailed: true },
      ],
    });
    expect(await engine.createRule(create("new", { expression: "true" }))).toMatchObject({ ok: true });
    expect(await engine.activate({ id: id("new"), ...by })).toMatchObject({ ok: true });
    expect(await engine.deactivate({ id: id("old"), ...by })).toMatchObject({ ok: true });
    expect((await verdictOf(engine))?.type).toBe("allowed");
  });
});

describe("tests of the rule set run before a change takes effect", () => {
  test("a change that breaks one is refused, also when a rule is taken away; a rollback is not", async () => {
    const engine = await engineOver();
    await engine.createRule(create("cold"));
    await engine.activate({ id: id("cold"), ...by });
    expect(await engine.setItem({ kind: "TEST", test: testOf("warm is fine", "allowed") }, by)).toEqual(
      err({
        type: "tests-failed",
        failures: [{ name: "warm is fine", why: 'expected it to be allowed, but it was denied by "cold" (keep it cold)' }],
        total: 1,
      }),
    );
    expect(await engine.setItem({ kind: "TEST", test: testOf("warm is not", "rule-denied") }, by)).toMatchObject({ ok: true });
    const failed = { ok: false, error: { type: "tests-failed", total: 1, failures: [{ name: "warm is not" }] } };
    expect(await engine.deactivate({ id: id("cold"), ...by })).toMatchObject(failed);
    const tests = [testOf("warm is not", "rule-denied")];
    expect(await engine.apply(applying({ tests }))).toMatchObject(failed);
    expect(await engine.apply(applying({ tests, dryRun: true }))).toMatchObject(failed);
    expect(engine.ruleSetRevision()).toBe(2);
    expect(await engine.rollback({ revision: 0, dryRun: false, ...by })).toMatchObject({ ok: true, value: { revision: 3 } });
  });

  test.each([
    { what: "ends them", endsWithCaller: true },
    { what: "hears nothing of how they have ended", endsWithCaller: false },
  ])("whoever leaves meanwhile $what, and nothing is written", async ({ endsWithCaller }) => {
    const left = new AbortController();
    const turns = createTurns();
    const store = createMemoryRuleStore();
    const engine = await createEngine({
      store,
      clock: { nowMs: () => 1 },
      evaluator: simpleEvaluator,
      turns,
      runTests: async (_ruleSet, _tests, signal) => {
        left.abort(new Error("left"));
        if (endsWithCaller) signal.throwIfAborted();
        return [];
      },
    });
    await engine.createRule(create("cold"));
    const gone = engine.activate({ id: id("cold"), ...by, signal: left.signal });
    await expect(gone).rejects.toThrow("left");
    await expect(engine.activate({ id: id("cold"), ...by, signal: left.signal })).rejects.toThrow("left");
    expect(engine.ruleSetRevision()).toBe(0);
    expect(await store.load()).toMatchObject({ sequence: 1 });
  });
});

describe("a rule set that is applied", () => {
  const rules = [described("cold"), described("dry", { expression: "true" }, "SHADOW"), described("idea", {}, "DRAFT")];

  test("is so, whole, in one revision and one entry of the history; again it is no change", async () => {
    const engine = await engineOver();
    await engine.createRule(create("other"));
    await engine.activate({ id: id("other"), ...by });
    const facts = [{ name: "warm", description: "", expression: "true" }];
    const workflowTypes = [{ name: "sample", description: "", metadataSchema: { type: "object" } }];
    const tests = [testOf("it is denied", "rule-denied")];
    const wanted = applying({ rules, facts, workflowTypes, tests });
    const dry = await engine.apply({ ...wanted, dryRun: true });
    expect(await historyOf(engine)).toHaveLength(2);
    const applied = await engine.apply(wanted);
    expect(applied).toMatchObject({ ok: true, value: { sequence: 3, revision: 2, kind: "APPLIED" } });
    expect(dry).toMatchObject({ ok: true, value: { sequence: 0, revision: 2, kind: "APPLIED" } });
    const names = ({ differences }: { differences: readonly { before: unknown; after: unknown }[] }) =>
      differences.map(({ before, after }) => [before === undefined, after === undefined]);
    expect(dry.ok && applied.ok && names(dry.value)).toEqual(applied.ok && names(applied.value));
    expect(await historyOf(engine)).toMatchObject([{}, {}, applied.ok ? applied.value : {}]);
    expect(await engine.contents()).toMatchObject({
      revision: 2,
      active: [{ id: "cold", version: 1 }],
      shadow: [{ id: "dry", version: 1 }],
      facts: [{ name: "warm", version: 1 }],
      workflowTypes: [{ name: "sample", version: 1 }],
      tests: [{ name: "it is denied", version: 1 }],
    });
    const states = await Promise.all(
      ["cold", "dry", "idea", "other"].map(async (name) => (await engine.rule(id(name)))?.standing.state),
    );
    expect(states).toEqual(["ACTIVE", "SHADOW", "DRAFT", "INACTIVE"]);

    expect(await engine.apply(wanted)).toMatchObject({ ok: true, value: { sequence: 0, revision: 2, differences: [] } });
    expect(await historyOf(engine)).toHaveLength(3);
    expect(engine.changeSequence()).toBe(3);
  });

  test("takes a version that is kept, whichever says the same, and writes a new one otherwise", async () => {
    const engine = await engineOver();
    const texts = Array.from({ length: 60 }, (_, index) => `workflow.version < ${index}`);
    await engine.createRule(create("cold", { expression: texts[0] ?? "" }));
    for (const expression of texts.slice(1)) await engine.updateRule(create("cold", { expression }));
    const apply = (expression = "", role: RuleRole = "ACTIVE") =>
      engine.apply(applying({ rules: [described("cold", { expression }, role)] }));
    await apply(texts[2]);
    expect(await engine.rule(id("cold"))).toMatchObject({ standing: { latestVersion: 60, activeVersion: 3 } });
    await apply("workflow.version < 61");
    expect(await engine.rule(id("cold"))).toMatchObject({ standing: { latestVersion: 61, activeVersion: 61 } });
    expect(await apply(texts[1], "DRAFT")).toMatchObject({
      value: { differences: [{ before: { role: "ACTIVE" }, after: undefined }] },
    });
    expect(await engine.rule(id("cold"))).toMatchObject({ standing: { state: "INACTIVE", latestVersion: 61 } });
  });

  test("judges by a version, and keeps another one beside it", async () => {
    const engine = await engineOver();
    await engine.createRule(create("cold"));
    const both = (role: RuleRole, expression = "true") =>
      engine.apply(applying({ rules: [described("cold", { expression }, role), described("cold", { expression: "1 < 2" })] }));
    await both("SHADOW");
    expect(await engine.rule(id("cold"))).toMatchObject({ standing: { activeVersion: 2, shadowVersion: 3, latestVersion: 3 } });
    expect(await both("SHADOW", "1 < 2")).toEqual(err({ type: "duplicate", kind: "RULE", name: "cold" }));
    await both("DRAFT", "1 < 2");
    expect(await engine.rule(id("cold"))).toMatchObject({ standing: { activeVersion: 2, latestVersion: 3, state: "ACTIVE" } });
    await both("DRAFT", "1 < 3");
    expect(await engine.rule(id("cold"))).toMatchObject({ standing: { activeVersion: 2, latestVersion: 4 } });
  });

  test("takes a rule back that was given up, also as a draft", async () => {
    const engine = await engineOver();
    await engine.apply(applying({ rules: [described("cold")] }));
    await engine.apply(applying());
    const giveUp = () => engine.deprecate({ id: id("cold"), ...by });
    for (const [role, state] of [
      ["DRAFT", "INACTIVE"],
      ["ACTIVE", "ACTIVE"],
    ] as const) {
      await giveUp();
      await engine.apply(applying({ rules: [described("cold", {}, role)] }));
      expect((await engine.rule(id("cold")))?.standing.state).toBe(state);
    }
  });

  test("is refused if the caller has seen another, or if it is described twice", async () => {
    const engine = await engineOver();
    await engine.apply(applying({ rules }));
    expect(await engine.apply(applying({ expectedRevision: 0 }))).toEqual(
      err({ type: "revision-mismatch", expected: 0, current: 1 }),
    );
    expect(await engine.apply(applying({ rules: [...rules, ...rules] }))).toEqual(
      err({ type: "duplicate", kind: "RULE", name: "cold" }),
    );
    const warm = { name: "warm", description: "", expression: "true" };
    expect(await engine.apply(applying({ facts: [warm, warm] }))).toEqual(err({ type: "duplicate", kind: "FACT", name: "warm" }));
    expect(await engine.apply(applying({ expectedRevision: 1 }))).toMatchObject({ ok: true, value: { revision: 2 } });
  });
});

describe("a rollback", () => {
  test("makes the rule set what it was, in a new revision; what was not there yet judges no more", async () => {
    const engine = await engineOver();
    const cold = described("cold");
    await engine.apply(applying({ rules: [cold], facts: [{ name: "warm", description: "", expression: "true" }] }));
    await engine.apply(applying({ rules: [described("dry", { expression: "true" })] }));
    await engine.deprecate({ id: id("cold"), ...by });
    const dry = await engine.rollback({ revision: 1, dryRun: true, ...by });
    expect(dry).toMatchObject({ ok: true, value: { sequence: 0, revision: 3, kind: "ROLLED_BACK" } });
    expect(engine.ruleSetRevision()).toBe(2);
    const rolledBack = await engine.rollback({ revision: 1, dryRun: false, ...by });
    expect(rolledBack).toMatchObject({ ok: true, value: { sequence: 4, revision: 3 } });
    expect(await engine.contents()).toEqual({ ...(await engine.contents(1)), revision: 3 });
    expect((await engine.rule(id("dry")))?.standing.state).toBe("INACTIVE");
    expect((await engine.rule(id("cold")))?.standing.state).toBe("ACTIVE");
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
    expect(await engine.rollback({ revision: 1, dryRun: false, ...by })).toMatchObject({
      ok: true,
      value: { sequence: 0, revision: 3, differences: [] },
    });
  });

  test("to what never was is refused", async () => {
    const engine = await engineOver();
    expect(await engine.rollback({ revision: 3, dryRun: false, ...by })).toEqual(
      err({ type: "revision-not-found", revision: 3, newest: 0 }),
    );
    expect(await engine.contents(3)).toBeUndefined();
  });
});

describe("a request id makes a retry safe", () => {
  test("the first answer is given again, whatever happened since, also after a restart", async () => {
    const store = createMemoryRuleStore();
    const engine = await engineOver(store);
    const cold = { id: id("cold"), reason: "season", requestedBy: "kurt" };
    const commands: readonly ((each: Engine) => Promise<unknown>)[] = [
      (each) => each.createRule({ ...create("cold"), request: request("create") }),
      (each) => each.createRule({ ...create("idea"), request: request("create idea") }),
      (each) => each.deleteRule({ ...cold, id: id("idea"), request: request("delete") }),
      (each) => each.activate({ ...cold, request: request("activate") }),
      (each) => each.activate({ ...cold, request: request("activate again") }),
      (each) => each.updateRule({ ...create("cold", { expression: "true" }), request: request("update") }),
      (each) => each.shadow({ ...cold, version: 2, request: request("shadow") }),
      (each) => each.shadow({ ...cold, request: request("no shadow") }),
      (each) => each.deactivate({ ...cold, request: request("deactivate") }),
      (each) => each.deprecate({ ...cold, request: request("deprecate") }),
      (each) => each.setItem(fact("warm", "1"), { ...by, request: request("set") }),
      (each) => each.setItem(fact("warm", "1"), { ...by, request: request("set again") }),
      (each) => each.setItem(fact("warm", "2"), { ...by, request: request("set other") }),
      (each) => each.deleteItem({ kind: "FACT", name: "warm", ...by, request: request("delete item") }),
      (each) => each.apply(applying({ rules: [described("cold")], request: request("apply") })),
      (each) => each.apply(applying({ rules: [described("cold")], request: request("apply again") })),
      (each) => each.rollback({ revision: 1, dryRun: false, ...by, request: request("roll back") }),
      (each) => each.rollback({ revision: 1, dryRun: false, ...by, request: request("roll back again") }),
      (each) => each.rollback({ revision: 0, dryRun: false, ...by, request: request("roll back to nothing") }),
    ];
    const answers: unknown[] = [];
    for (const command of commands) answers.push(await command(engine));
    expect(answers.filter((answer) => (answer as { ok: boolean }).ok)).toHaveLength(commands.length);
    const history = await historyOf(engine);

    for (const each of [engine, await engineOver(store)]) {
      for (const [index, command] of commands.entries()) expect(await command(each)).toEqual(answers[index]);
      expect(await historyOf(each)).toEqual(history);
    }
  });

  test("with another request it is refused", async () => {
    const engine = await engineOver();
    await engine.createRule({ ...create("cold"), request: request("r1") });
    expect(await engine.createRule({ ...create("dry"), request: request("r1", "other") })).toEqual(
      err({ type: "request-id-reused", requestId: "r1" }),
    );
  });

  test("a dry run leaves it free", async () => {
    const engine = await engineOver();
    const wanted = applying({ rules: [described("cold")], request: request("r1") });
    await engine.apply({ ...wanted, dryRun: true });
    expect(await engine.apply({ ...wanted, request: request("r1", "other") })).toMatchObject({
      ok: true,
      value: { sequence: 1 },
    });
  });
});

describe("the store is the truth", () => {
  test("what was active judges after a restart", async () => {
    const store = createMemoryRuleStore();
    const before = await engineOver(store);
    await before.createRule(create("cold"));
    await before.activate({ id: id("cold"), ...by });
    const after = await engineOver(store);
    expect(await verdictOf(after)).toEqual(await verdictOf(before));
    expect((await verdictOf(after))?.type).toBe("rule-denied");
  });

  test("a change by another process is taken over before the next one", async () => {
    const store = createMemoryRuleStore();
    const [one, other] = [await engineOver(store), await engineOver(store)];
    await one.createRule(create("cold"));
    await one.activate({ id: id("cold"), ...by });
    expect((await verdictOf(other))?.type).toBe("allowed");
    await other.createRule(create("dry"));
    expect(await other.activate({ id: id("dry"), ...by })).toMatchObject({ ok: true, value: { ruleSetRevision: 2 } });
    expect((await verdictOf(other))?.type).toBe("rule-denied");
  });

  test("a change by another process in the middle of one is taken over, and the change decided anew", async () => {
    const store = createMemoryRuleStore();
    const other = await engineOver(store);
    let meanwhile: readonly (() => Promise<unknown>)[] = [
      () => other.createRule(create("cold")),
      () => other.activate({ id: id("cold"), ...by }),
    ];
    const disturbed = async () => {
      const [next, ...rest] = meanwhile;
      meanwhile = rest;
      await next?.();
    };
    const engine = await engineOver({
      ...store,
      rule: async (...key) => {
        await disturbed();
        return store.rule(...key);
      },
      apply: async (batch) => {
        await disturbed();
        return store.apply(batch);
      },
    });
    expect(await engine.createRule(create("dry"))).toMatchObject({ ok: true, value: { ruleSetRevision: 1, changeSequence: 3 } });
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
  });

  // Refused as a rule that exists, the retry would not know that the rule is its own.
  test("a request that another process has carried out in the middle of its retry has its first answer", async () => {
    const store = createMemoryRuleStore();
    const other = await engineOver(store);
    const wanted = { ...create("cold"), request: request("r1") };
    let first: Awaited<ReturnType<Engine["createRule"]>> | undefined;
    const engine = await engineOver({
      ...store,
      apply: async (batch) => {
        first ??= await other.createRule(wanted);
        return store.apply(batch);
      },
    });
    expect(await engine.createRule(wanted)).toEqual(first);
    expect(first).toMatchObject({ ok: true, value: { changeSequence: 1 } });
    expect(await historyOf(engine)).toHaveLength(1);
  });

  test("what is read of the store is not mixed with what was in memory before", async () => {
    const store = createMemoryRuleStore();
    const other = await engineOver(store);
    await other.createRule(create("cold"));
    let isDisturbed = false;
    const engine = await engineOver({
      ...store,
      rule: async (...key) => {
        if (!isDisturbed) await other.activate({ id: id("cold"), ...by });
        isDisturbed = true;
        return store.rule(...key);
      },
    });
    expect(await engine.updateRule(create("cold"))).toMatchObject({
      ok: true,
      value: { ruleSetRevision: 1, changeSequence: undefined, rule: { standing: { activeVersion: 1 } } },
    });
  });

  test("a rule set that another process has made is asked for by its revision", async () => {
    const store = createMemoryRuleStore();
    const [one, other] = [await engineOver(store), await engineOver(store)];
    await one.createRule(create("cold"));
    await one.activate({ id: id("cold"), ...by });
    const ask = (minRevision: number) =>
      other.check([sampleCheck], { signal: new AbortController().signal, promptOnly: false, minRevision });
    expect(await ask(0)).toMatchObject({ ok: true, value: [{ type: "allowed", ruleSetRevision: 0 }] });
    const both = await Promise.all([ask(1), ask(2)]);
    expect(both).toMatchObject([
      { ok: true, value: [{ type: "rule-denied", ruleSetRevision: 1 }] },
      { ok: false, error: { type: "revision-not-reached", wanted: 2, newest: 1 } },
    ]);
  });

  test("it is not waited for behind a change that takes long, and what that has made is not undone", async () => {
    const store = createMemoryRuleStore();
    const one = await engineOver(store);
    const testing = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const loading = Promise.withResolvers<void>();
    const other = await createEngine({
      store: {
        ...store,
        load: async () => {
          const loaded = await store.load();
          if (loaded.sequence > 0) await loading.promise;
          return loaded;
        },
      },
      clock: { nowMs: () => 1 },
      evaluator: simpleEvaluator,
      turns: createTurns(),
      runTests: async () => {
        asked.resolve();
        await testing.promise;
        return [];
      },
    });
    const options = { signal: new AbortController().signal, promptOnly: false };
    const slow = other.setItem(fact("warm", "true"), by);
    await asked.promise;
    await one.createRule(create("cold"));
    await one.activate({ id: id("cold"), ...by });
    const caughtUp = other.check([sampleCheck], { ...options, minRevision: 1 });
    loading.resolve();
    expect(await caughtUp).toMatchObject({ ok: true, value: [{ type: "rule-denied", ruleSetRevision: 1 }] });
    testing.resolve();
    // Decided upon what was before, it is decided anew.
    expect(await slow).toMatchObject({ ok: true, value: { ruleSetRevision: 2 } });
    expect((await other.contents())?.active).toHaveLength(1);
  });

  test("what was read slowly does not replace what is newer", async () => {
    const store = createMemoryRuleStore();
    const one = await engineOver(store);
    const reading = Promise.withResolvers<void>();
    const read = Promise.withResolvers<void>();
    let loads = 0;
    const other = await engineOver({
      ...store,
      load: async () => {
        const loaded = await store.load();
        loads += 1;
        if (loads === 2) {
          reading.resolve();
          await read.promise;
        }
        return loaded;
      },
    });
    await one.createRule(create("cold"));
    await one.activate({ id: id("cold"), ...by });
    const asked = other.check([sampleCheck], { signal: new AbortController().signal, promptOnly: false, minRevision: 1 });
    await reading.promise;
    expect(await other.setItem(fact("warm", "true"), by)).toMatchObject({ ok: true, value: { ruleSetRevision: 2 } });
    read.resolve();
    expect(await asked).toMatchObject({ ok: true, value: [{ ruleSetRevision: 2 }] });
    expect(other.changeSequence()).toBe(3);
  });

  test("what could not be written does not judge", async () => {
    const memory = createMemoryRuleStore();
    const failing = (failure: Awaited<ReturnType<RuleStore["apply"]>>): RuleStore => ({ ...memory, apply: async () => failure });
    await (await engineOver(memory)).createRule(create("cold"));
    const failures = [
      err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false } as const),
      err({ type: "storage-unavailable", cause: "I/O error", outcomeUnknown: true } as const),
      err({ type: "conflict", conflict: { type: "stale" } } as const),
    ];
    for (const failure of failures) {
      const engine = await engineOver(failing(failure));
      expect(await engine.activate({ id: id("cold"), ...by })).toMatchObject({
        ok: false,
        error: { type: "storage-unavailable" },
      });
      expect(await verdictOf(engine)).toMatchObject({ type: "allowed", ruleSetRevision: 0 });
    }
  });

  test("a write that was durable although it failed judges", async () => {
    const memory = createMemoryRuleStore();
    await (await engineOver(memory)).createRule(create("cold"));
    const engine = await engineOver({
      ...memory,
      apply: async (batch) => {
        await memory.apply(batch);
        return err({ type: "storage-unavailable", cause: "I/O error", outcomeUnknown: true });
      },
    });
    const wanted = { id: id("cold"), ...by, request: request("r1") };
    expect(await engine.activate(wanted)).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
    expect(await engine.activate(wanted)).toMatchObject({
      ok: true,
      value: { ruleSetRevision: 1, rule: { standing: { state: "ACTIVE" } } },
    });
  });

  test("what a repeated request is answered with judges, also where nobody knew that it was made", async () => {
    const memory = createMemoryRuleStore();
    await (await engineOver(memory)).createRule(create("cold"));
    const engine = await engineOver(memory);
    const wanted = { id: id("cold"), ...by, request: request("r1") };
    await (await engineOver(memory)).activate(wanted);
    expect((await verdictOf(engine))?.type).toBe("allowed");
    expect(await engine.activate(wanted)).toMatchObject({ ok: true, value: { ruleSetRevision: 1 } });
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
  });

  test("a store that throws does not block the changes after it", async () => {
    const memory = createMemoryRuleStore();
    let broken = true;
    const engine = await engineOver({
      ...memory,
      answer: async (requestId) => {
        if (broken) throw new Error("damaged page");
        return memory.answer(requestId);
      },
    });
    await expect(engine.createRule({ ...create("cold"), request: request("r1") })).rejects.toThrow("damaged page");
    broken = false;
    expect(await engine.createRule({ ...create("cold"), request: request("r1") })).toMatchObject({ ok: true });
  });
});

test("a set of rules that is too large is refused, and its parts can still be taken away", async () => {
  const engine = await engineOver(undefined, { drafts: 2, "active rules": 1 });
  await engine.createRule(create("a"));
  await engine.createRule(create("b"));
  expect(await engine.createRule(create("c"))).toEqual(err({ type: "rule-limit", what: "drafts", limit: 2 }));
  await engine.activate({ id: id("a"), ...by });
  expect(await engine.activate({ id: id("b"), ...by })).toEqual(err({ type: "rule-limit", what: "active rules", limit: 1 }));
  await engine.createRule(create("c"));
  expect(await engine.deactivate({ id: id("a"), ...by })).toMatchObject({ ok: true });
});
