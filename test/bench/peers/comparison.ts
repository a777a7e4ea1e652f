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
  /** Of the median ratio, at least. Unset: there is none at this concurrency. */
  readonly target: number | undefined;
};

export type Summary = { readonly perSecond: Spread; readonly p50Ms: number; readonly p99Ms: number; readonly failed: number };

/** What was measured of one call of Concord and of one peer at one concurrency, round by round in turn. */
export function compare(
  names: Pick<Comparison, "call" | "peer" | "concurrency" | "target">,
  { concord, other }: { readonly concord: readonly Round[]; readonly other: readonly Round[] },
): Comparison {
  const rates = (rounds: readonly Round[]): readonly number[] => rounds.map(({ perSecond }) => perSecond);
  return { ...names, concord: summaryOf(concord), other: summaryOf(other), ratio: spread(ratios(rates(concord), rates(other))) };
}

function summaryOf(rounds: readonly Round[]): Summary {
  return {
    perSecond: spread(rounds.map(({ perSecond }) => perSecond)),
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
    failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
  };
}

/** Of Concord and the peer: rates, latencies, failures. */
export const comparisonHead = [
  "call",
  "peer",
  "at once",
  "per second",
  "ratio",
  "from - to",
  "target",
  "p50 ms",
  "p99 ms",
  "failed",
];

export function comparisonRow({ call, peer, concurrency, concord, other, ratio, target }: Comparison): string[] {
  const both = (text: (summary: Summary) => string): string => `${text(concord)} : ${text(other)}`;
  return [
    call,
    peer,
    String(concurrency),
    both(({ perSecond }) => perSecond.median.toFixed(0)),
    ratio.median.toFixed(2),
    `${ratio.min.toFixed(2)} - ${ratio.max.toFixed(2)}`,
    target === undefined ? "" : `≥ ${target} ${ratio.median >= target ? "met" : "missed"}`,
    both(({ p50Ms }) => p50Ms.toFixed(2)),
    both(({ p99Ms }) => p99Ms.toFixed(2)),
    both(({ failed }) => String(failed)),
  ];
}
