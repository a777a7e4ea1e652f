// What watchers cost the writer: so many moves with them and without, in turns, and how long it takes until all watchers have all events.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Span } from "./load.ts";
import { measure, type Place, type Round } from "./measure.ts";
import type { Operation } from "./operations.ts";
import { processUse } from "./proc.ts";
import { succeededPerSecond } from "./row.ts";
import { poolSize } from "./shape.ts";
import { added, type Counts, median, total } from "./statistics.ts";

export type Watched = {
  readonly watchers: number;
  /** Of all events; or each of those of one workflow, another one. */
  readonly of: "all events" | "one workflow each";
  /** In one round. */
  readonly moves: number;
};

/** So few moves with many watchers: each of them is told of each move. */
export const watchedInTurn: readonly Watched[] = [
  { watchers: 1, of: "all events", moves: 10_000 },
  { watchers: 100, of: "all events", moves: 2_000 },
  { watchers: 1000, of: "all events", moves: 500 },
  { watchers: 1000, of: "one workflow each", moves: 2 * poolSize },
];

export type FanOut = Watched & {
  readonly perSecond: number;
  readonly without: number;
  readonly ratio: number;
  /** From the first move to the last event that a watcher got. */
  readonly toldAfterMs: number;
  readonly toldPerSecond: number;
  /** Events that a watcher should have got, and has not, after the time that it was given. */
  readonly missing: number;
  /** Microseconds of the server's CPU for each event that one watcher was told, what the move itself costs without watchers left out. */
  readonly eventMicros: number;
  /** Of moves, with them and without. */
  readonly failures: Counts;
  readonly met: boolean;
};

/** Callers that move workflows at once. */
const concurrency = 64;

/** To the last event after the last move. */
const patienceMs = 60_000;

/** What two measurements of the same may differ by: less is no cost. */
const noCost = 0.95;

type Told = {
  readonly perSecond: number;
  readonly tookMs: number;
  readonly told: number;
  readonly missing: number;
  readonly failures: Counts;
  readonly moves: number;
  readonly cpuMicros: number;
};

export async function measureFanOut(place: Place, move: Operation, watched: Watched, rounds: number): Promise<FanOut> {
  const [withThem, without]: [Told[], Round[]] = [[], []];
  const span = { type: "count", count: watched.moves } as const;
  for (let round = 0; round < rounds; round += 1) {
    withThem.push(await watchedMoves(place, move, watched, span));
    without.push(await measure(place, move, concurrency, span));
  }
  const of = (read: (told: Told) => number): number => median(withThem.map(read));
  const rates = without.map(succeededPerSecond);
  const ratio = median(withThem.map(({ perSecond }, round) => perSecond / (rates[round] ?? Number.NaN)));
  const missing = withThem.reduce((sum, each) => sum + each.missing, 0);
  return {
    ...watched,
    perSecond: of(({ perSecond }) => perSecond),
    without: median(rates),
    ratio,
    toldAfterMs: of(({ tookMs }) => tookMs),
    toldPerSecond: of(({ told, tookMs }) => (told * 1000) / tookMs),
    missing,
    eventMicros: median(withThem.map((each, round) => eventMicros(each, without[round]))),
    failures: added([...withThem, ...without].map(({ failures }) => failures)),
    met: ratio >= noCost && missing === 0,
  };
}

function eventMicros({ cpuMicros, moves, told }: Told, without: Round | undefined): number {
  return without === undefined ? Number.NaN : (cpuMicros - moves * total(without.eachCpuMicros)) / told;
}

async function watchedMoves(place: Place, move: Operation, { watchers, of }: Watched, span: Span): Promise<Told> {
  const args = [String(place.server.port), String(watchers), of === "all events" ? "all" : "each"];
  const child = fork(join(import.meta.dirname, "watchers.ts"), args);
  try {
    await once(child, "message");
    const [startedMs, startedMicros] = [performance.now(), total(processUse(place.server.pid).cpuMicros)];
    const round = await measure(place, move, concurrency, span);
    const { succeeded, failures } = round;
    // The moves go through the pool in turns, so each of its workflows has had as many, or one more or less.
    const wanted = of === "all events" ? { expected: succeeded * watchers } : { atLeast: Math.floor(succeeded / poolSize) - 1 };
    const { told, missing } = await toldWhenDone(child, wanted);
    return {
      perSecond: succeededPerSecond(round),
      tookMs: performance.now() - startedMs,
      told,
      missing,
      failures,
      moves: succeeded,
      cpuMicros: total(processUse(place.server.pid).cpuMicros) - startedMicros,
    };
  } finally {
    child.disconnect();
    if (child.exitCode === null) await once(child, "exit");
  }
}

/** Of all watchers together, or of each. */
type Wanted = { readonly expected: number } | { readonly atLeast: number };

async function toldWhenDone(child: ChildProcess, wanted: Wanted): Promise<Pick<Told, "told" | "missing">> {
  const givesUpAtMs = performance.now() + patienceMs;
  for (;;) {
    child.send("report");
    const [{ events }] = (await once(child, "message")) as [{ readonly events: readonly number[] }];
    const told = events.reduce((sum, count) => sum + count, 0);
    const missing =
      "expected" in wanted ? wanted.expected - told : events.reduce((sum, count) => sum + Math.max(0, wanted.atLeast - count), 0);
    if (missing <= 0 || performance.now() > givesUpAtMs) return { told, missing };
    await pause(20);
  }
}
