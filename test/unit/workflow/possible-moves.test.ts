import { describe, expect, test } from "vitest";
import { err, ok } from "../../../src/kernel/result.ts";
import { beginTogether, creation, managerOver, moveTo, tx, workflowId } from "../../support/workflow-manager.ts";

const asker = { signal: new AbortController().signal };
const question = { workflowId, reason: "look", requestedBy: "ada", context: { site: "B" } };
const judged = { moves: [], ruleSetRevision: 4 };

async function withWorkflow() {
  const under = managerOver();
  await under.manager.create(creation());
  const questions: unknown[] = [];
  under.engine.answerMoves = async (each) => {
    questions.push(each);
    return ok(judged);
  };
  return { ...under, questions };
}

describe("what a workflow may do next", () => {
  test("is asked of the engine, with the workflow as it is and its last event", async () => {
    const { manager, questions } = await withWorkflow();
    const answer = await manager.possibleMoves(question, asker);
    expect(answer).toMatchObject({ ok: true, value: { workflow: { id: workflowId, version: 1, state: "CREATED" }, judged } });
    expect(questions).toMatchObject([
      {
        workflow: { id: workflowId },
        lastEvent: { type: "CREATED" },
        reason: "look",
        requestedBy: "ada",
        context: { site: "B" },
      },
    ]);
  });

  test("is nothing in a terminal state, whatever the rules are", async () => {
    const { manager, questions } = await withWorkflow();
    for (const state of ["ACTIVE", "COMPLETED"] as const) await manager.move(moveTo(state));
    const answer = await manager.possibleMoves(question, asker);
    expect(answer).toMatchObject({ ok: true, value: { workflow: { state: "COMPLETED" }, judged: undefined } });
    expect(questions).toEqual([]);
  });

  test("is nothing while a transaction holds it, and the answer names that", async () => {
    const under = await withWorkflow();
    const { prepare } = await beginTogether(under, moveTo("ACTIVE"));
    await prepare(tx("t"));
    const answer = await under.manager.possibleMoves(question, asker);
    expect(answer).toMatchObject({ ok: true, value: { workflow: { hold: { transactionId: "t" } }, judged: undefined } });
    expect(under.questions).toEqual([]);
  });

  test("is not known of what is not there, or while the engine does not answer", async () => {
    const { manager, engine } = await withWorkflow();
    const nobody = { ...question, workflowId: "nobody" as typeof workflowId };
    expect(await manager.possibleMoves(nobody, asker)).toMatchObject({ ok: false, error: { type: "workflow-not-found" } });
    engine.answerMoves = async () => err({ type: "unavailable", cause: "it is away" });
    expect(await manager.possibleMoves(question, asker)).toMatchObject({
      ok: false,
      error: { type: "predicate-logic-unavailable", workflowId },
    });
  });
});
