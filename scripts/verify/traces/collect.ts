import type { TraceEvent } from "../../../src/commit/core/trace.ts";
import { secondAddresses } from "../../../test/simulation/participants.ts";
import { simulate } from "../../../test/simulation/world.ts";
import { mergeTraces, type Trace } from "./merge.ts";

export type Collected = {
  /** Equal ones once; `transaction` says where the first was found. */
  readonly traces: readonly Trace[];
  readonly transactions: number;
  readonly events: number;
  readonly leftOut: ReadonlyMap<string, number>;
};

/** The traces of all recordings. Each has a name, for a reader who wants to find it again. */
export function collect(recordings: Iterable<readonly [name: string, events: readonly TraceEvent[]]>): Collected {
  const traces = new Map<string, Trace>();
  const leftOut = new Map<string, number>();
  let transactions = 0;
  let events = 0;
  for (const [name, recorded] of recordings) {
    const merged = mergeTraces(recorded);
    for (const [why, count] of merged.leftOut) leftOut.set(why, (leftOut.get(why) ?? 0) + count);
    for (const trace of merged.traces) {
      transactions += 1;
      events += trace.steps.length;
      const key = JSON.stringify([trace.participantCount, trace.steps]);
      if (!traces.has(key)) traces.set(key, { ...trace, transaction: `${trace.transaction} of ${name}` });
    }
  }
  return { traces: [...traces.values()], transactions, events, leftOut };
}

/** What the cores do in simulated worlds. */
export async function recordSimulations(seeds: number): Promise<readonly (readonly [string, readonly TraceEvent[]])[]> {
  const recordings: (readonly [string, readonly TraceEvent[]])[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const events: TraceEvent[] = [];
    await simulate({
      seed,
      participantsMin: 2,
      participantsMax: 5,
      // In the specs a participant has one session at a time, and only its coordinator ends what it has promised.
      without: [secondAddresses, "operators of holds"],
      onTrace: (event) => void events.push(event),
    });
    recordings.push([`seed ${seed}`, events]);
  }
  return recordings;
}
