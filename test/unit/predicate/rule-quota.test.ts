import { expect, test } from "vitest";
import type { CountQuota } from "../../../src/kernel/count-quota.ts";
import { createMemoryRuleStore } from "../../../src/storage/memory/rule-store.ts";
import { applying, by, create, described, engineOver, id, request } from "../../support/engine-values.ts";

// How many rules there may be that a principal has created.

function quotaOf(limits: Readonly<Record<string, number>>): CountQuota & { readonly refused: string[] } {
  const refused: string[] = [];
  return { most: (principal) => limits[principal], exceeded: (principal) => refused.push(principal), refused };
}

const as = (authenticatedAs: string) => ({ authenticatedAs });
const full = (count: number, wanted = 1, limit = 2) => ({
  ok: false,
  error: { type: "rule-quota", principal: "ada", limit, count, wanted },
});

test("rules count for whoever has created them, whoever changes them, until they are deleted", async () => {
  const quota = quotaOf({ ada: 2, eve: 1 });
  const engine = await engineOver(undefined, {}, undefined, quota);
  for (const name of ["a", "b"]) expect(await engine.createRule({ ...create(name), ...as("ada") })).toMatchObject({ ok: true });
  expect(await engine.createRule({ ...create("c"), ...as("ada") })).toEqual(full(2));
  expect(quota.refused).toEqual(["ada"]);
  expect(await engine.createRule({ ...create("c"), ...as("eve") })).toMatchObject({ ok: true });
  expect(await engine.createRule({ ...create("d"), ...as("grace") })).toMatchObject({ ok: true });
  expect(await engine.createRule(create("e"))).toMatchObject({ ok: true });
  // What there is, is changed as ever, and stays whose it was.
  expect(await engine.updateRule({ ...create("a", { priority: 2 }), ...as("eve") })).toMatchObject({ ok: true });
  expect(await engine.activate({ id: id("a"), ...by, ...as("eve") })).toMatchObject({ ok: true });
  expect(await engine.updateRule({ ...create("c", { priority: 2 }), ...as("ada") })).toMatchObject({ ok: true });
  expect(await engine.deactivate({ id: id("a"), ...by, ...as("ada") })).toMatchObject({ ok: true });
  expect(await engine.createRule({ ...create("f"), ...as("ada") })).toEqual(full(2));
  expect(await engine.deleteRule({ id: id("b"), ...by, ...as("eve") })).toMatchObject({ ok: true });
  expect(await engine.createRule({ ...create("b"), ...as("ada") })).toMatchObject({ ok: true });
  expect(await engine.createRule({ ...create("f"), ...as("ada") })).toEqual(full(2));
});

test("a rule set counts with all its new rules, a dry run too; a creation that is repeated has the answer that it had", async () => {
  const engine = await engineOver(undefined, {}, undefined, quotaOf({ ada: 2 }));
  const first = { ...create("a"), ...as("ada"), request: request("r1") };
  const created = await engine.createRule(first);
  expect(created).toMatchObject({ ok: true });
  const rules = [described("a"), described("b"), described("b", { priority: 2 }, "SHADOW"), described("c")];
  for (const dryRun of [true, false]) expect(await engine.apply(applying({ rules, dryRun, ...as("ada") }))).toEqual(full(1, 2));
  expect(await engine.apply(applying({ rules: rules.slice(0, 3), ...as("ada") }))).toMatchObject({ ok: true });
  expect(await engine.createRule(first)).toEqual(created);
  expect(await engine.createRule({ ...create("c"), ...as("ada") })).toEqual(full(2));
});

test("it holds for what other processes have written, for those who create at once, and over a restart", async () => {
  const store = createMemoryRuleStore();
  const quota = quotaOf({ ada: 2 });
  const engines = [await engineOver(store, {}, undefined, quota), await engineOver(store, {}, undefined, quota)];
  const created = await Promise.all(
    ["a", "b", "c", "d"].map((name, index) => engines[index % 2]?.createRule({ ...create(name), ...as("ada") })),
  );
  expect(created.filter((each) => each?.ok)).toHaveLength(2);
  expect(created.filter((each) => !each?.ok)).toEqual([full(2), full(2)]);
  const again = await engineOver(store, {}, undefined, quota);
  expect(await again.createRule({ ...create("e"), ...as("ada") })).toEqual(full(2));
  const lowered = await engineOver(store, {}, undefined, quotaOf({ ada: 1 }));
  expect(await lowered.createRule({ ...create("e"), ...as("ada") })).toEqual(full(2, 1, 1));
  expect(await lowered.activate({ id: id("a"), ...by, ...as("ada") })).toMatchObject({ ok: true });
});
