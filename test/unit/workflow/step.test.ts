import { describe, expect, it } from "vitest";
import type { TransactionId, WorkflowId } from "../../../src/kernel/ids.ts";
import { allowedMoves, isMove, type WorkflowState, workflowStates } from "../../../src/kernel/lifecycle.ts";
import { noTerms } from "../../../src/workflow/core/policy.ts";
import { admit, applyMove, commitHold, consent, create, holdMove, releaseHold } from "../../../src/workflow/core/step.ts";
import type { Hold, Move, Workflow } from "../../../src/workflow/core/types.ts";
import type { RuleWarning } from "../../../src/workflow/core/warnings.ts";

const id = "wf-1" as WorkflowId;
const transactionId = "tx-1" as TransactionId;
const consented = { ruleSetRevision: 4, warnings: { first: [{ ruleId: "cold", ruleVersion: 2, message: "warm" }], omitted: 1 } };
const stamp = { nowMs: 2_000, eventId: "event-2", terms: noTerms };

function workflowIn(state: WorkflowState, changes: Partial<Workflow> = {}): Workflow {
  const previousState = workflowStates.find((from) => isMove(from, state));
  return {
    id,
    type: "sample",
    state,
    previousState,
    version: previousState === undefined ? 1 : 2,
    createdAtMs: 1_000,
    createdBy: "grace",
    updatedAtMs: 1_000,
    updatedBy: "grace",
    stateEnteredAtMs: 1_000,
    hold: undefined,
    metadata: { sample: "S-1" },
    retryCount: 0,
    recoverableAtMs: undefined,
    deadline: undefined,
    ...changes,
  };
}

function moveTo(targetState: WorkflowState): Move {
  return { targetState, reason: "because", requestedBy: "ada", eventMetadata: { run: 7 }, request: undefined };
}

function holdTo(targetState: WorkflowState): Hold {
  return {
    transactionId,
    coordinatorId: "c",
    coordinatorEpoch: 1,
    move: moveTo(targetState),
    preparedAtMs: 1_500,
    deadlineMs: 9_000,
    ...consented,
  };
}

describe("create", () => {
  it("makes version 1 in CREATED, with the event that says so", () => {
    const { workflow, event } = create(
      { id, type: "sample", metadata: { a: 1 }, reason: "r", requestedBy: "ada", ruleSetRevision: 5 },
      stamp,
    );
    const times = { createdAtMs: 2_000, updatedAtMs: 2_000, stateEnteredAtMs: 2_000 };
    expect(workflow).toEqual(workflowIn("CREATED", { ...times, createdBy: "ada", updatedBy: "ada", metadata: { a: 1 } }));
    expect(event).toMatchObject({
      id: "event-2",
      workflowId: id,
      workflowType: "sample",
      type: "CREATED",
      toState: "CREATED",
      version: 1,
      retryCount: 0,
      ruleSetRevision: 5,
      warnings: { first: [], omitted: 0 },
    });
    expect(event.fromState).toBeUndefined();
  });
});

// specs/WorkflowManager.tla: Precheck. The order of the checks is part of the contract.
describe("admit", () => {
  const wanted = { workflowId: id, expectedVersion: 7 };
  it("answers that the workflow does not exist before anything else", () => {
    expect(admit(undefined, wanted)).toEqual({ ok: false, error: { type: "workflow-not-found", workflowId: id } });
  });
  it.each(["COMPLETED", "CANCELLED"] as const)("answers TERMINAL_STATE for %s before the version is looked at", (state) => {
    expect(admit(workflowIn(state), wanted)).toMatchObject({ ok: false, error: { type: "terminal-state", state, version: 2 } });
  });
  it("answers VERSION_MISMATCH before the hold is looked at", () => {
    const held = workflowIn("ACTIVE", { hold: holdTo("COMPLETED") });
    expect(admit(held, wanted)).toMatchObject({
      ok: false,
      error: { type: "version-mismatch", expectedVersion: 7, currentVersion: 2 },
    });
  });
  it("answers IN_TRANSITION for a held workflow, with its owner and target", () => {
    const held = workflowIn("ACTIVE", { hold: holdTo("COMPLETED") });
    const answer = admit(held, { workflowId: id, expectedVersion: 2 });
    expect(answer).toMatchObject({ ok: false, error: { type: "in-transition", transactionId, targetState: "COMPLETED" } });
  });
  it("admits any version if none is expected", () => {
    const workflow = workflowIn("ACTIVE", { version: 9 });
    expect(admit(workflow, { workflowId: id, expectedVersion: undefined })).toEqual({ ok: true, value: workflow });
  });
});

describe("consent", () => {
  const allowed = { type: "allowed", ...consented } as const;
  it("yields the revision under which the move is allowed, and what it was warned of", () => {
    const answer = consent(workflowIn("ACTIVE"), { targetState: "PAUSED", mustRecover: false }, allowed, stamp);
    expect(answer).toEqual({ ok: true, value: consented });
  });
  it("keeps 16 warnings, and counts the others", () => {
    const [warning] = consented.warnings.first;
    const warnings = { first: Array.from({ length: 20 }, () => warning as RuleWarning), omitted: 3 };
    const answer = consent(workflowIn("ACTIVE"), { targetState: "PAUSED", mustRecover: false }, { ...allowed, warnings }, stamp);
    expect(answer).toMatchObject({ value: { warnings: { first: Array(16).fill(warning), omitted: 7 } } });
  });
  it("never moves on the engine's word alone", () => {
    const answer = consent(workflowIn("CREATED"), { targetState: "COMPLETED", mustRecover: false }, allowed, stamp);
    expect(answer).toMatchObject({
      ok: false,
      error: { type: "invalid-transition", from: "CREATED", to: "COMPLETED", allowed: ["ACTIVE"] },
    });
  });
  it("takes the engine's word against a move", () => {
    const answer = consent(
      workflowIn("ACTIVE"),
      { targetState: "PAUSED", mustRecover: false },
      { type: "invalid-transition" },
      stamp,
    );
    expect(answer).toMatchObject({ ok: false, error: { type: "invalid-transition", allowed: allowedMoves("ACTIVE") } });
  });
  it("names every rule that denies", () => {
    const violations = [{ ruleId: "qc", message: "no" }];
    const verdict = { type: "rule-denied", ruleSetRevision: 4, violations } as const;
    const answer = consent(workflowIn("ACTIVE"), { targetState: "PAUSED", mustRecover: false }, verdict, stamp);
    expect(answer).toEqual({ ok: false, error: { type: "rule-denied", workflowId: id, ruleSetRevision: 4, violations } });
  });
  it("recovers only what has failed", () => {
    const recover = { targetState: "ACTIVE", mustRecover: true } as const;
    expect(consent(workflowIn("PAUSED"), recover, allowed, stamp)).toMatchObject({
      ok: false,
      error: { type: "not-failed", state: "PAUSED" },
    });
    expect(consent(workflowIn("FAILED"), recover, allowed, stamp).ok).toBe(true);
  });
});

describe("applyMove", () => {
  const pairs = workflowStates.flatMap((from) => workflowStates.map((to) => [from, to] as const));
  it.each(pairs)("%s to %s: applies the nine legal moves and asserts against the others", (from, to) => {
    const apply = () => applyMove(workflowIn(from), moveTo(to), consented, stamp, undefined);
    if (!isMove(from, to)) {
      expect(apply).toThrow();
      return;
    }
    const { workflow, event } = apply();
    const before = workflowIn(from);
    const recovered = from === "FAILED" && to === "ACTIVE" ? 1 : 0;
    expect(workflow).toEqual({
      ...before,
      state: to,
      previousState: from,
      version: before.version + 1,
      updatedAtMs: 2_000,
      updatedBy: "ada",
      stateEnteredAtMs: 2_000,
      retryCount: recovered,
    });
    expect(event).toMatchObject({
      workflowType: "sample",
      fromState: from,
      toState: to,
      version: workflow.version,
      retryCount: recovered,
      metadata: { run: 7 },
    });
    expect(event.type).toBe(recovered === 1 ? "RECOVERED" : to === "FAILED" ? "FAILED" : "TRANSITION");
  });
  it("keeps times in order when the clock was set back", () => {
    const { workflow, event } = applyMove(
      workflowIn("ACTIVE", { updatedAtMs: 5_000 }),
      moveTo("PAUSED"),
      consented,
      stamp,
      undefined,
    );
    expect([workflow.updatedAtMs, workflow.stateEnteredAtMs, event.occurredAtMs]).toEqual([5_000, 5_000, 5_000]);
  });
  it("asserts against a state that was entered before the creation, or after the last change", () => {
    for (const stateEnteredAtMs of [999, 1_001])
      expect(() => admit(workflowIn("ACTIVE", { stateEnteredAtMs }), { workflowId: id, expectedVersion: undefined })).toThrow(
        "StateConsistency",
      );
  });
  it("refuses to move a workflow that another transaction holds", () => {
    const held = workflowIn("ACTIVE", { hold: holdTo("COMPLETED") });
    expect(() => applyMove(held, moveTo("PAUSED"), consented, stamp, undefined)).toThrow("RecoverySessionValidity");
  });
});

// specs/AtomicTransition.tla: ManagerPrepare, ManagerCommit, ManagerAbort.
describe("hold", () => {
  it("commits what was held, under the rules of the prepare, as one version and one event", () => {
    const held = holdMove(workflowIn("ACTIVE"), holdTo("COMPLETED"));
    expect(held.version).toBe(2);
    const { workflow, event } = commitHold(held, stamp);
    expect(workflow).toMatchObject({ state: "COMPLETED", version: 3, hold: undefined });
    expect(event).toMatchObject({ transactionId, ...consented, fromState: "ACTIVE", toState: "COMPLETED", version: 3 });
  });
  it("leaves no trace when released", () => {
    const before = workflowIn("ACTIVE");
    expect(releaseHold(holdMove(before, holdTo("PAUSED")))).toEqual(before);
  });
  it("asserts against a second holder, an illegal target, a commit without hold, and a release without hold", () => {
    const held = holdMove(workflowIn("ACTIVE"), holdTo("COMPLETED"));
    expect(() => holdMove(held, holdTo("PAUSED"))).toThrow("one holder");
    expect(() => holdMove(workflowIn("CREATED"), holdTo("PAUSED"))).toThrow("TransitionValidity");
    expect(() => commitHold(workflowIn("ACTIVE"), stamp)).toThrow("CommitValidity");
    expect(() => releaseHold(workflowIn("ACTIVE"))).toThrow("held");
  });
});
