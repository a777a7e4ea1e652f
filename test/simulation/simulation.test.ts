import { expect, test } from "vitest";
import { runSeeds } from "./run.ts";
import { simulate } from "./world.ts";

/** `make verify` runs 2,000, and asks whether everything has happened. */
const seeds = 60;

test("worlds in which everything fails: the invariants hold, all ends, and a world is the same the second time", async () => {
  const run = await runSeeds({ firstSeed: 1, seeds, participantsMin: 2, participantsMax: 5 });
  const failures = run.failures.map(({ seed, failure }) => `${failure}: bin/concord simulate --seed ${seed} --verbose`);
  expect(failures).toEqual([]);
  expect(run.seeds).toBe(seeds);
});

test("another seed is another world", async () => {
  const world = (seed: number) => simulate({ seed, participantsMin: 3, participantsMax: 3 });
  expect((await world(1)).traceHash).not.toBe((await world(2)).traceHash);
});

test("10 participants", async () => {
  const run = await runSeeds({ firstSeed: 1, seeds: 10, participantsMin: 10, participantsMax: 10 });
  expect(
    run.failures.map(({ seed, failure }) => `${failure}: bin/concord simulate --seed ${seed} --participants 10 --verbose`),
  ).toEqual([]);
});
