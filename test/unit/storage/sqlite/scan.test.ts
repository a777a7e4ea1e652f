import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { stretchLookMax } from "../../../../src/kernel/limits.ts";
import {
  conditions,
  highest,
  largest,
  listed,
  lowest,
  onlyChoice,
  scan,
  smallest,
  values,
} from "../../../../src/storage/sqlite/scan.ts";
import type { Row, SqliteEngine } from "../../../../src/storage/sqlite/statement.ts";

/** Rows 1 to `count`; each third is odd. */
function engineOf(count: number): SqliteEngine {
  const db = new DatabaseSync(":memory:");
  db.exec(`CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT) STRICT;
    INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      SELECT i, iif(i % 3 = 0, 'odd', 'even') FROM n`);
  const read: SqliteEngine["read"] = (sql, ...params) => db.prepare(sql).all(...params) as Row[];
  const readUntil: SqliteEngine["readUntil"] = (isEnough, sql, ...params) => {
    const rows = read(sql, ...params);
    return rows.slice(0, rows.findIndex(isEnough) + 1 || rows.length);
  };
  return { read, readUntil } as Partial<SqliteEngine> as SqliteEngine;
}

const all = { sql: "true", params: [] };
const odd = conditions({ v: { oneOf: ["odd"] } });

function scanned(count: number, options: Partial<Parameters<typeof scan>[1]> = {}) {
  const rows = scan(engineOf(count), {
    table: "t",
    key: "k",
    first: 1,
    last: count,
    always: all,
    known: undefined,
    limit: 2,
    ...options,
  });
  return values(
    rows,
    (row) => Number(row["k"]),
    (key) => key,
  );
}

describe("a scan", () => {
  test("of which nothing is known gives the first ones, and looks at no others", () => {
    expect(scanned(5)).toEqual({ rows: [1, 2], upTo: 2, looked: 2 });
    expect(scanned(5, { descending: true })).toEqual({ rows: [5, 4], upTo: 4, looked: 2 });
    expect(scanned(2, { limit: 3 })).toEqual({ rows: [1, 2], upTo: undefined, looked: 2 });
    expect(scanned(5, { first: 2, last: 3, limit: 9 }).rows).toEqual([2, 3]);
    expect(scanned(5, { always: { sql: "v = ?", params: ["odd"] } })).toEqual({ rows: [3], upTo: undefined, looked: 1 });
  });

  test("passes over what is not wanted, so far and no farther", () => {
    const looked = stretchLookMax;
    expect(scanned(9, { known: odd })).toEqual({ rows: [3, 6], upTo: 6, looked });
    expect(scanned(9, { known: odd, descending: true })).toEqual({ rows: [9, 6], upTo: 6, looked });
    expect(scanned(9, { known: odd, limit: 9 })).toEqual({ rows: [3, 6, 9], upTo: undefined, looked });
    const none = conditions({ v: { oneOf: ["neither"] } });
    for (const [count, upTo] of [
      [looked - 1, undefined],
      [looked, looked],
      [looked + 1, looked],
    ] as const)
      expect(scanned(count, { known: none })).toEqual({ rows: [], upTo, looked });
    expect(scanned(looked + 1, { known: none, descending: true })).toEqual({ rows: [], upTo: 2, looked });
    const last = conditions({ k: { min: looked + 1 } });
    expect(scanned(looked + 1, { known: last })).toEqual({ rows: [], upTo: looked, looked });
    expect(scanned(looked + 1, { known: conditions({ k: { max: 1 } }), descending: true })).toEqual({
      rows: [],
      upTo: 2,
      looked,
    });
    expect(scanned(looked, { known: conditions({ k: { min: looked } }) }).rows).toEqual([looked]);
  });
});

test("conditions hold for what lies within, and there are none where nothing is known", () => {
  expect(conditions({ k: undefined, v: undefined })).toBeUndefined();
  const found = (range: Parameters<typeof conditions>[0]) => scanned(9, { known: conditions(range), limit: 9 }).rows;
  expect(found({ k: { min: 3, max: 5 } })).toEqual([3, 4, 5]);
  expect(found({ k: { min: 8 } })).toEqual([8, 9]);
  expect(found({ k: { max: 2 } })).toEqual([1, 2]);
  expect(found({ k: { oneOf: [2, 7] } })).toEqual([2, 7]);
  expect(found({ k: { oneOf: [2, 6, 7], min: 3 } })).toEqual([6, 7]);
  expect(found({ k: { min: 4 }, v: { oneOf: ["odd"] } })).toEqual([6, 9]);
});

test("what is known of a key leads to its ends", () => {
  expect([lowest({ min: 3, oneOf: [10, 9] }), highest({ max: 3, oneOf: [10, 9] })]).toEqual([
    [3, 9],
    [3, 10],
  ]);
  expect([lowest(undefined), highest(undefined)]).toEqual([
    [undefined, undefined],
    [undefined, undefined],
  ]);
  expect([largest(5, [undefined, 3, 9, 7]), largest(5, [3, 4]), largest("b", ["a", "c"])]).toEqual([9, 5, "c"]);
  expect([smallest(5, [undefined, 7, 1, 3]), smallest(5, [7, 6]), smallest("b", ["c", "a"])]).toEqual([1, 5, "a"]);
  expect([listed({ min: 1, oneOf: [2] }), listed({ min: 1 }), listed(undefined)]).toEqual([{ oneOf: [2] }, undefined, undefined]);
});

test("one choice is one that is left alone", () => {
  const choice = (range: Parameters<typeof onlyChoice>[0]) => onlyChoice(range);
  expect([choice({ oneOf: ["a"] }), choice({ oneOf: ["a", "b"] }), choice({ oneOf: ["a", "b"], min: "b" })]).toEqual([
    "a",
    undefined,
    "b",
  ]);
  expect([choice({ oneOf: [] }), choice({ min: "a", max: "a" }), choice(undefined)]).toEqual([undefined, undefined, undefined]);
});
