import { describe, expect, test } from "vitest";
import type { RequestId, RuleId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { type ChangeRule, type CreateRule, createEngine } from "../../../src/predicate/engine.ts";
import type { RuleStore } from "../../../src/predicate/ports.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../../src/storage/memory/rule-store.ts";
import { checkOf, ruleOf, sampleCheck, simpleEvaluator, verdictOf, verdictsOf } from "../../support/rule-values.ts";

function command(id: string, changes: Partial<CreateRule> = {}): CreateRule {
  return {
    id: id as RuleId,
    description: "keep it cold",
    moves: [],
    expression: "workflow.metadata.temperature < 5",
    message: "",
    priority: 0,
    reason: "policy 4",
    requestedBy: "ada",
    request: undefined,
    ...changes,
  };
}

function change(id: string, changes: Partial<ChangeRule> = {}): ChangeRule {
  return { id: id as RuleId, reason: "season", requestedBy: "kurt", request: undefined, ...changes };
}

const request = (id: string, digest = "digest") => ({ id: id as RequestId, digest });

async function engineOver(store: RuleStore = createMemoryRuleStore(), ruleCountMax = 1000) {
  let nowMs = 1000;
  return createEngine({
    store,
    clock: { nowMs: () => ++nowMs },
    evaluator: simpleEvaluator,
    turns: createTurns(),
    limits: { ruleCountMax },
  });
}

test("all checks of a call have the same now, whatever the clock does meanwhile", async () => {
  const engine = await engineOver();
  await engine.createRule(command("now", { expression: "false", message: "string(now)" }));
  await engine.activate(change("now"));
  const question = { ...sampleCheck, atMs: undefined };
  const [first, second] = await verdictsOf(engine, question, question);
  expect(first).toMatchObject({ type: "rule-denied", violations: [{ message: expect.stringMatching(/^1970-01-01T/) }] });
  expect(second).toEqual(first);
});

describe("a rule judges while it is active, and each change of that adds 1 to the revision", () => {
  test("from draft to active to inactive and back", async () => {
    const engine = await engineOver();
    const verdicts = async () => {
      const all = await verdictsOf(engine, sampleCheck, checkOf({ targetState: "CREATED" }));
      return [all.map(({ type }) => type), all[0]?.ruleSetRevision];
    };

    await engine.createRule(command("cold"));
    expect(await verdicts()).toEqual([["allowed", "invalid-transition"], 0]);

    expect(await engine.activate(change("cold"))).toMatchObject({
      ok: true,
      value: {
        ruleSetRevision: 1,
        rule: { state: "ACTIVE", version: 1, createdAtMs: 1001, updatedAtMs: 1002, reason: "season", requestedBy: "kurt" },
      },
    });
    expect(await verdicts()).toEqual([["rule-denied", "invalid-transition"], 1]);

    expect(await engine.deactivate(change("cold"))).toMatchObject({
      ok: true,
      value: { ruleSetRevision: 2, rule: { state: "INACTIVE" } },
    });
    expect(await verdicts()).toEqual([["allowed", "invalid-transition"], 2]);

    expect(await engine.activate(change("cold"))).toMatchObject({ ok: true, value: { ruleSetRevision: 3 } });
    expect(await verdicts()).toEqual([["rule-denied", "invalid-transition"], 3]);
  });

  test("what is so already is no change", async () => {
    const engine = await engineOver();
    await engine.createRule(command("cold"));
    const activated = await engine.activate(change("cold"));
    expect(await engine.activate(change("cold", { reason: "again" }))).toEqual(activated);
    const deactivated = await engine.deactivate(change("cold"));
    expect(await engine.deactivate(change("cold", { reason: "again" }))).toEqual(deactivated);
  });

  test("not from every state", async () => {
    const store = createMemoryRuleStore();
    const old = ruleOf({ id: "old", state: "DEPRECATED" });
    await store.apply({ rule: old, expected: "absent", revision: { expected: 0, next: 0 } });
    const engine = await engineOver(store);
    await engine.createRule(command("cold"));
    expect(await engine.deactivate(change("cold"))).toEqual(err({ type: "rule-state", ruleId: "cold", state: "DRAFT" }));
    expect(await engine.activate(change("old"))).toEqual(err({ type: "rule-state", ruleId: "old", state: "DEPRECATED" }));
    expect(await engine.deactivate(change("old"))).toEqual(err({ type: "rule-state", ruleId: "old", state: "DEPRECATED" }));
    expect(await engine.activate(change("none"))).toEqual(err({ type: "rule-not-found", ruleId: "none" }));
  });

  test("changes that arrive together are made one after the other", async () => {
    const engine = await engineOver();
    const names = ["a", "b", "c", "d", "e"];
    await Promise.all(names.map((name) => engine.createRule(command(name))));
    const changes = await Promise.all(names.map((name) => engine.activate(change(name))));
    expect(changes.map((result) => result.ok && result.value.ruleSetRevision)).toEqual([1, 2, 3, 4, 5]);
  });

  test("the engine's clock is asked only if the check has no time", async () => {
    const engine = await engineOver();
    await engine.createRule(command("early", { expression: "now < timestamp('1970-01-02T00:00:00Z')" }));
    await engine.activate(change("early"));
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
    expect((await verdictOf(engine, { ...sampleCheck, atMs: undefined }))?.type).toBe("allowed");
  });
});

describe("a rule is refused when it is written", () => {
  test.each([
    [{ expression: "workflw.version > 1" }, { type: "rule-invalid", error: { field: "expression", line: 1, column: 1 } }],
    [{ message: "'a' +" }, { type: "rule-invalid", error: { field: "message", line: 1, column: 6 } }],
    [
      {
        moves: [
          { from: "ACTIVE" as const, to: undefined },
          { from: "CREATED" as const, to: "PAUSED" as const },
        ],
      },
      { type: "move-unknown", index: 1 },
    ],
    [{ moves: [{ from: "COMPLETED" as const, to: undefined }] }, { type: "move-unknown", index: 0 }],
    [{ moves: [{ from: undefined, to: "CREATED" as const }] }, { type: "move-unknown", index: 0 }],
  ])("%j", async (changes, error) => {
    const engine = await engineOver();
    expect(await engine.createRule(command("cold", changes))).toMatchObject({ ok: false, error });
    expect(engine.getRule("cold" as RuleId)).toBeUndefined();
  });

  test("when its name is taken, or there are too many", async () => {
    const engine = await engineOver(createMemoryRuleStore(), 1);
    await engine.createRule(command("cold"));
    expect(await engine.createRule(command("cold"))).toEqual(err({ type: "rule-exists", ruleId: "cold" }));
    expect(await engine.createRule(command("dry"))).toEqual(err({ type: "rule-limit", limit: 1 }));
  });
});

describe("a request id makes a retry safe", () => {
  test("the first answer is given again, whatever happened since", async () => {
    const store = createMemoryRuleStore();
    const engine = await engineOver(store);
    const created = await engine.createRule(command("cold", { request: request("r1") }));
    const activated = await engine.activate(change("cold", { request: request("r2") }));
    const unchanged = await engine.activate(change("cold", { request: request("r3") }));
    await engine.deactivate(change("cold"));

    for (const each of [engine, await engineOver(store)]) {
      expect(await each.createRule(command("cold", { request: request("r1") }))).toEqual(created);
      expect(await each.activate(change("cold", { request: request("r2") }))).toEqual(activated);
      expect(await each.activate(change("cold", { request: request("r3") }))).toEqual(unchanged);
      expect(each.getRule("cold" as RuleId)?.state).toBe("INACTIVE");
      expect((await verdictOf(each))?.ruleSetRevision).toBe(2);
    }
  });

  test("with another request it is refused", async () => {
    const engine = await engineOver();
    await engine.createRule(command("cold", { request: request("r1") }));
    expect(await engine.createRule(command("dry", { request: request("r1", "other") }))).toEqual(
      err({ type: "request-id-reused", requestId: "r1" }),
    );
  });
});

describe("the store is the truth", () => {
  test("what was active judges after a restart", async () => {
    const store = createMemoryRuleStore();
    const before = await engineOver(store);
    await before.createRule(command("cold"));
    await before.activate(change("cold"));
    const after = await engineOver(store);
    expect(await verdictOf(after)).toEqual(await verdictOf(before));
    expect((await verdictOf(after))?.type).toBe("rule-denied");
  });

  test("an active rule that does not compile any more denies", async () => {
    const store = createMemoryRuleStore();
    const rule = ruleOf({ id: "old", expression: "gone()" });
    await store.apply({ rule, expected: "absent", revision: { expected: 0, next: 1 } });
    expect(await verdictOf(await engineOver(store))).toMatchObject({
      type: "rule-denied",
      violations: [
        { message: 'rule "old" could not be evaluated: line 1, column 1: unknown function "gone"', evaluationFailed: true },
      ],
    });
  });

  test("a change by another process is noticed when writing, and taken over", async () => {
    const store = createMemoryRuleStore();
    const [one, other] = [await engineOver(store), await engineOver(store)];
    await one.createRule(command("cold"));
    await one.activate(change("cold"));
    expect((await verdictOf(other))?.type).toBe("allowed");
    await other.createRule(command("dry"));
    expect(await other.activate(change("dry"))).toMatchObject({ ok: true, value: { ruleSetRevision: 2 } });
    expect((await verdictOf(other))?.type).toBe("rule-denied");
  });

  test("what could not be written does not judge", async () => {
    const memory = createMemoryRuleStore();
    const failing = (failure: Awaited<ReturnType<RuleStore["apply"]>>): RuleStore => ({ ...memory, apply: async () => failure });
    await (await engineOver(memory)).createRule(command("cold"));
    const failures = [
      err({ type: "storage-unavailable", cause: "disk full", outcomeUnknown: false } as const),
      err({ type: "storage-unavailable", cause: "I/O error", outcomeUnknown: true } as const),
      err({ type: "conflict", conflict: { type: "stale" } } as const),
    ];
    for (const failure of failures) {
      const engine = await engineOver(failing(failure));
      expect(await engine.activate(change("cold"))).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
      expect(await verdictOf(engine)).toEqual({ type: "allowed", ruleSetRevision: 0 });
    }
  });

  test("a write that was durable although it failed judges", async () => {
    const memory = createMemoryRuleStore();
    await (await engineOver(memory)).createRule(command("cold"));
    const engine = await engineOver({
      ...memory,
      apply: async (batch) => {
        await memory.apply(batch);
        return err({ type: "storage-unavailable", cause: "I/O error", outcomeUnknown: true });
      },
    });
    const wanted = change("cold", { request: request("r1") });
    expect(await engine.activate(wanted)).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
    expect((await verdictOf(engine))?.type).toBe("rule-denied");
    expect(await engine.activate(wanted)).toMatchObject({ ok: true, value: { ruleSetRevision: 1, rule: { state: "ACTIVE" } } });
  });

  test("a store that throws does not block the changes after it", async () => {
    const memory = createMemoryRuleStore();
    let broken = true;
    const engine = await engineOver({
      ...memory,
      answer: async (id) => {
        if (broken) throw new Error("damaged page");
        return memory.answer(id);
      },
    });
    await expect(engine.createRule(command("cold", { request: request("r1") }))).rejects.toThrow("damaged page");
    broken = false;
    expect(await engine.createRule(command("cold", { request: request("r1") }))).toMatchObject({ ok: true });
  });
});

test("rules are listed by id, page by page", async () => {
  const engine = await engineOver();
  for (const name of ["b", "a", "d"]) await engine.createRule(command(name, {}));
  const page = (afterId: string | undefined, limit: number) => engine.listRules({ afterId, limit }).map(({ id }) => id);
  expect(page(undefined, 2)).toEqual(["a", "b"]);
  expect(page("b", 2)).toEqual(["d"]);
  await engine.createRule(command("c", {}));
  expect(page("b", 2)).toEqual(["c", "d"]);
  expect(page("d", 2)).toEqual([]);
});
