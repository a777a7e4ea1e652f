import type { Round } from "./measure.ts";
import type { Operation } from "./operations.ts";
import { added, type Counts, median, type Spread, spread } from "./statistics.ts";

/** One operation at one concurrency, over all rounds: medians, if nothing else is said. */
export type Row = {
  readonly operation: string;
  readonly concurrency: number;
  readonly items: Operation["items"];
  /** Calls that succeeded. */
  readonly perSecond: Spread;
  /** To the empty call behind the middleware, round by round. Unset: there is none to compare with. */
  readonly ofEcho: Spread | undefined;
  /** What it would be if the main thread alone bounded the rate: its CPU for an echo to its CPU for this. Others' work changes that less. */
  readonly ofEchoByCpu: number | undefined;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicros: Counts;
  readonly writtenBytes: number;
  readonly flushes: Counts;
  /** Of transactions: for each one, and of participants for each of them. */
  readonly transaction: Counts | undefined;
  /** Of all rounds together. */
  readonly failures: Counts;
  /** The largest. */
  readonly generatorShare: number;
  readonly rounds: readonly Round[];
};

export const succeededPerSecond = ({ perSecond, succeededShare }: Round): number => perSecond * succeededShare;

const mainMicros = ({ eachCpuMicros }: Round): number => eachCpuMicros["main"] ?? Number.NaN;

export function rowOf(
  { name, items, participantCount }: Operation,
  concurrency: number,
  rounds: readonly Round[],
  echoRounds: readonly Round[] | undefined,
): Row {
  const rates = rounds.map(succeededPerSecond);
  return {
    operation: name,
    concurrency,
    items,
    perSecond: spread(rates),
    ofEcho: echoRounds && spread(ratios(rates, echoRounds.map(succeededPerSecond))),
    ofEchoByCpu: echoRounds && median(ratios(echoRounds.map(mainMicros), rounds.map(mainMicros))),
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
    cpuMicros: medians(rounds.map(({ eachCpuMicros }) => eachCpuMicros)),
    writtenBytes: median(rounds.map(({ eachWrittenBytes }) => eachWrittenBytes)),
    flushes: medians(rounds.map(({ eachFlushes }) => eachFlushes)),
    transaction: transactionCounts(rounds, participantCount),
    failures: added(rounds.map(({ failures }) => failures)),
    generatorShare: Math.max(...rounds.map(({ generatorShare }) => generatorShare)),
    rounds,
  };
}

/** What was measured one after the other, and so met the same machine. */
export const ratios = (rates: readonly number[], limits: readonly number[]): readonly number[] =>
  rates.map((rate, index) => rate / (limits[index] ?? Number.NaN));

function medians(all: readonly Counts[]): Counts {
  const names = new Set(all.flatMap((counts) => Object.keys(counts)));
  return Object.fromEntries([...names].map((name) => [name, median(all.map((counts) => counts[name] ?? 0))]));
}

function transactionCounts(rounds: readonly Round[], participantCount: number): Counts | undefined {
  const counted = rounds.flatMap(({ counters }) => (counters === undefined ? [] : [counters]));
  if (counted.length === 0) return undefined;
  const sums = added(counted);
  const sum = (name: keyof (typeof counted)[0]): number => sums[name] ?? 0;
  return {
    messages: sum("messages") / sum("begun"),
    forcedWrites: sum("forced") / sum("committed"),
    flushes: sum("flushes") / sum("begun"),
    participantFlushes: sum("participantFlushes") / sum("begun") / participantCount,
  };
}
