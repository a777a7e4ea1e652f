import { simulate } from "../../../../test/simulation/world.ts";
import { type Merged, mergeSessions, type Recorded } from "./merge.ts";

/** What happens around the cores in simulated worlds, whose decision logs are watched. */
export async function recordSessions(seeds: readonly number[]): Promise<readonly Merged[]> {
  const merged: Merged[] = [];
  for (const seed of seeds) {
    const events: Recorded[] = [];
    await simulate({
      seed,
      participantsMin: 2,
      participantsMax: 3,
      onlyCommit: true,
      // What they resolve is left out.
      without: ["operators"],
      onTrace: (event) => void events.push(event),
      onLog: (event) => void events.push(event),
    });
    merged.push(mergeSessions(`seed ${seed}`, events));
  }
  return merged;
}
