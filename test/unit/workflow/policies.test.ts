import { expect, test } from "vitest";
import { err } from "../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import type { PolicyTerms } from "../../../src/workflow/core/policy.ts";
import { policyCountMax } from "../../../src/workflow/limits.ts";
import { createPolicies, type PolicyCommand } from "../../../src/workflow/policies.ts";
import { requestId } from "../../support/workflow-manager.ts";

const environment = { nowMs: () => 1_000, newId: () => "id" };

const policiesOver = (store = createMemoryWorkflowStore()) => createPolicies({ store, environment });

const forType = (workflowType: string, changes: Partial<PolicyCommand> = {}): PolicyCommand => ({
  workflowType,
  expectedRevision: undefined,
  reason: "because",
  requestedBy: "ada",
  request: undefined,
  ...changes,
});

const after = (afterMs: number): PolicyTerms => ({
  deadlines: [{ state: "ACTIVE", afterMs, targetState: "FAILED", reason: "too slow" }],
});

test("a type's own policy holds whole; without one the policy for all holds, and without that nothing does", async () => {
  const policies = await policiesOver();
  expect(policies.termsOf("sample")).toEqual({ deadlines: [] });
  await policies.set(forType(""), after(1));
  await policies.set(forType("order"), { deadlines: [] });
  expect(policies.termsOf("sample")).toEqual(after(1));
  expect(policies.termsOf("")).toEqual(after(1));
  expect(policies.termsOf("order")).toEqual({ deadlines: [] });
  await policies.delete(forType("order"));
  expect(policies.termsOf("order")).toEqual(after(1));
});

test("a revision is never used twice, and is what a change can ask for", async () => {
  const policies = await policiesOver();
  const set = (expectedRevision: number | undefined, workflowType = "sample") =>
    policies.set(forType(workflowType, { expectedRevision }), after(1));
  const mismatch = (expected: number, current: number) => ({
    ok: false,
    error: { type: "policy-revision-mismatch", workflowType: "sample", expected, current },
  });
  expect(await set(4)).toEqual(mismatch(4, 0));
  expect(await set(0)).toMatchObject({ ok: true, value: { revision: 1, updatedAtMs: 1_000, updatedBy: "ada" } });
  expect(await set(0)).toEqual(mismatch(0, 1));
  expect(await set(undefined, "other")).toMatchObject({ value: { revision: 2 } });
  expect(await set(1)).toMatchObject({ value: { revision: 3 } });
  expect(await policies.delete(forType("sample", { expectedRevision: 1 }))).toEqual(mismatch(1, 3));
  expect(await policies.delete(forType("sample", { expectedRevision: 3 }))).toMatchObject({ ok: true, value: { revision: 3 } });
  expect(policies.get("sample")).toBeUndefined();
  expect(await policies.delete(forType("sample", { expectedRevision: 3 }))).toEqual({
    ok: false,
    error: { type: "policy-not-found", workflowType: "sample" },
  });
  expect(await set(0)).toMatchObject({ value: { revision: 5 } });
});

test("changes at the same moment are made one after the other, each upon what it has seen", async () => {
  const policies = await policiesOver();
  const wanted = Array.from({ length: 8 }, (_, index) => policies.set(forType("sample", { expectedRevision: 0 }), after(index)));
  const answers = await Promise.all(wanted);
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  const others = await Promise.all(["a", "b", "c"].map((type) => policies.set(forType(type), after(1))));
  expect(others.every(({ ok }) => ok)).toBe(true);
  expect(policies.list(undefined, 10).rows.map(({ workflowType }) => workflowType)).toEqual(["a", "b", "c", "sample"]);
  expect(policies.list("a", 2)).toMatchObject({ rows: [{ workflowType: "b" }, { workflowType: "c" }], upTo: "c" });
});

test("who hears late that it was written does not undo what another has written upon it", async () => {
  const store = createMemoryWorkflowStore();
  const late = Promise.withResolvers<void>();
  let writes = 0;
  const policies = await policiesOver({
    ...store,
    applyPolicy: async (change) => {
      writes += 1;
      const isFirst = writes === 1;
      const applied = await store.applyPolicy(change);
      if (isFirst) await late.promise;
      return applied;
    },
  });
  const first = policies.set(forType("sample"), after(1));
  expect(await policies.set(forType("sample"), after(2))).toMatchObject({ ok: true, value: { revision: 2 } });
  late.resolve();
  expect(await first).toMatchObject({ ok: true, value: { revision: 1 } });
  expect(policies.get("sample")).toMatchObject({ revision: 2, terms: after(2) });
  expect(await policies.set(forType("sample"), after(3))).toMatchObject({ ok: true, value: { revision: 3 } });
});

test("who is overtaken again and again is told so", async () => {
  const store = createMemoryWorkflowStore();
  const policies = await policiesOver({
    ...store,
    applyPolicy: async () => ({ ok: false, error: { type: "conflict", conflict: { type: "stale" } } }),
  });
  expect(await policies.set(forType("sample"), after(1))).toMatchObject({
    error: { type: "policy-revision-mismatch", expected: undefined, current: 0 },
  });
});

test("what another process has changed is seen with the next change, and what is stored after a restart", async () => {
  const store = createMemoryWorkflowStore();
  const [here, there] = [await policiesOver(store), await policiesOver(store)];
  await there.set(forType("sample"), after(1));
  expect(await here.set(forType("order", { expectedRevision: 0 }), after(2))).toMatchObject({ value: { revision: 2 } });
  expect(here.termsOf("sample")).toEqual(after(1));
  expect((await policiesOver(store)).list(undefined, 10).rows.map(({ workflowType }) => workflowType)).toEqual([
    "order",
    "sample",
  ]);
});

test("a retry has the first answer, and its id is refused for anything else, also of a workflow", async () => {
  const store = createMemoryWorkflowStore();
  const policies = await policiesOver(store);
  const request = { id: requestId("r"), digest: "d" };
  const first = await policies.set(forType("sample", { request }), after(1));
  await policies.set(forType("sample"), after(2));
  expect(await policies.set(forType("sample", { request }), after(1))).toEqual(first);
  const reused = { ok: false, error: { type: "request-id-reused", requestId: "r" } };
  expect(await policies.set(forType("sample", { request: { ...request, digest: "other" } }), after(3))).toEqual(reused);
  expect(policies.termsOf("sample")).toEqual(after(2));
});

// Made a second time, it would undo what was set between.
test("a retry that another process carries out beside it has the answer of that", async () => {
  const store = createMemoryWorkflowStore();
  const other = await policiesOver(store);
  const wanted = forType("sample", { request: { id: requestId("r"), digest: "d" } });
  let first: Awaited<ReturnType<typeof other.set>> | undefined;
  const policies = await policiesOver({
    ...store,
    applyPolicy: async (change) => {
      first ??= await other.set(wanted, after(1));
      return store.applyPolicy(change);
    },
  });
  expect(await policies.set(wanted, after(1))).toEqual(first);
  expect(first).toMatchObject({ ok: true, value: { revision: 1 } });
  expect((await store.policies()).newest).toBe(1);
});

test("there are no more than may be; one that is there can be changed", async () => {
  const policies = await policiesOver();
  for (let index = 0; index < policyCountMax; index += 1) await policies.set(forType(`t-${index}`), after(1));
  expect(await policies.set(forType("one-more"), after(1))).toEqual({
    ok: false,
    error: { type: "policy-limit-reached", limit: policyCountMax },
  });
  expect(await policies.set(forType("t-7"), after(2))).toMatchObject({ ok: true });
});

test("a store that cannot write changes nothing in memory", async () => {
  const store = createMemoryWorkflowStore();
  const policies = await policiesOver(store);
  await store.close();
  expect(await policies.set(forType("sample"), after(1))).toMatchObject({ error: { type: "storage-unavailable" } });
  expect(policies.get("sample")).toBeUndefined();
});

// A retry is answered from the store: whatever is asked for after that answer is under the policy.
test.each(["set", "deleted"] as const)(
  "what was %s by a write that failed, and is durable all the same, holds after the retry",
  async (what) => {
    const memory = createMemoryWorkflowStore();
    let fails = false;
    const store: typeof memory = {
      ...memory,
      async applyPolicy(change) {
        const applied = await memory.applyPolicy(change);
        if (!fails) return applied;
        fails = false;
        return err({ type: "storage-unavailable", cause: "the disk", outcomeUnknown: true });
      },
    };
    const policies = await policiesOver(store);
    await policies.set(forType("sample"), after(1));
    const change = forType("sample", { request: { id: requestId("r"), digest: "d" } });
    const again = () => (what === "set" ? policies.set(change, after(2)) : policies.delete(change));
    fails = true;
    expect(await again()).toMatchObject({ error: { type: "storage-unavailable" } });
    expect(await again()).toMatchObject({ ok: true });
    expect(policies.termsOf("sample")).toEqual(what === "set" ? after(2) : { deadlines: [] });
  },
);
