import { secondAddresses } from "../../../../test/simulation/participants.ts";
import { simulate } from "../../../../test/simulation/world.ts";
import type { Logged } from "./log-steps.ts";

/** What the manager's store was told, what the engine said, and what all cores did, in the order in which it happened. */
export type Recording = { readonly name: string; readonly happened: readonly Logged[] };

export async function recordManagers(seeds: number): Promise<readonly Recording[]> {
  const recordings: Recording[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const happened: Logged[] = [];
    await simulate({
      seed,
      participantsMin: 2,
      participantsMax: 5,
      // Of these the specs say nothing, or leave it to whoever asks.
      without: ["policies of workflows", "bulk operations", "operators of holds", secondAddresses],
      onTrace: (event) => void happened.push({ type: "core", event }),
      onManager: (event) => void happened.push(event),
    });
    recordings.push({ name: `seed ${seed}`, happened });
  }
  return recordings;
}
