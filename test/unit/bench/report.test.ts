import { expect, test } from "vitest";
import { chart } from "../../bench/chart.ts";
import { answeredIn } from "../../bench/load.ts";
import type { Round } from "../../bench/measure.ts";
import { atHalf, echo, operations, transition } from "../../bench/operations.ts";
import { rowOf } from "../../bench/row.ts";
import { spread } from "../../bench/statistics.ts";
import { rowsTable, threadsTable, verdictsTable } from "../../bench/table.ts";
import { type Target, targets, verdicts } from "../../bench/targets.ts";

const round = (perSecond: number, more: Partial<Round> = {}): Round => ({
  perSecond,
  p50Ms: 2,
  p99Ms: 5,
  generatorShare: 0.3,
  succeeded: 1_000,
  succeededShare: 1,
  failures: {},
  eachCpuMicros: { main: 100, "write workflows": 20 },
  eachWrittenBytes: 900,
  eachFlushes: { workflow: 0.25 },
  othersShare: 0,
  ...more,
});

const [echoes, moves] = [echo, transition].map((wanted) => {
  const found = operations.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`there is no ${wanted}`);
  return found;
});
if (echoes === undefined || moves === undefined) throw new Error("there are no operations");

const empty = [round(10_000), round(20_000), round(30_000)];
const rounds = [round(5_000), round(8_000), round(9_000, { succeededShare: 0.5, failures: { OVERLOADED: 7 } })];
const rows = [rowOf(echoes, 64, empty, empty), rowOf(moves, 64, rounds, empty)];

test("a rate is of calls that have succeeded, and is compared with the echo of its own round", () => {
  expect(rows[1]).toMatchObject({
    perSecond: { min: 4_500, median: 5_000, max: 8_000 },
    ofEcho: { min: 0.15, median: 0.4, max: 0.5 },
    failures: { OVERLOADED: 7 },
  });
});

test("the middle of an even number of rounds lies between two", () => {
  expect(spread([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
});

test("a target is met from its figure on, and one that could not be measured is not judged", () => {
  const target = { operation: transition, words: "of echo", value: () => 0.4 } as const;
  const unknown: Target = { ...target, value: () => undefined, atLeast: 1 };
  const all: readonly Target[] = [{ ...target, atLeast: 0.4 }, { ...target, atLeast: 0.41 }, { ...target, atMost: 0.4 }, unknown];
  expect(verdicts(rows, all).map(({ words, met }) => [words, met])).toEqual([
    ["≥ 0.4 of echo", true],
    ["≥ 0.41 of echo", false],
    ["≤ 0.4 of echo", true],
  ]);
});

test("each target is of an operation that there is, at a concurrency at which it is measured", () => {
  for (const { operation, concurrency = 1 } of targets.filter(({ operation }) => operation !== atHalf)) {
    expect(operations.find(({ name }) => name === operation)?.concurrencyMax ?? 0).toBeGreaterThanOrEqual(concurrency);
  }
});

test("the tables say what was measured, what failed and why, and whether the target is met", () => {
  const judged = verdicts(rows);
  const [, , move = ""] = rowsTable(rows, judged);
  expect(move).toMatch(
    /TransitionWorkflow +64 +5000 +4500 - 8000 +0\.40 +1\.00 +2\.00 +5\.00 +120 +100 +900 +0\.25 +30 % +7 OVERLOADED/,
  );
  expect(move).toMatch(/≥ 0\.5 of echo: NOT MET$/);
  expect(threadsTable(rows)[0]).toMatch(/MAIN +WRITE WORKFLOWS$/);
  expect(verdictsTable(judged)[1]).toMatch(/TransitionWorkflow +64 +≥ 0\.5 of echo +0\.40 +NOT MET/);
});

test("the picture has a line for each operation that is asked for, and escapes what it says", () => {
  const svg = chart(rows, { title: "a < b", lines: [echo, transition, "not measured"] });
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  expect(svg).toContain("a &#60; b");
  expect(svg).not.toContain("NaN");
});

test("of h2load's log, calls that were cut off are no calls", () => {
  expect(answeredIn("1700000000000000\t200\t1500\n1700000000000100\t-1\t90\n")).toEqual([
    { startedMs: 1_700_000_000_000, tookMs: 1.5 },
  ]);
});
