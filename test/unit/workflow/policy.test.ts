import { describe, expect, it, test } from "vitest";
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

test("what is wrong with deadlines and with recoveries is told together, before anything of where they lead", () => {
  const recovery = { initialBackoffMs: 1_000, multiplier: 2, maxBackoffMs: 999 };
  const wrong = deadline({ state: "CREATED", targetState: "COMPLETED" });
  const round = [
    deadline({ afterMs: 1, targetState: "PAUSED" }),
    deadline({ state: "PAUSED", afterMs: 1, targetState: "ACTIVE" }),
  ];
  expect(policyProblems({ deadlines: [...round, wrong], recovery }).map(({ field }) => field)).toEqual([
    "deadlines[2].target_state",
    "recovery.max_backoff",
  ]);
  expect(policyProblems({ deadlines: [...round, wrong] }).map(({ field }) => field)).toEqual(["deadlines[2].target_state"]);
});

describe("deadlines that lead round for ever", () => {
  const round = (activeMs: number, pausedMs: number) => [
    deadline({ afterMs: activeMs, targetState: "PAUSED" }),
    deadline({ state: "PAUSED", afterMs: pausedMs, targetState: "ACTIVE" }),
  ];
  const recovering = [deadline({ afterMs: 1 }), deadline({ state: "FAILED", afterMs: 1, targetState: "ACTIVE" })];
  const recovery = { initialBackoffMs: 0, multiplier: 2, maxBackoffMs: 60_000 };

  it("are refused if that takes less than a minute, naming the states", () => {
    expect(policyProblems({ deadlines: round(1, 1) })).toEqual([
      {
        field: "deadlines[0].after",
        description: "the deadlines ACTIVE → PAUSED → ACTIVE lead round for ever, in 2 ms; that must take at least 60 s in all",
      },
    ]);
    expect(policyProblems({ deadlines: round(59_000, 999) })).toHaveLength(1);
    expect(policyProblems({ deadlines: round(59_000, 1_000) })).toEqual([]);
  });

  it("are found behind a state that leads into them", () => {
    const into = deadline({ state: "CREATED", targetState: "ACTIVE" });
    expect(policyProblems({ deadlines: [into, ...round(1, 1)] })).toMatchObject([{ field: "deadlines[1].after" }]);
  });

  it("may recover if recoveries come to an end, or wait long enough", () => {
    const [problem] = policyProblems({ deadlines: recovering });
    expect(problem?.description).toMatch(/^the deadlines ACTIVE → FAILED → ACTIVE .* or recovery\.max_attempts be set$/);
    expect(policyProblems({ deadlines: recovering, recovery })).toHaveLength(1);
    expect(policyProblems({ deadlines: recovering, recovery: { ...recovery, maxAttempts: 3 } })).toEqual([]);
    expect(policyProblems({ deadlines: recovering, recovery: { ...recovery, initialBackoffMs: 60_000 } })).toEqual([]);
    expect(policyProblems({ deadlines: round(1, 1), recovery: { ...recovery, maxAttempts: 3 } })).toHaveLength(1);
  });
});
