// Run by mutants.ts in a copy of the code with one mistake in it. Prints what finds the mistake.
import { simulate } from "../simulation/world.ts";
import { explore } from "./explore.ts";
import { huntModels } from "./models.ts";
import type { Verdict } from "./mutants.ts";

const seeds = 50;

function byExploration(): string | undefined {
  for (const { constants, statesMax } of huntModels) {
    const { violation } = explore(constants, { statesMax });
    if (violation) return `${violation.what} (${violation.path.length} steps)`;
  }
  return undefined;
}

async function bySimulation(): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { failure } = await simulate({ seed, participantsMin: 2, participantsMax: 5, onlyCommit: true });
    if (failure !== undefined) return `${failure.slice(0, 100)} (seed ${seed})`;
  }
  return undefined;
}

const verdict: Verdict = { exploration: byExploration(), simulation: await bySimulation() };
process.stdout.write(JSON.stringify(verdict));
