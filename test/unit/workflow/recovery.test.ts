import { expect, test } from "vitest";
import type { PolicyTerms } from "../../../src/workflow/core/policy.ts";
import { recoverableAt, recoveryRefusal } from "../../../src/workflow/core/recovery.ts";
import { allowed, creation, denied, managerOver, moveTo } from "../../support/workflow-manager.ts";

const recovery = { maxAttempts: 2, initialBackoffMs: 1_000, multiplier: 3, maxBackoffMs: 5_000 };
const terms: PolicyTerms = { deadlines: [], recovery };

test("each recovery has the next failure wait longer, up to a bound, however many there were", () => {
  const waits = [0, 1, 2, 400, 2 ** 31 - 1].map((retryCount) => recoverableAt(recovery, retryCount, 10_000));
  expect(waits).toEqual([11_000, 13_000, 15_000, 15_000, 15_000]);
  expect(recoverableAt({ ...recovery, initialBackoffMs: 0 }, 2 ** 31 - 1, 10_000)).toBeUndefined();
  expect(recoverableAt(undefined, 0, 10_000)).toBeUndefined();
});

async function failedUnder(policy: PolicyTerms) {
  const under = managerOver();
  under.policy.terms = policy;
  await under.manager.create(creation());
  await under.manager.move(moveTo("ACTIVE"));
  const failed = await under.manager.move(moveTo("FAILED"));
  if (!failed.ok) throw new Error(failed.error.type);
  return { under, failed: failed.value.workflow };
}

const recover = moveTo("ACTIVE", { mustRecover: true });

test("a workflow that has failed waits for its time; the refusal says when it comes", async () => {
  const { under, failed } = await failedUnder(terms);
  const recoverableAtMs = failed.recoverableAtMs ?? 0;
  expect(recoverableAtMs).toBe(failed.stateEnteredAtMs + 1_000);
  // By whatever name, also where a rule would deny it.
  under.engine.answer = async () => denied;
  for (const command of [recover, moveTo("ACTIVE")]) {
    expect(await under.manager.move(command)).toMatchObject({
      ok: false,
      error: { type: "recovery-too-early", workflowId: failed.id, recoverableAtMs },
    });
  }
  // It may be given up.
  expect(await under.manager.move(moveTo("CANCELLED"))).toMatchObject({ error: { type: "rule-denied" } });
  under.clock.nowMs = recoverableAtMs;
  expect(await under.manager.move(recover)).toMatchObject({ error: { type: "rule-denied" } });
});

test("a workflow may be recovered from that very moment on; until then the refusal says how long is left", async () => {
  const { failed } = await failedUnder(terms);
  const recoverableAtMs = failed.recoverableAtMs ?? 0;
  expect(recoveryRefusal(failed, "ACTIVE", recovery, recoverableAtMs)).toBeUndefined();
  expect(recoveryRefusal(failed, "ACTIVE", recovery, recoverableAtMs - 1)).toMatchObject({
    type: "recovery-too-early",
    waitMs: 1,
  });
});

// Its caller would be refused at a time that the refusal itself allows.
test("a workflow whose time comes while the engine is asked is recovered", async () => {
  const { under, failed } = await failedUnder(terms);
  const recoverableAtMs = failed.recoverableAtMs ?? 0;
  under.engine.answer = async ({ atMs }) => {
    expect(atMs).toBeLessThan(recoverableAtMs);
    under.clock.nowMs = recoverableAtMs;
    return allowed;
  };
  expect(await under.manager.move(recover)).toMatchObject({ ok: true, value: { event: { type: "RECOVERED" } } });
});

test("a workflow is recovered as often as its policy allows; a larger number helps one that has failed before", async () => {
  const { under } = await failedUnder(terms);
  for (const retryCount of [1, 2]) {
    under.clock.nowMs += 10_000;
    expect(await under.manager.move(recover)).toMatchObject({
      ok: true,
      value: { workflow: { retryCount, recoverableAtMs: undefined }, event: { type: "RECOVERED", retryCount } },
    });
    await under.manager.move(moveTo("FAILED"));
  }
  under.clock.nowMs += 10_000;
  expect(await under.manager.move(moveTo("ACTIVE"))).toEqual({
    ok: false,
    error: { type: "recoveries-exhausted", workflowId: "wf-1", retryCount: 2, maxAttempts: 2 },
  });
  under.policy.terms = { deadlines: [], recovery: { ...recovery, maxAttempts: 3 } };
  expect(await under.manager.move(recover)).toMatchObject({ ok: true });
});

test("when it may be recovered was decided when it failed: a policy of later does not move it", async () => {
  const { under, failed } = await failedUnder({ deadlines: [] });
  expect(failed.recoverableAtMs).toBeUndefined();
  under.policy.terms = terms;
  expect(await under.manager.move(recover)).toMatchObject({ ok: true });
});

test("what a workflow may do next says that it may not be recovered, and why", async () => {
  const { under } = await failedUnder(terms);
  const question = { workflowId: recover.workflowId, reason: "", requestedBy: "", context: {} };
  const ask = async () => under.manager.possibleMoves(question, { signal: new AbortController().signal });
  expect(await ask()).toMatchObject({ value: { recoveryRefusal: { type: "recovery-too-early" } } });
  under.clock.nowMs += 10_000;
  expect(await ask()).toMatchObject({ value: { recoveryRefusal: undefined } });
});
