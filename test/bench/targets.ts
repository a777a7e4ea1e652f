import { atHalf, atomicTransition, batchTransition, executeWith, get, transition, transitionAtWarn } from "./operations.ts";
import { calmConcurrency } from "./rounds.ts";
import { type Row, ratios, succeededPerSecond } from "./row.ts";
import { median } from "./statistics.ts";

/** What a row should come to: at least, or at most. */
export type Target = {
  readonly operation: string;
  /** Left out: at each that was measured. */
  readonly concurrency?: number;
  readonly words: string;
  /** Undefined: what it is compared with was not measured. */
  readonly value: (row: Row, rows: readonly Row[]) => number | undefined;
} & ({ readonly atLeast: number } | { readonly atMost: number });

export type Verdict = {
  readonly operation: string;
  readonly concurrency: number;
  readonly words: string;
  readonly wanted: number;
  readonly measured: number;
  readonly met: boolean;
};

const ofEcho = (row: Row): number | undefined => row.ofEcho?.median;
const itemsOfEcho = (row: Row): number | undefined => row.ofEcho && row.ofEcho.median * (row.items?.perCall ?? 1);

/** Of one operation, the best of all concurrencies. Undefined: none was measured at which a server is sure to keep up. */
function ofBest(row: Row, rows: readonly Row[]): number | undefined {
  const own = rows.filter(({ operation }) => operation === row.operation);
  if (!own.some(({ concurrency }) => concurrency <= calmConcurrency)) return undefined;
  return row.perSecond.median / Math.max(...own.map(({ perSecond }) => perSecond.median));
}

function ofWarn(row: Row, rows: readonly Row[]): number | undefined {
  const quiet = rows.find(({ operation, concurrency }) => operation === transitionAtWarn && concurrency === row.concurrency);
  return quiet && median(ratios(row.rounds.map(succeededPerSecond), quiet.rounds.map(succeededPerSecond)));
}

const transitionOfEcho = { 1: 0.2, 16: 0.4, 64: 0.5, 256: 0.65 };

export const targets: readonly Target[] = [
  ...Object.entries(transitionOfEcho).map(([concurrency, atLeast]) => ({
    operation: transition,
    concurrency: Number(concurrency),
    words: "of echo",
    value: ofEcho,
    atLeast,
  })),
  ...[1024, 4096].map((concurrency) => ({
    operation: transition,
    concurrency,
    words: "of its best rate",
    value: ofBest,
    atLeast: 0.85,
  })),
  { operation: transition, words: "of log level warn", value: ofWarn, atLeast: 0.95 },
  { operation: atHalf, words: "p50, as p99", value: ({ p50Ms, p99Ms }) => p99Ms / p50Ms, atMost: 3 },
  { operation: get, words: "of echo", value: ofEcho, atLeast: 0.9 },
  { operation: batchTransition, words: "transitions to echo", value: itemsOfEcho, atLeast: 2 },
  { operation: executeWith(2), words: "of echo", value: ofEcho, atLeast: 0.2 },
  { operation: atomicTransition, words: "of echo", value: ofEcho, atLeast: 0.12 },
];

/** Of all targets whose figures were measured, in the order of the targets. */
export function verdicts(rows: readonly Row[], all: readonly Target[] = targets): readonly Verdict[] {
  return all.flatMap((target) =>
    rows
      .filter(
        ({ operation, concurrency }) => operation === target.operation && concurrency === (target.concurrency ?? concurrency),
      )
      .flatMap((row) => {
        const measured = target.value(row, rows);
        return measured === undefined ? [] : [verdict(target, row, measured)];
      }),
  );
}

function verdict(target: Target, { operation, concurrency }: Row, measured: number): Verdict {
  const [wanted, met] =
    "atLeast" in target ? [target.atLeast, measured >= target.atLeast] : [target.atMost, measured <= target.atMost];
  return { operation, concurrency, words: `${"atLeast" in target ? "≥" : "≤"} ${wanted} ${target.words}`, wanted, measured, met };
}
