import type { Row } from "./row.ts";

/** What is shown of an operation at one concurrency only: the one that is nearest to this. */
const shownConcurrency = 64;

export function nearest(rows: readonly Row[]): readonly Row[] {
  const shown = new Map<string, Row>();
  for (const row of rows) {
    const known = shown.get(row.operation);
    if (known === undefined || distance(row) < distance(known)) shown.set(row.operation, row);
  }
  return [...shown.values()];
}

const distance = ({ concurrency }: Row): number => Math.abs(Math.log2(concurrency / shownConcurrency));

/** A thread that takes less of every call is not shown. */
const shownMicrosMin = 1;

export function threadsOf(rows: readonly Row[]): readonly string[] {
  const names = new Set(rows.flatMap(({ cpuMicros }) => Object.keys(cpuMicros)));
  return [...names].filter((name) => rows.some(({ cpuMicros }) => (cpuMicros[name] ?? 0) >= shownMicrosMin));
}
