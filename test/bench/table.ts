// What is printed of a run. docs/performance.md says what each column is.
import { tableLines } from "../../src/cli/output.ts";
import type { InProcess } from "./checks-in-process.ts";
import type { FanOut } from "./fan-out.ts";
import type { Row } from "./row.ts";
import { nearest, threadsOf } from "./shown.ts";
import { type Counts, total } from "./statistics.ts";
import type { Verdict } from "./targets.ts";

export function rowsTable(rows: readonly Row[], verdicts: readonly Verdict[]): readonly string[] {
  const head = ["operation", "at once", "per second", "from - to", "items/s", "of echo", "by cpu", "p50 ms", "p99 ms"];
  const costs = ["cpu us", "of it main", "bytes", "flushes", "messages", "load", "failed", "target"];
  return tableLines(
    [...head, ...costs],
    rows.map((row) => [
      row.operation,
      String(row.concurrency),
      ...rateCells(row),
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      ...costCells(row),
      failuresText(row.failures),
      targetText(verdicts.filter(({ operation, concurrency }) => operation === row.operation && concurrency === row.concurrency)),
    ]),
  );
}

function rateCells({ perSecond: { min, median, max }, items, ofEcho, ofEchoByCpu }: Row): string[] {
  return [
    rounded(median),
    `${rounded(min)} - ${rounded(max)}`,
    items === undefined ? "" : rounded(median * items.perCall),
    ofEcho === undefined ? "" : shareText(ofEcho.median),
    ofEchoByCpu === undefined ? "" : shareText(ofEchoByCpu),
  ];
}

function costCells({ cpuMicros, writtenBytes, flushes, transaction, generatorShare }: Row): string[] {
  return [
    rounded(total(cpuMicros)),
    rounded(cpuMicros["main"] ?? 0),
    rounded(writtenBytes),
    total(flushes).toFixed(2),
    transaction === undefined ? "" : (transaction["messages"] ?? 0).toFixed(2),
    `${rounded(generatorShare * 100)} %`,
  ];
}

const rounded = (value: number): string => value.toFixed(0);

const shareText = (share: number): string => share.toFixed(share < 0.1 ? 3 : 2);

export const failuresText = (failures: Counts): string =>
  Object.entries(failures)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ") || "0";

const targetText = (verdicts: readonly Verdict[]): string =>
  verdicts.map(({ words, met }) => `${words}: ${metText(met)}`).join("; ");

export const metText = (met: boolean): string => (met ? "met" : "NOT MET");

export function threadsTable(rows: readonly Row[]): readonly string[] {
  const all = nearest(rows);
  const worthy = threadsOf(all);
  return tableLines(
    ["cpu us by thread", "at once", ...worthy],
    all.map(({ operation, concurrency, cpuMicros }) => [
      operation,
      String(concurrency),
      ...worthy.map((name) => (cpuMicros[name] ?? 0).toFixed(1)),
    ]),
  );
}

export function transactionsTable(rows: readonly Row[]): readonly string[] {
  const head = ["transactions", "at once", "messages", "forced writes", "flushes", "flushes of each participant"];
  const counted = rows.flatMap(({ operation, concurrency, transaction }) =>
    transaction === undefined
      ? []
      : [
          [
            operation,
            String(concurrency),
            ...["messages", "forcedWrites", "flushes", "participantFlushes"].map((name) => (transaction[name] ?? 0).toFixed(2)),
          ],
        ],
  );
  return counted.length === 0 ? [] : tableLines(head, counted);
}

export function fanOutTable(fanOuts: readonly FanOut[]): readonly string[] {
  if (fanOuts.length === 0) return [];
  const head = [
    "watchers",
    "of",
    "moves",
    "per second",
    "without them",
    "with to without",
    "events told per second",
    "cpu us each",
  ];
  return tableLines(
    [...head, "all told after s", "missing", "failed", "target"],
    fanOuts.map(
      ({ watchers, of, moves, perSecond, without, ratio, toldPerSecond, toldAfterMs, eventMicros, missing, failures, met }) => [
        String(watchers),
        of,
        String(moves),
        rounded(perSecond),
        rounded(without),
        shareText(ratio),
        rounded(toldPerSecond),
        eventMicros.toFixed(1),
        (toldAfterMs / 1000).toFixed(2),
        String(missing),
        failuresText(failures),
        `no cost to the writer: ${metText(met)}`,
      ],
    ),
  );
}

export function inProcessTable(measured: readonly InProcess[]): readonly string[] {
  if (measured.length === 0) return [];
  return tableLines(
    ["rules", "in process", "per second of cpu", "takes times", "as long as", "target"],
    measured.map(({ ruleCount, name, perSecond, times, baseline, met }) => [
      String(ruleCount),
      name,
      rounded(perSecond),
      times.toFixed(2),
      baseline,
      met === undefined ? "" : `≤ 1.5: ${metText(met)}`,
    ]),
  );
}

export function verdictsTable(verdicts: readonly Verdict[]): readonly string[] {
  if (verdicts.length === 0) return [];
  return tableLines(
    ["target", "at once", "wanted", "measured", ""],
    verdicts.map(({ operation, concurrency, words, measured, met }) => [
      operation,
      String(concurrency),
      words,
      shareText(measured),
      metText(met),
    ]),
  );
}
