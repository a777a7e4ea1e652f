import type { Span } from "./load.ts";
import { measure, type Place, type Round } from "./measure.ts";
import { atHalf, echo, type Operation, operations, transition } from "./operations.ts";
import { type Row, rowOf } from "./row.ts";

export type Timing = { readonly durationMs: number; readonly rounds: number };

/** Before each measurement, of its time. */
export const warmUpShare = 0.25;

/** Of more calls at once each takes longer, and there are to be some waves of them. */
export const calmConcurrency = 256;

export function spanOf({ durationMs: each }: Timing, concurrency: number, perSecond?: number): Span {
  const durationMs = each * Math.max(1, Math.log2(concurrency / calmConcurrency));
  return { type: "time", warmUpMs: durationMs * warmUpShare, durationMs, perSecond };
}

/** Calls at once before anything is measured. */
const warmingConcurrency = 16;

/** Each operation once, for nothing: until V8 has compiled what a call needs, it takes several times as long. */
export async function warmUp(chosen: readonly Operation[], place: Place, timing: Timing): Promise<void> {
  for (const operation of chosen) {
    progress(`warming up: ${operation.name}`);
    await measure(place, operation, warmingConcurrency, spanOf(timing, warmingConcurrency));
  }
}

/** All operations take turns, round by round, so that what else the machine does meets all of them. */
export async function measureAt(concurrency: number, chosen: readonly Operation[], place: Place, timing: Timing): Promise<Row[]> {
  const measured = new Map<Operation, Round[]>();
  for (const operation of chosen) if (concurrency <= operation.concurrencyMax) measured.set(operation, []);
  for (let round = 1; round <= timing.rounds; round += 1) {
    for (const [operation, results] of measured) {
      progress(`${concurrency} at once, round ${round} of ${timing.rounds}: ${operation.name}`);
      results.push(await measure(place, operation, concurrency, spanOf(timing, concurrency)));
    }
  }
  progress();
  const empty = [...measured].find(([{ name }]) => name === echo)?.[1];
  return [...measured].map(([operation, results]) => rowOf(operation, concurrency, results, empty));
}

/** Calls under way, at most, of a load that has a rate of its own. */
const openConcurrency = 256;

/** Moves at half of the best rate that was measured: how long calls take on a server that is at work and not at its limit. */
export async function measureAtHalf(rows: readonly Row[], place: Place, timing: Timing): Promise<readonly Row[]> {
  const own = rows.filter(({ operation }) => operation === transition);
  if (own.length === 0) return [];
  const best = Math.max(...own.map(({ perSecond }) => perSecond.median));
  const move = operationNamed(transition);
  const results: Round[] = [];
  for (let round = 1; round <= timing.rounds; round += 1) {
    progress(`${atHalf}, round ${round} of ${timing.rounds}`);
    results.push(await measure(place, move, openConcurrency, spanOf(timing, openConcurrency, best / 2)));
  }
  progress();
  return [rowOf({ ...move, name: atHalf }, openConcurrency, results, undefined)];
}

export function operationNamed(wanted: string): Operation {
  const found = operations.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`there is no operation ${wanted}`);
  return found;
}

/** One line, which the next one takes the place of. Nothing: it goes. */
export function progress(words = ""): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${words}`);
  else if (words !== "") process.stderr.write(`${words}\n`);
}
