import { expect, test } from "vitest";
import { policyProblems, type StateDeadline } from "../../../src/workflow/core/policy.ts";

const deadline = (changes: Partial<StateDeadline> = {}): StateDeadline => ({
  state: "ACTIVE",
  afterMs: 1_000,
  targetState: "FAILED",
  reason: "too slow",
  ...changes,
});

test("a deadline of a state leads where the lifecycle does, and a state has one", () => {
  expect(policyProblems({ deadlines: [deadline(), deadline({ state: "PAUSED", targetState: "CANCELLED" })] })).toEqual([]);
  expect(
    policyProblems({
      deadlines: [deadline(), deadline({ targetState: "PAUSED" }), deadline({ state: "FAILED", targetState: "COMPLETED" })],
    }),
  ).toEqual([
    { field: "deadlines[1].state", description: "ACTIVE has a deadline already; a state has one" },
    { field: "deadlines[2].target_state", description: "must be one of ACTIVE, CANCELLED, where FAILED can go" },
  ]);
});

test("the longest pause before a recovery is not shorter than the first", () => {
  const recovery = { initialBackoffMs: 1_000, multiplier: 2, maxBackoffMs: 1_000 };
  expect(policyProblems({ deadlines: [], recovery })).toEqual([]);
  expect(policyProblems({ deadlines: [], recovery: { ...recovery, maxBackoffMs: 999 } })).toEqual([
    { field: "recovery.max_backoff", description: "must be at least initial_backoff" },
  ]);
});
