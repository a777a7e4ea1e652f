import { expect, test } from "vitest";
import { stretchRowsMax } from "../../../src/kernel/limits.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { countByCounters, countByLooking } from "../../../src/workflow/count.ts";
import { groupCountMax, groupKeptMax } from "../../../src/workflow/limits.ts";
import { creation } from "../../support/storage-values.ts";

const atOnce = () => undefined;
const everything = { ranges: {}, matches: undefined, onLed: () => {} };

async function storeOf(count: number, fields: (index: number) => Parameters<typeof creation>[1]) {
  const store = createMemoryWorkflowStore();
  const puts = Array.from({ length: count }, (_, index) => creation(`w-${index}`, fields(index)).puts).flat();
  await store.apply({ puts, events: [] });
  return store;
}

test("groups beyond what an answer has are counted together, and so are those beyond what is kept", async () => {
  const store = await storeOf(groupKeptMax + 5, (index) => ({ metadata: { n: Math.max(0, index - 9) } }));
  const counted = await countByLooking(store, { ...everything, groupings: [{ type: "metadata", key: "n" }] }, atOnce);
  expect(counted.groups).toHaveLength(groupCountMax);
  expect(counted.groups[0]).toEqual({ values: [0], count: 10 });
  expect(counted.total).toBe(groupKeptMax + 5);
  expect(counted.notGrouped).toBe(groupKeptMax + 5 - 10 - (groupCountMax - 1));
});

test("texts are told apart by their first characters, and what is no scalar is no value", async () => {
  const long = "x".repeat(256);
  const values = [`${long}a`, `${long}b`, "x", null, ["x"], { x: 1 }, 1, "1", true, "true"];
  const store = await storeOf(values.length + 1, (index) => ({
    metadata: index < values.length ? { k: values[index] ?? null } : {},
  }));
  const counted = await countByLooking(store, { ...everything, groupings: [{ type: "metadata", key: "k" }] }, atOnce);
  expect(counted.groups.map(({ values: [value], count }) => [value, count])).toEqual([
    [undefined, 4],
    [long, 2],
    ["1", 1],
    ["true", 1],
    ["x", 1],
    [1, 1],
    [true, 1],
  ]);
});

test("a key of an object's own making is no value", async () => {
  const store = await storeOf(1, () => ({ metadata: {} }));
  const counted = await countByLooking(store, { ...everything, groupings: [{ type: "metadata", key: "constructor" }] }, atOnce);
  expect(counted.groups).toEqual([{ values: [undefined], count: 1 }]);
});

test("a caller who leaves ends the count", async () => {
  const store = await storeOf(3, (index) => ({ type: `t-${index}` }));
  const left = () => Promise.reject(new Error("left"));
  await expect(countByLooking(store, { ...everything, groupings: [] }, left)).rejects.toThrow("left");
  await expect(countByCounters(store, { groupings: [], matches: undefined }, left)).rejects.toThrow("left");
  expect(await countByCounters(store, { groupings: [], matches: ({ type }) => type > "t-0" }, atOnce)).toEqual({
    total: 2,
    groups: [],
    notGrouped: 0,
  });
});

test("counters that are more than are read at once are all counted", async () => {
  const store = await storeOf(stretchRowsMax + 1, (index) => ({ type: `t${index}` }));
  const counted = await countByCounters(store, { groupings: [], matches: undefined }, atOnce);
  expect(counted.total).toBe(stretchRowsMax + 1);
});
