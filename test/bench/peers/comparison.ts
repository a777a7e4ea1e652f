import { ratios } from "../row.ts";
import { median, type Spread, spread } from "../statistics.ts";
import type { Round } from "./peer.ts";

export type Comparison = {
  readonly call: string;
  readonly peer: string;
  readonly concurrency: number;
  readonly concord: Summary;
  readonly other: Summary;
  /** Concord's rate divided by the peer's, in each round: what else the machine does meets both. */
  readonly ratio: Spread;
  /** The peer's CPU divided by Concord's: what the ratio is where CPU is all that bounds them and nobody else wants any. */
  readonly byCpu: number;
  /** Of the median ratio, at least. Unset: there is none at this concurrency. */
  readonly target: number | undefined;
};

export type Summary = {
  readonly perSecond: Spread;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  readonly cpuMicros: number;
};

/** What was measured of one call of Concord and of one peer at one concurrency, round by round in turn. */
export function compare(
  names: Pick<Comparison, "call" | "peer" | "concurrency" | "target">,
  { concord, other }: { readonly concord: readonly Round[]; readonly other: readonly Round[] },
): Comparison {
  const rates = (rounds: readonly Round[]): readonly number[] => rounds.map(({ perSecond }) => perSecond);
  const costs = (rounds: readonly Round[]): readonly number[] => rounds.map(({ cpuMicros }) => cpuMicros);
  return {
    ...names,
    concord: summaryOf(concord),
    other: summaryOf(other),
    ratio: spread(ratios(rates(concord), rates(other))),
    byCpu: median(ratios(costs(other), costs(concord))),
  };
}

function summaryOf(rounds: readonly Round[]): Summary {
  return {
    perSecond: spread(rounds.map(({ perSecond }) => perSecond)),
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
    failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
    cpuMicros: median(rounds.map(({ cpuMicros }) => cpuMicros)),
  };
}

/** Where two figures are in a column, the first is Concord's. */
export const comparisonHead = [
  "call",
  "peer",
  "at once",
  "per second",
  "ratio",
  "from - to",
  "target",
  "cpu us",
  "by cpu",
  "p50 ms",
  "p99 ms",
  "failed",
];

export function comparisonRow({ call, peer, concurrency, concord, other, ratio, byCpu, target }: Comparison): string[] {
  const both = (text: (summary: Summary) => string): string => `${text(concord)} : ${text(other)}`;
  return [
    call,
    peer,
    String(concurrency),
    both(({ perSecond }) => perSecond.median.toFixed(0)),
    ratio.median.toFixed(2),
    `${ratio.min.toFixed(2)} - ${ratio.max.toFixed(2)}`,
    target === undefined ? "" : `≥ ${target} ${ratio.median >= target ? "met" : "missed"}`,
    both(({ cpuMicros }) => cpuMicros.toFixed(0)),
    byCpu.toFixed(2),
    both(({ p50Ms }) => p50Ms.toFixed(2)),
    both(({ p99Ms }) => p99Ms.toFixed(2)),
    both(({ failed }) => String(failed)),
  ];
}
