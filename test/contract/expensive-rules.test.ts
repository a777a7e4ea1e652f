import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Judgement, type TransitionCheck } from "../../src/gen/concord/predicate/v1/verdict.ts";
import { type DeepPartial, WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";

const { ACTIVE, CANCELLED, COMPLETED, PAUSED } = WorkflowState;
const folder = temporaryFolder();
const numbers = Array.from({ length: 110 }, (_, index) => index);
let server: TestServer;

/** 40 rules for one move, each near what an expression may cost. */
beforeAll(async () => {
  // Long: what is late on a busy machine is not what is tested.
  server = await startServer({ dataDir: folder.path, predicateTimeout: "50s" });
  const { predicates } = server.clients;
  for (let index = 0; index < 40; index += 1) {
    const ruleId = `pairs-${index}`;
    const expression = "workflow.metadata.numbers.all(x, workflow.metadata.numbers.all(y, y >= 0.0))";
    await predicates.createRule({ ruleId, expression, moves: [{ fromState: ACTIVE, toState: PAUSED }], ...by });
    await predicates.activateRule({ ruleId, ...by });
  }
});

afterAll(async () => {
  await server.stop();
  folder.remove();
});

const by = { reason: "a test", requestedBy: "ada" };

function check(targetState: WorkflowState): DeepPartial<TransitionCheck> {
  return { workflow: { workflowId: "wf", state: ACTIVE, version: 2n, metadata: { numbers } }, targetState, ...by };
}

describe("a rule that takes long", () => {
  test("denies the move it applies to, is named, and does not delay moves that it does not apply to", async () => {
    const { workflows } = server.clients;
    const move = (workflowId: string, targetState: WorkflowState) =>
      workflows.transitionWorkflow({ workflowId, targetState, ...by });
    await workflows.createWorkflow({ workflowId: "dear", metadata: { numbers } });
    await move("dear", ACTIVE);

    let isOver = false;
    let answered = 0;
    const failures: unknown[] = [];
    const asking = Array.from({ length: 20 }, async () => {
      while (!isOver) {
        failures.push(await failureOf(move("dear", PAUSED)));
        answered += 1;
      }
    });
    const cheapCount = 50;
    try {
      for (let index = 0; index < cheapCount; index += 1) {
        await workflows.createWorkflow({ workflowId: `cheap-${index}`, metadata: { numbers } });
        await move(`cheap-${index}`, ACTIVE);
        await move(`cheap-${index}`, COMPLETED);
      }
    } finally {
      isOver = true;
    }
    // If a cheap one waited for the dear ones beside it, there would be 20 of these for each move.
    expect(answered).toBeLessThan(10 * 2 * cheapCount);
    await Promise.all(asking);
    for (const failure of failures) {
      expect(failure).toMatchObject({
        reason: "RULE_DENIED",
        preconditions: [
          {
            type: "RULE",
            subject: expect.stringMatching(/^pairs-/),
            description: expect.stringContaining("200000 units together"),
          },
        ],
      });
    }
  });

  test("is judged for moves in their turn, however many checks another caller has asked for", async () => {
    const { predicates, workflows } = server.clients;
    await workflows.createWorkflow({ workflowId: "patient", metadata: { numbers } });
    await workflows.transitionWorkflow({ workflowId: "patient", targetState: ACTIVE, ...by });
    let isOver = false;
    let answered = 0;
    const asking = Array.from({ length: 100 }, async () => {
      while (!isOver) {
        await predicates.validateTransition({ check: check(PAUSED) });
        answered += 1;
      }
    });
    const moveCount = 20;
    try {
      for (let move = 0; move < moveCount; move += 1) {
        const failure = await failureOf(workflows.transitionWorkflow({ workflowId: "patient", targetState: PAUSED, ...by }));
        expect(failure).toMatchObject({ reason: "RULE_DENIED" });
      }
    } finally {
      isOver = true;
    }
    // If calls took turns, not callers, 100 of them would come before each move.
    expect(answered).toBeLessThan(30 * moveCount);
    await Promise.all(asking);
  });

  test("is deferred where only prompt answers are wanted", async () => {
    const { verdicts } = await server.clients.predicates.batchValidateTransitions({
      checks: [check(PAUSED), check(COMPLETED), check(CANCELLED)],
      promptOnly: true,
    });
    expect(verdicts.map(({ judgement }) => judgement)).toEqual([Judgement.DEFERRED, Judgement.ALLOWED, Judgement.ALLOWED]);
  });
});

describe("a batch of 200 checks that take long", () => {
  test("costs too much as a whole, and does not delay single checks", async () => {
    const { predicates } = server.clients;
    let isOver = false;
    const batch = failureOf(
      predicates.batchValidateTransitions({ checks: Array.from({ length: 200 }, () => check(PAUSED)) }),
    ).finally(() => {
      isOver = true;
    });
    let before = 0;
    do {
      const { verdict } = await predicates.validateTransition({ check: check(CANCELLED) });
      expect(verdict?.judgement).toBe(Judgement.ALLOWED);
      before += 1;
    } while (!isOver);
    expect(before).toBeGreaterThan(10);
    expect(await batch).toMatchObject({ reason: "CHECKS_TOO_EXPENSIVE", metadata: { limit: "3000000" } });
  });
});
