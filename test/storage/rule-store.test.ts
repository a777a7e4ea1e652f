import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RequestId, RuleId } from "../../src/kernel/ids.ts";
import { err, ok } from "../../src/kernel/result.ts";
import { createEngine } from "../../src/predicate/engine.ts";
import type { RuleBatch, RuleStore } from "../../src/predicate/ports.ts";
import { createTurns } from "../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../src/storage/memory/rule-store.ts";
import { openSqliteRuleStore } from "../../src/storage/sqlite/rule-store.ts";
import { ruleOf, simpleEvaluator, verdictOf } from "../support/rule-values.ts";
import { storageDir } from "../support/storage-dir.ts";

async function openSqlite(path = join(storageDir(), "rules.db")): Promise<RuleStore> {
  const opened = await openSqliteRuleStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

const stale = err({ type: "conflict", conflict: { type: "stale" } });
const cold = ruleOf({
  id: "cold",
  state: "DRAFT",
  moves: [{ from: undefined, to: "COMPLETED" }],
  description: "it's cold: ≤ 8 °C",
});
const warm = ruleOf({ id: "warm", state: "DRAFT" });

function creation(rule = cold, changes: Partial<RuleBatch> = {}): RuleBatch {
  return { rule, expected: "absent", revision: { expected: 0, next: 0 }, ...changes };
}

function activation(changes: Partial<RuleBatch> = {}): RuleBatch {
  return {
    rule: { ...cold, state: "ACTIVE", updatedAtMs: 2 },
    expected: { version: 1, state: "DRAFT" },
    revision: { expected: 0, next: 1 },
    ...changes,
  };
}

const request = (id: string, atMs = 5) => ({ id: id as RequestId, digest: `digest of ${id}`, atMs });

function ruleStoreSuite(name: string, open: () => Promise<RuleStore>): void {
  describe(`${name} rule store`, () => {
    test("a new store is empty, at revision 0, and writable", async () => {
      const store = await open();
      expect(await store.load()).toEqual({ rules: [], revision: 0 });
      expect(store.writable).toBe(true);
      store.onWritableChange(() => {})();
      await store.close();
    });

    test("what was applied is loaded", async () => {
      const store = await open();
      expect(await store.apply(creation())).toEqual(ok(undefined));
      expect(await store.apply(creation(warm))).toEqual(ok(undefined));
      expect(await store.apply(activation())).toEqual(ok(undefined));
      const { rules, revision } = await store.load();
      expect(rules.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toStrictEqual([activation().rule, warm]);
      expect(revision).toBe(1);
      await store.close();
    });

    test.each([
      ["a rule that exists", creation()],
      ["another version", activation({ expected: { version: 2, state: "DRAFT" } })],
      ["another state", activation({ expected: { version: 1, state: "INACTIVE" } })],
      ["another revision", activation({ revision: { expected: 1, next: 2 } })],
      ["a rule that does not exist", activation({ rule: ruleOf({ id: "none" }) })],
    ])("%s is a conflict and writes nothing, not even its answer", async (_name, batch) => {
      const store = await open();
      await store.apply(creation());
      expect(await store.apply({ ...batch, request: request("r1") })).toEqual(stale);
      expect(await store.load()).toStrictEqual({ rules: [cold], revision: 0 });
      expect(await store.answer("r1" as RequestId)).toBeUndefined();
      await store.close();
    });

    test("of two batches with the same expectation one is applied", async () => {
      const store = await open();
      await store.apply(creation());
      const results = await Promise.all([store.apply(activation()), store.apply(activation()), store.apply(creation(warm))]);
      expect(results.slice(0, 2)).toEqual([ok(undefined), stale]);
      expect((await store.load()).revision).toBe(1);
      await store.close();
    });

    test("the answer to a request is kept as it was", async () => {
      const store = await open();
      await store.apply(creation(cold, { request: request("r1") }));
      await store.apply(activation({ request: request("r2") }));
      expect(await store.answer("r1" as RequestId)).toStrictEqual({ digest: "digest of r1", rule: cold, ruleSetRevision: 0 });
      expect(await store.answer("r2" as RequestId)).toMatchObject({ rule: { state: "ACTIVE" }, ruleSetRevision: 1 });
      expect(await store.apply(creation(warm, { request: request("r2") }))).toEqual(
        err({ type: "conflict", conflict: { type: "request-exists" } }),
      );
      expect((await store.load()).rules).toHaveLength(1);
      await store.close();
    });

    test("a repeated creation is told that its request is known", async () => {
      const store = await open();
      await store.apply(creation(cold, { request: request("r1") }));
      expect(await store.apply(creation(cold, { request: request("r1") }))).toMatchObject({
        error: { conflict: { type: "request-exists" } },
      });
      await store.close();
    });

    test("answers are purged by age, a limited number at a time", async () => {
      const store = await open();
      for (const [index, id] of ["r1", "r2", "r3", "r4"].entries()) {
        await store.apply(creation(ruleOf({ id }), { request: request(id, 10 - index) }));
      }
      expect(await store.purge({ olderThanMs: 10, limit: 2 })).toEqual(ok(2));
      const left = await Promise.all(["r1", "r2", "r3", "r4"].map((id) => store.answer(id as RequestId)));
      expect(left.map((answer) => answer !== undefined)).toEqual([true, true, false, false]);
      expect(await store.purge({ olderThanMs: 10, limit: 2 })).toEqual(ok(1));
      await store.close();
    });

    test("after it is closed, a write fails as unavailable", async () => {
      const store = await open();
      await store.close();
      expect(await store.apply(creation())).toMatchObject({ error: { type: "storage-unavailable", outcomeUnknown: false } });
      expect(await store.purge({ olderThanMs: 1, limit: 1 })).toMatchObject({ error: { type: "storage-unavailable" } });
    });
  });
}

ruleStoreSuite("sqlite", openSqlite);
ruleStoreSuite("memory", async () => createMemoryRuleStore());

test("an engine over a file that is opened again judges the same, and knows its requests", async () => {
  const path = join(storageDir(), "rules.db");
  const id = "cold" as RuleId;
  const answers = [];
  for (let round = 0; round < 2; round += 1) {
    const store = await openSqlite(path);
    const engine = await createEngine({
      store,
      clock: { nowMs: () => 1000 + round },
      evaluator: simpleEvaluator,
      turns: createTurns(),
    });
    const { description, moves, message, priority, reason, requestedBy } = cold;
    const wanted = {
      id,
      description,
      moves,
      message,
      priority,
      reason,
      requestedBy,
      expression: "workflow.metadata.temperature < 5",
    };
    answers.push([
      await engine.createRule({ ...wanted, request: { id: "r1" as RequestId, digest: "a" } }),
      await engine.activate({ id, reason, requestedBy, request: { id: "r2" as RequestId, digest: "b" } }),
      await verdictOf(engine),
    ]);
    await store.close();
  }
  expect(answers[1]).toStrictEqual(answers[0]);
  expect(answers[0]?.[2]).toMatchObject({ type: "rule-denied", ruleSetRevision: 1, violations: [{ message: cold.description }] });
});

test("a file that is open already is refused", async () => {
  const path = join(storageDir(), "rules.db");
  const store = await openSqlite(path);
  expect(await openSqliteRuleStore({ path })).toMatchObject({ ok: false, error: { type: "locked" } });
  await store.close();
});
