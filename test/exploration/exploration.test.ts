import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { planted } from "../simulation/planted.ts";
import { explore } from "./explore.ts";
import type { Model } from "./models.ts";
import { hunt, mutants } from "./mutants.ts";
import { violatedInvariants } from "./spec.ts";
import { createWorld } from "./world.ts";

// The comparison with TLC's graph and the larger worlds are in `make verify`.
const small: readonly Model["constants"][] = [
  { participants: ["p1"], maxEpoch: 2, maxPartCrash: 1, may: ["no", "timeout"] },
  { participants: ["p1", "p2"], maxEpoch: 1, maxPartCrash: 0, may: ["no"] },
  { participants: ["p1", "p2", "p3"], maxEpoch: 1, maxPartCrash: 0, may: [] },
];

for (const constants of small) {
  const { participants, maxEpoch, may } = constants;
  test(`${participants.length} participants, ${maxEpoch} epochs, may ${may}: the cores keep the invariants of the spec`, () => {
    const { violation, complete, states } = explore(constants, {});
    expect(violation).toBeUndefined();
    expect(complete).toBe(true);
    expect(states).toBeGreaterThan(1_000);
  });
}

test("an operator who resolves and forgets breaks only what the lone participant has not told", () => {
  const { violation, complete } = explore(
    { participants: ["p1"], maxEpoch: 1, maxPartCrash: 1, may: ["no"], also: ["resolve"] },
    {},
  );
  expect(violation).toBeUndefined();
  expect(complete).toBe(true);
});

test("a state that breaks a promise is seen", () => {
  const { spec } = createWorld({ participants: ["p1", "p2"], maxEpoch: 1, maxPartCrash: 0, may: [] }).initial;
  expect(violatedInvariants(spec, ["p1", "p2"])).toEqual([]);
  expect(violatedInvariants({ ...spec, part: ["committed", "aborted"] }, ["p1", "p2"])).toContain("Agreement");
});

test("who is not in the record of a commit has voted read-only, though it may have refused since", () => {
  const { spec } = createWorld({ participants: ["p1", "p2"], maxEpoch: 1, maxPartCrash: 0, may: [] }).initial;
  const refused = { ...spec, log: { ...spec.log, rec: "commit", voters: ["p1"] }, part: ["prepared", "refused"] } as const;
  expect(violatedInvariants(refused, ["p1", "p2"])).toContain("CommitValidity");
  expect(violatedInvariants({ ...refused, net: ["readonly p2"] }, ["p1", "p2"])).not.toContain("CommitValidity");
});

test("each mutant and each planted fault finds its place in the code, once", () => {
  const lost = [...mutants, ...planted].filter(({ file, find }) => {
    return readFileSync(join(import.meta.dirname, "../..", file), "utf8").split(find).length !== 2;
  });
  expect(lost.map(({ name }) => name)).toEqual([]);
});

test("a core that votes before its promise is durable is found by exploration and by simulation", async () => {
  const mutant = mutants.find(({ name }) => name === "vote before the force");
  if (!mutant) throw new Error("there is no such mutant");
  const verdict = await hunt(mutant);
  expect(verdict.exploration).toContain("WriteAheadVote");
  expect(verdict.simulation).toContain("WriteAheadVote");
});
