import { expect, test } from "vitest";
import { explore } from "./explore.ts";
import { comparedModels } from "./models.ts";
import { hunt, mutants } from "./mutants.ts";
import { violatedInvariants } from "./spec.ts";
import { createWorld } from "./world.ts";

// The comparison with TLC's graph and the larger worlds are in `make verify`.
const small = comparedModels.filter(({ statesMax }) => statesMax <= 100_000);

for (const { name, constants, statesMax } of small) {
  test(`${name}: every state that the cores can reach keeps the invariants of the spec`, () => {
    const { violation, complete, states } = explore(constants, { statesMax });
    expect(violation).toBeUndefined();
    expect(complete).toBe(true);
    expect(states).toBeGreaterThan(1_000);
  });
}

test("a state that breaks a promise is seen", () => {
  const { spec } = createWorld({ participants: ["p1", "p2"], maxEpoch: 1, maxPartCrash: 0, may: [] }).initial;
  expect(violatedInvariants(spec, ["p1", "p2"], 0)).toEqual([]);
  expect(violatedInvariants({ ...spec, part: ["committed", "aborted"] }, ["p1", "p2"], 0)).toContain("Agreement");
});

test("a core that votes before its promise is durable is found by exploration and by simulation", () => {
  const mutant = mutants.find(({ name }) => name === "vote before the force");
  if (!mutant) throw new Error("there is no such mutant");
  const verdict = hunt(mutant);
  expect(verdict.exploration).toContain("WriteAheadVote");
  expect(verdict.simulation).toContain("CommitValidity");
});
