import { describe, expect, it, test } from "vitest";
import type { TransactionId, WorkflowId } from "../../../src/kernel/ids.ts";
import { isMove, workflowStates } from "../../../src/kernel/lifecycle.ts";
import { deadlineAheadMsMax, deadlineProblem, isSameDeadline, type WantedDeadline } from "../../../src/workflow/core/deadline.ts";
import { noTerms, type PolicyTerms } from "../../../src/workflow/core/policy.ts";
import { refuseDeadline, setDeadline } from "../../../src/workflow/core/set-deadline.ts";
import { admit, applyMove, commitHold, create, holdMove } from "../../../src/workflow/core/step.ts";
import type { Move, Workflow } from "../../../src/workflow/core/types.ts";
import { noWarnings } from "../../../src/workflow/core/warnings.ts";

const consented = { ruleSetRevision: 1, warnings: noWarnings };
const stamp = (nowMs: number, terms: PolicyTerms = noTerms) => ({ nowMs, eventId: `at ${nowMs}`, terms });
const soon: WantedDeadline = { due: { afterMs: 500 }, targetState: "FAILED", reason: "too slow" };
const asked = { reason: "because", requestedBy: "ada" };
const policy: PolicyTerms = {
  deadlines: [
    { state: "CREATED", afterMs: 10, targetState: "ACTIVE", reason: "starts by itself" },
    { state: "ACTIVE", afterMs: 100, targetState: "FAILED", reason: "too slow" },
    { state: "FAILED", afterMs: 10, targetState: "ACTIVE", reason: "tried again" },
  ],
  recovery: { initialBackoffMs: 50, multiplier: 2, maxBackoffMs: 1_000 },
};

const createdAt = (nowMs: number, terms?: PolicyTerms, deadline?: WantedDeadline) =>
  create(
    {
      ...{ id: "w" as WorkflowId, type: "", metadata: {}, ruleSetRevision: 0 },
      ...asked,
      ...(deadline && { deadline }),
    },
    stamp(nowMs, terms),
  );

const moved = (
  workflow: Workflow,
  targetState: Move["targetState"],
  nowMs: number,
  terms?: PolicyTerms,
  deadline?: WantedDeadline,
) =>
  applyMove(
    workflow,
    { targetState, ...asked, eventMetadata: {}, request: undefined, ...(deadline && { deadline }) },
    consented,
    stamp(nowMs, terms),
    undefined,
  );

const active = (terms?: PolicyTerms, deadline?: WantedDeadline): Workflow =>
  moved(createdAt(1_000).workflow, "ACTIVE", 2_000, terms, deadline).workflow;

describe("a deadline", () => {
  it("comes with the state that a request leads to, and the event has it", () => {
    const { workflow, event } = moved(createdAt(1_000).workflow, "ACTIVE", 2_000, noTerms, soon);
    const deadline = { atMs: 2_500, targetState: "FAILED", reason: "too slow", setBy: "ada", setAtMs: 2_000 };
    expect(workflow.deadline).toEqual(deadline);
    expect(event.deadline).toEqual(deadline);
    const at: WantedDeadline = { ...soon, due: { atMs: 7_000 } };
    expect(active(noTerms, at).deadline?.atMs).toBe(7_000);
    expect(createdAt(1_000, noTerms, { ...soon, targetState: "ACTIVE" }).event.deadline?.atMs).toBe(1_500);
  });

  it("is what the policy says of the state, unless the request says otherwise", () => {
    const byPolicy = { setBy: "system:policy", setAtMs: 1_000 };
    expect(createdAt(1_000, policy).workflow.deadline).toEqual({
      ...{ atMs: 1_010, targetState: "ACTIVE", reason: "starts by itself" },
      ...byPolicy,
    });
    expect(active(policy).deadline?.atMs).toBe(2_100);
    expect(active(policy, soon).deadline).toMatchObject({ atMs: 2_500, setBy: "ada" });
    expect(moved(active(policy), "PAUSED", 3_000, policy).workflow.deadline).toBeUndefined();
  });

  it("ends with its state, and is told of in no event then", () => {
    const { workflow, event } = moved(active(noTerms, soon), "PAUSED", 2_100);
    expect(workflow.deadline).toBeUndefined();
    expect(event).not.toHaveProperty("deadline");
  });

  it("that would recover a workflow falls due when it may be recovered, not before", () => {
    const failed = moved(active(), "FAILED", 3_000, policy).workflow;
    expect(failed).toMatchObject({ recoverableAtMs: 3_050, deadline: { atMs: 3_050, targetState: "ACTIVE" } });
    const sooner = { wanted: { due: { afterMs: 1 }, targetState: "ACTIVE", reason: "now" } as const, ...asked };
    expect(setDeadline(failed, sooner, stamp(3_001)).workflow.deadline?.atMs).toBe(3_050);
    const cancelled: WantedDeadline = { ...sooner.wanted, targetState: "CANCELLED" };
    expect(setDeadline(failed, { ...sooner, wanted: cancelled }, stamp(3_001)).workflow.deadline?.atMs).toBe(3_002);
    const later: WantedDeadline = { ...sooner.wanted, due: { atMs: 9_000 } };
    expect(setDeadline(failed, { ...sooner, wanted: later }, stamp(3_001)).workflow.deadline?.atMs).toBe(9_000);
  });

  it("of a held move counts from the commit", () => {
    const hold = {
      ...{ transactionId: "t" as TransactionId, coordinatorId: "c", coordinatorEpoch: 1, preparedAtMs: 1, deadlineMs: 2 },
      ...consented,
      move: { targetState: "ACTIVE", ...asked, eventMetadata: {}, deadline: soon, request: undefined },
    } as const;
    const held = holdMove(createdAt(1_000, policy).workflow, hold);
    expect(held.deadline?.atMs).toBe(1_010);
    expect(commitHold(held, stamp(4_000, policy)).workflow.deadline).toMatchObject({ atMs: 4_500, setBy: "ada" });
    expect(() => setDeadline(held, { wanted: undefined, ...asked }, stamp(1_001))).toThrow("only the holder");
  });

  it("counts from what the clock says, also if it was set back; the record's times stay in order", () => {
    const { workflow } = moved(active(), "PAUSED", 500, noTerms, { ...soon, targetState: "CANCELLED" });
    expect(workflow).toMatchObject({ updatedAtMs: 2_000, deadline: { atMs: 1_000, setAtMs: 500 } });
  });
});

describe("a change of a deadline is one version and one event, and no move", () => {
  const before = active(policy);
  const noMove = { fromState: "ACTIVE", toState: "ACTIVE", version: 3, transactionId: undefined, ruleSetRevision: 0 };

  it("setDeadline sets another one, whatever the policy says", () => {
    const { workflow, event } = setDeadline(before, { wanted: soon, ...asked }, stamp(2_050));
    const deadline = { atMs: 2_550, targetState: "FAILED", reason: "too slow", setBy: "ada", setAtMs: 2_050 };
    expect(workflow).toEqual({ ...before, version: 3, updatedAtMs: 2_050, updatedBy: "ada", deadline });
    expect(event).toMatchObject({ type: "DEADLINE_SET", ...noMove, ...asked, occurredAtMs: 2_050, deadline });
  });

  it("setDeadline without one cancels it", () => {
    const { workflow, event } = setDeadline(before, { wanted: undefined, ...asked }, stamp(2_050));
    expect(workflow.deadline).toBeUndefined();
    expect(event).toMatchObject({ type: "DEADLINE_SET", ...noMove });
    expect(event).not.toHaveProperty("deadline");
  });

  it("refuseDeadline drops it, and says why", () => {
    const { workflow, event } = refuseDeadline(before, { why: "RULE_DENIED: cold: too warm", ruleSetRevision: 3 }, stamp(2_050));
    expect(workflow).toEqual({ ...before, version: 3, updatedAtMs: 2_050, updatedBy: "system:deadline", deadline: undefined });
    expect(event).toMatchObject({
      ...{ type: "DEADLINE_REFUSED", ...noMove, ruleSetRevision: 3 },
      ...{ reason: "RULE_DENIED: cold: too warm", requestedBy: "system:deadline" },
    });
  });

  it("can be the first change of a workflow that has not moved", () => {
    const wanted: WantedDeadline = { ...soon, targetState: "ACTIVE" };
    const { workflow } = setDeadline(createdAt(1_000).workflow, { wanted, ...asked }, stamp(1_001));
    expect(workflow).toMatchObject({ state: "CREATED", previousState: undefined, version: 2 });
  });

  it("asserts against a deadline of another state, and a recovery of what has not failed", () => {
    const look = (workflow: Workflow) => () => admit(workflow, { workflowId: workflow.id, expectedVersion: undefined });
    const wrong = { atMs: 1, targetState: "ACTIVE", reason: "", setBy: "", setAtMs: 1 } as const;
    expect(look({ ...before, deadline: wrong })).toThrow("DeadlineValidity");
    expect(look({ ...before, recoverableAtMs: 1 })).toThrow("RecoveryValidity");
    expect(() => setDeadline(before, { wanted: { ...soon, targetState: "CREATED" }, ...asked }, stamp(1))).toThrow(
      "DeadlineValidity",
    );
  });
});

test("a state can have the deadlines of the moves that lead out of it, and no other", () => {
  for (const from of workflowStates) {
    for (const targetState of workflowStates) {
      const problem = deadlineProblem(from, { ...soon, targetState }, 1_000);
      expect(problem === undefined, `${from} to ${targetState}`).toBe(isMove(from, targetState));
    }
  }
  expect(deadlineProblem("PAUSED", soon, 1_000)).toEqual({
    field: "target_state",
    description: "must be one of ACTIVE, CANCELLED, where PAUSED can go",
  });
  expect(deadlineProblem("COMPLETED", soon, 1_000)).toEqual({
    field: "target_state",
    description: "no move leads out of COMPLETED, so it can have no deadline",
  });
});

test("a time that is long past, or far ahead, is a mistake", () => {
  const nowMs = Date.UTC(2026, 0, 31);
  const problemAt = (atMs: number) => deadlineProblem("ACTIVE", { ...soon, due: { atMs } }, nowMs);
  expect(problemAt(nowMs - 60_000)).toBeUndefined();
  expect(problemAt(nowMs - 60_001)).toEqual({
    field: "at",
    description: "is in the past by more than a minute; the server's clock says 2026-01-31T00:00:00.000Z",
  });
  expect(problemAt(nowMs + deadlineAheadMsMax)).toBeUndefined();
  expect(problemAt(nowMs + deadlineAheadMsMax + 1)).toMatchObject({
    field: "at",
    description: expect.stringContaining("ten years"),
  });
});

// The system would make the move of a deadline that has been replaced, with the words of the one before.
test.each([{ atMs: 2 }, { targetState: "PAUSED" }, { reason: "another" }, { setBy: "bob" }, { setAtMs: 2 }] as const)(
  "a deadline that was set again is another one, if only this differs: %j",
  (change) => {
    const deadline = { atMs: 1, targetState: "FAILED", reason: "too slow", setBy: "ada", setAtMs: 1 } as const;
    expect(isSameDeadline({ ...deadline }, deadline)).toBe(true);
    expect(isSameDeadline({ ...deadline, ...change }, deadline)).toBe(false);
    expect(isSameDeadline(undefined, deadline)).toBe(false);
  },
);
