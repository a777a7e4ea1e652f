// What watchers cost the writer: so many moves with them and without, in turns, and how long it takes until all watchers have all events.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Place } from "./measure.ts";
import { measure } from "./measure.ts";
import type { Operation } from "./operations.ts";
import { succeededPerSecond } from "./row.ts";
import { poolSize } from "./shape.ts";
import { median } from "./statistics.ts";

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
  readonly met: boolean;
};

/** Callers that move workflows at once. */
const concurrency = 64;

/** To the last event after the last move. */
const patienceMs = 60_000;

/** What two measurements of the same may differ by: less is no cost. */
const noCost = 0.95;

type Told = { readonly perSecond: number; readonly tookMs: number; readonly told: number; readonly missing: number };

export async function measureFanOut(place: Place, move: Operation, watched: Watched, rounds: number): Promise<FanOut> {
  const [withThem, without]: [Told[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    withThem.push(await watchedMoves(place, move, watched));
    without.push(await movesPerSecond(place, move, watched.moves));
  }
  const of = (read: (told: Told) => number): number => median(withThem.map(read));
  const ratio = median(withThem.map(({ perSecond }, round) => perSecond / (without[round] ?? Number.NaN)));
  const missing = withThem.reduce((sum, each) => sum + each.missing, 0);
  return {
    ...watched,
    perSecond: of(({ perSecond }) => perSecond),
    without: median(without),
    ratio,
    toldAfterMs: of(({ tookMs }) => tookMs),
    toldPerSecond: of(({ told, tookMs }) => (told * 1000) / tookMs),
    missing,
    met: ratio >= noCost && missing === 0,
  };
}

async function movesPerSecond(place: Place, move: Operation, moves: number): Promise<number> {
  const round = await measure(place, move, concurrency, { type: "count", count: moves });
  if (Object.keys(round.failures).length > 0) throw new Error(`moves failed: ${JSON.stringify(round.failures)}`);
  return succeededPerSecond(round);
}

async function watchedMoves(place: Place, move: Operation, { watchers, of, moves }: Watched): Promise<Told> {
  const args = [String(place.server.port), String(watchers), of === "all events" ? "all" : "each"];
  const child = fork(join(import.meta.dirname, "watchers.ts"), args);
  try {
    await once(child, "message");
    const startedMs = performance.now();
    const perSecond = await movesPerSecond(place, move, moves);
    // The moves go through the pool in turns, so each of its workflows has had as many, or one more or less.
    const expected = of === "all events" ? moves * watchers : undefined;
    const told = await toldWhenDone(child, { expected, atLeast: Math.floor(moves / poolSize) - 1 });
    return { perSecond, tookMs: performance.now() - startedMs, told: told.told, missing: told.missing };
  } finally {
    child.disconnect();
    if (child.exitCode === null) await once(child, "exit");
  }
}

type Wanted = { readonly expected: number | undefined; readonly atLeast: number };

async function toldWhenDone(child: ChildProcess, { expected, atLeast }: Wanted): Promise<{ told: number; missing: number }> {
  const givesUpAtMs = performance.now() + patienceMs;
  for (;;) {
    child.send("report");
    const [{ events }] = (await once(child, "message")) as [{ readonly events: readonly number[] }];
    const told = events.reduce((sum, count) => sum + count, 0);
    const missing =
      expected === undefined ? events.reduce((sum, count) => sum + Math.max(0, atLeast - count), 0) : expected - told;
    if (missing <= 0 || performance.now() > givesUpAtMs) return { told, missing };
    await pause(20);
  }
}
