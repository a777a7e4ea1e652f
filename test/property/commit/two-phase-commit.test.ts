import fc from "fast-check";
import { expect, test } from "vitest";
import type { VoteValue } from "../../../src/commit/core/types.ts";
import { createWorld, type World } from "./network.ts";

const vote = fc.constantFrom<VoteValue>("commit", "commit", "commit", "abort", "read-only");

/** Not `fc.double`: that is uniform over the representations, so nearly always tiny. */
const unit = fc.nat(9_999).map((n) => n / 10_000);

/** One to four participants, and a schedule of steps, losses, duplicates, crashes, timeouts and replacements. */
const run = fc.record({
  votes: fc
    .array(vote, { minLength: 1, maxLength: 4 })
    .map((votes) => Object.fromEntries(votes.map((each, i) => [`p${i}`, each]))),
  schedule: fc.array(fc.tuple(unit, unit), { minLength: 10, maxLength: 150, size: "max" }),
});

const states = (world: World) => world.participants.map(({ record }) => record?.state);

/** specs/TwoPhaseCommit.tla: Agreement, CommitValidity, ForgetSafe, ClientAckDurable. */
function checkSafety(world: World): void {
  const ends = states(world);
  const committed = ends.includes("committed");
  expect(committed && ends.includes("aborted"), "Agreement").toBe(false);
  if (committed) {
    const unbound = world.participants.filter(({ record }) => record?.state !== "prepared" && record?.state !== "committed");
    expect(
      unbound.every(({ vote }) => vote === "read-only"),
      "CommitValidity",
    ).toBe(true);
  }
  if (world.log?.phase === "COMPLETED" && world.log.outcome === "committed") {
    const promised = world.participants.filter(({ vote }) => vote === "commit");
    expect(
      promised.every(({ record }) => record?.state === "committed"),
      "ForgetSafe",
    ).toBe(true);
  }
  if (world.told === "committed") expect(ends.includes("aborted"), "ClientAckDurable").toBe(false);
  if (world.told === "aborted") expect(committed, "ClientAckDurable").toBe(false);
}

test("Agreement, CommitValidity, ForgetSafe and ClientAckDurable hold after each step, and once healed nobody is in doubt", () => {
  const seen = { committed: 0, aborted: 0, takenOver: 0 };
  fc.assert(
    fc.property(run, ({ votes, schedule }) => {
      const world = createWorld(votes);
      for (const [kind, which] of schedule) {
        world.act(kind, which);
        checkSafety(world);
      }
      world.heal();
      checkSafety(world);
      expect(states(world), "InDoubtResolves").not.toContain("prepared");
      for (const { record, resource, vote } of world.participants) {
        const isCommitted = record?.state === "committed" && vote === "commit";
        expect(resource === "committed", "the resource did what the record says").toBe(isCommitted);
      }
      expect(world.log?.phase ?? "COMPLETED", "CommitEventuallyForgotten").toBe("COMPLETED");
      if (states(world).includes("committed")) seen.committed += 1;
      else seen.aborted += 1;
      if (world.coordinator.epoch > 1 && world.log?.outcome === "committed") seen.takenOver += 1;
    }),
    { numRuns: 2_000 },
  );
  // Not vacuous: both outcomes, and commits that a take-over completed.
  expect(Math.min(seen.committed, seen.aborted, seen.takenOver)).toBeGreaterThan(0);
});

/** 2 to 10 votes: all yes, all no, or any mixture. */
const manyVotes = fc
  .oneof(fc.constant(fc.constant<VoteValue>("commit")), fc.constant(fc.constant<VoteValue>("abort")), fc.constant(vote))
  .chain((each) => fc.array(each, { minLength: 2, maxLength: 10 }))
  .map((votes) => Object.fromEntries(votes.map((each, i) => [`p${i}`, each])));

test("2 to 10 participants whose messages are reordered and duplicated: committed everywhere unless one votes no, and then nowhere", () => {
  const seen = { committed: 0, aborted: 0 };
  fc.assert(
    fc.property(manyVotes, fc.array(fc.tuple(unit, unit), { maxLength: 200, size: "max" }), (votes, schedule) => {
      const world = createWorld(votes, false);
      for (const [kind, which] of schedule) {
        world.act(kind, which);
        checkSafety(world);
      }
      world.heal();
      checkSafety(world);
      const outcome = Object.values(votes).includes("abort") ? "aborted" : "committed";
      seen[outcome] += 1;
      expect(world.told).toBe(outcome);
      for (const { vote: given, resource } of world.participants) {
        expect(resource).toBe(outcome === "committed" && given === "commit" ? "committed" : "nothing");
      }
    }),
    { numRuns: 1_000 },
  );
  expect(Math.min(seen.committed, seen.aborted)).toBeGreaterThan(0);
});

test("NoFaultAllYesCommits: without failures a transaction commits unless somebody votes no", () => {
  fc.assert(
    fc.property(run, ({ votes }) => {
      const world = createWorld(votes);
      world.heal();
      expect(world.told).toBe(Object.values(votes).includes("abort") ? "aborted" : "committed");
    }),
  );
});
