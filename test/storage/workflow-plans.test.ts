import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { WorkflowId } from "../../src/kernel/ids.ts";
import { workflowFilter } from "../../src/rpc/filter.ts";
import { branchCountMax, leadingPaths, orderClause, pathInOrder } from "../../src/storage/sqlite/workflow-indexes.ts";
import { metadataPath } from "../../src/storage/sqlite/workflow-metadata.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowOrder, WorkflowRanges } from "../../src/workflow/ports.ts";
import { storageDir } from "../support/storage-dir.ts";

const path = join(storageDir(), "workflows.db");
const opened = await openSqliteWorkflowStore({ path });
if (!opened.ok) throw new Error(opened.error.message);
await opened.value.close();
const db = new DatabaseSync(path, { readOnly: true });

const anywhere = { low: { key: 0, id: "a" }, high: { key: 9, id: "z" }, open: "low" } as const;

const plan = (sql: string, params: readonly unknown[]): readonly string[] =>
  db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all(...(params as []))
    .map((row) => String(row["detail"]));

const orders: readonly WorkflowOrder["by"][] = ["id", "created", "updated", "version"];

const filters = {
  "": [],
  'workflow.id.startsWith("w-")': ["id"],
  'workflow.state == "FAILED"': ["state"],
  'workflow.state in ["FAILED", "PAUSED"]': ["state"],
  'workflow.type == "sample"': ["type"],
  'workflow.type == "sample" && workflow.state == "FAILED"': ["type", "state"],
  'workflow.created_at > timestamp("2026-11-01T00:00:00Z")': ["createdAtMs"],
  'workflow.updated_at > timestamp("2026-11-01T00:00:00Z") && workflow.state == "FAILED"': ["state", "updatedAtMs"],
  "workflow.version > 7": ["version"],
} as const;

// A plan that sorts or walks a table costs the more, the larger the store is.
test.each(Object.keys(filters))("indexes lead by all of: %s", (expression) => {
  const ranges = workflowFilter(expression)?.known ?? {};
  for (const by of orders) {
    for (const descending of [false, true]) {
      const { sql, params } = pathInOrder(by, ranges).select(anywhere);
      const details = plan(`${sql} ${orderClause({ by, descending })} LIMIT 100`, params);
      expect(details.filter((detail) => /SEARCH/.test(detail)).length).toBeGreaterThan(0);
      for (const detail of details) expect(detail).not.toMatch(/SCAN|TEMP B-TREE/);
      for (const detail of details.filter((each) => each.startsWith("SEARCH")))
        expect(detail).toMatch(/COVERING INDEX .*\(.*id[>)]/);
    }
  }
  const paths = leadingPaths(ranges);
  for (const each of paths) {
    const { sql, params } = each.select(anywhere);
    for (const detail of plan(sql, params)) expect(detail).not.toMatch(/SCAN|TEMP B-TREE/);
  }
  const led = [...paths, ...orders.map((by) => pathInOrder(by, ranges))].map((each) => each.led.toSorted().join());
  const wanted = filters[expression as keyof typeof filters];
  expect(led).toContain(wanted.toSorted().join());
});

// An index that no list uses is written for nothing, and its list passes over what it could have skipped.
test("each order is led by as much as an index of it has", () => {
  const led = Object.keys(filters).map((expression) => {
    const ranges = workflowFilter(expression)?.known ?? {};
    return [expression, ...orders.map((by) => pathInOrder(by, ranges).led.join("+"))];
  });
  const [state, states, type, both, created, updated, version] = Object.keys(filters).slice(2);
  expect(led).toEqual([
    // By id, created, updated, version.
    ["", "", "", "", ""],
    ['workflow.id.startsWith("w-")', "id", "", "", ""],
    [state, "state", "", "state", "state"],
    [states, "state", "", "state", "state"],
    [type, "type", "type", "type", ""],
    [both, "type+state", "type", "type", "state"],
    [created, "", "createdAtMs", "", ""],
    [updated, "state", "", "state+updatedAtMs", "state"],
    [version, "", "", "", "version"],
  ]);
});

test("an order is led by its own range, or by one choice; of several it still goes through what lies between", () => {
  const led = (ranges: WorkflowRanges) => pathInOrder("id", ranges).led;
  const id = (text: string) => text as WorkflowId;
  expect([led({ id: { oneOf: [id("a")] } }), led({ id: { oneOf: [id("a"), id("b")] } }), led({ id: { min: id("a") } })]).toEqual([
    ["id"],
    [],
    ["id"],
  ]);
});

test("so many branches are merged, and no more", () => {
  const types = (count: number) => ({ type: { oneOf: Array.from({ length: count }, (_, index) => `t${index}`) } });
  const ledBy = (count: number) => {
    const { led, branchCount } = pathInOrder("id", types(count));
    return [led, branchCount];
  };
  expect([ledBy(branchCountMax), ledBy(branchCountMax + 1)]).toEqual([
    [["type"], branchCountMax],
    [[], 1],
  ]);
});

test.each([
  { key: "site", oneOf: ["A"] },
  { key: "site", oneOf: ["A", 3, true, true] },
  { key: "site", min: "A", max: "B" },
  { key: "number", min: 3 },
])("an index leads by the values of a declared key: %j", (range) => {
  const { select, isInOrder } = metadataPath(range);
  const { sql, params } = select(anywhere);
  for (const descending of isInOrder ? [false, true] : []) {
    for (const detail of plan(`${sql} ${orderClause({ by: "id", descending })} LIMIT 9`, params))
      expect(detail).not.toMatch(/SCAN|TEMP B-TREE/);
  }
  const details = plan(sql, params).filter((detail) => detail.startsWith("SEARCH"));
  expect(details.length).toBe("oneOf" in range && range.oneOf?.length === 4 ? 3 : 1);
  for (const detail of details) expect(detail).toMatch(/USING PRIMARY KEY \(key=\? AND value[=><]/);
});
