import { describe, expect, test } from "vitest";
import { BatchMode } from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { createCluster } from "../support/cluster.ts";
import { failureOf } from "../support/concord.ts";
import { until } from "../support/until.ts";

// kill -9 of the workflow manager at each step of an atomic transition. When it is back, the workflow has followed the decision. See
// kill-commit.test.ts for what a kill on a line of the log means.

const { CREATED, ACTIVE, COMPLETED } = WorkflowState;
const cluster = createCluster();
const { clients, connected, enter, enlist, nextAsked, outcomeOf, settled } = cluster;
const by = { reason: "a crash test", requestedBy: "e2e" };
let counter = 0;

async function activeWorkflow(): Promise<string> {
  counter += 1;
  const workflowId = `wf-${counter}`;
  await clients().workflows.createWorkflow({ workflowId });
  await clients().workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, ...by });
  return workflowId;
}

function complete(workflowId: string, requestId = "") {
  const enlisted = enlist("alpha", "beta");
  return clients().workflows.transitionWorkflow({ workflowId, targetState: COMPLETED, enlist: enlisted, requestId, ...by });
}

/** The transaction that holds it, as soon as one does. */
const heldBy = (workflowId: string): Promise<string> =>
  until(async () => {
    const { workflow } = await clients().workflows.getWorkflow({ workflowId });
    return workflow?.inTransition?.transactionId;
  }, `${workflowId} is held`);

/** The workflow has moved, with its event, exactly if the transaction was committed. */
async function outcomeAt(workflowId: string, transactionId: string): Promise<"committed" | "aborted"> {
  cluster.remember(transactionId);
  const outcome = await outcomeOf(transactionId);
  const { workflow } = await clients().workflows.getWorkflow({ workflowId });
  const { events } = await clients().workflows.listWorkflowEvents({ workflowId });
  expect(workflow?.inTransition).toBeUndefined();
  expect(events.map(({ toState }) => toState)).toEqual([CREATED, ACTIVE, ...(outcome === "committed" ? [COMPLETED] : [])]);
  expect(workflow).toMatchObject({ version: BigInt(events.length), state: events.at(-1)?.toState });
  if (outcome === "committed") expect(events.at(-1)?.transactionId).toBe(transactionId);
  return outcome;
}

/** Two workflows in one batch: both have moved, each with its event, or neither. */
async function bothAt(workflowIds: readonly string[], transactionId: string): Promise<string> {
  const outcomes = await Promise.all(workflowIds.map((workflowId) => outcomeAt(workflowId, transactionId)));
  expect(new Set(outcomes).size).toBe(1);
  return outcomes[0] ?? "";
}

describe("the workflow manager is killed in the midst of a batch", () => {
  test.each([
    { line: "prepare received" },
    { line: "resource prepared" },
    { line: "vote sent" },
    { line: "decision received" },
    { line: "committing" },
    { line: "decision acknowledged" },
  ])("when it logs $line: all workflows follow the decision when it is back, and a retry has the answer", async ({ line }) => {
    const workflowIds = [await activeWorkflow(), await activeWorkflow(), await activeWorkflow()];
    const batch = {
      mode: BatchMode.ALL_OR_NOTHING,
      items: workflowIds.map((workflowId) => ({ workflowId, targetState: COMPLETED })),
      enlist: enlist("alpha", "beta"),
      requestId: `batch-${line}`,
      ...by,
    };
    const killed = cluster.host("manager").killOn(line);
    clients()
      .workflows.batchTransitionWorkflows(batch)
      .catch(() => undefined);
    const transactionId = String((await killed)["transaction"]);
    await cluster.start("manager");
    await settled();
    const outcome = await bothAt(workflowIds, transactionId);
    await connected();
    const { applied, results } = await clients().workflows.batchTransitionWorkflows(batch);
    expect(applied).toBe(true);
    const [first] = results;
    const carriedBy = first?.result?.$case === "moved" ? first.result.value.transactionId : "";
    if (outcome === "committed") expect(carriedBy).toBe(transactionId);
    await settled();
    expect(await bothAt(workflowIds, carriedBy)).toBe("committed");
  });
});

describe("the workflow manager is killed", () => {
  test.each([
    { line: "prepare received" },
    { line: "resource prepared" },
    { line: "vote sent" },
    { line: "decision received" },
    { line: "committing" },
    { line: "decision acknowledged" },
  ])("when it logs $line: the workflow follows the decision when it is back", async ({ line }) => {
    const workflowId = await activeWorkflow();
    const killed = cluster.host("manager").killOn(line);
    complete(workflowId).catch(() => undefined);
    const transactionId = String((await killed)["transaction"]);
    await cluster.start("manager");
    await settled();
    await outcomeAt(workflowId, transactionId);
  });

  test.each([
    { vote: "commit", probability: "1" },
    { vote: "abort", probability: "0" },
  ])("while it holds the workflow, and the last vote is $vote: the workflow follows the decision", async ({ probability }) => {
    const workflowId = await activeWorkflow();
    const beta = await enter("beta", "--delay", "2s", "--commit-probability", probability);
    await connected();
    complete(workflowId).catch(() => undefined);
    const transactionId = await heldBy(workflowId);
    await cluster.host("manager").kill();
    await beta.logged({ msg: "resource prepared", transaction: transactionId });
    await cluster.start("manager");
    await settled();
    // The caller died with its manager, for which the coordinator aborts what is not decided yet.
    expect(await outcomeAt(workflowId, transactionId)).toBe("aborted");
    await enter("beta");
  });

  test("before anybody is asked: the transaction is aborted, and nothing is held", async () => {
    const workflowId = await activeWorkflow();
    const { host } = cluster;
    await cluster.participant("beta").kill();
    const killed = host("manager");
    const waiting = clients().workflows.transitionWorkflow({
      workflowId,
      targetState: COMPLETED,
      enlist: enlist("alpha", "beta"),
      waitForParticipants: { seconds: 30n, nanos: 0 },
      ...by,
    });
    waiting.catch(() => undefined);
    const begun = await until(
      () =>
        host("coordinator").log.findLast(({ msg, requestedBy }) => msg === "transaction begun" && requestedBy === by.requestedBy),
      "a transaction has begun",
    );
    await killed.kill();
    await cluster.start("manager");
    await enter("beta");
    await settled();
    expect(await outcomeAt(workflowId, String(begun["transaction"]))).toBe("aborted");
  });

  test("before it hears of the decision, and a retry is there before the coordinator: it waits for its first attempt, and gets its answer", async () => {
    const workflowId = await activeWorkflow();
    const requestId = `joins-${workflowId}`;
    const { host, participant } = cluster;
    // The last vote is not given before the manager, whose own has arrived, reads nothing any more.
    participant("beta").signal("SIGSTOP");
    complete(workflowId, requestId).catch(() => undefined);
    const transactionId = await heldBy(workflowId);
    await host("coordinator").logged({ msg: "vote received", transaction: transactionId, participant: "concord.workflow" });
    host("manager").signal("SIGSTOP");
    participant("beta").signal("SIGCONT");
    await participant("beta").logged({ msg: "decision received", transaction: transactionId });
    await host("manager").kill();
    await host("coordinator").kill();
    await cluster.start("manager");
    const retried = complete(workflowId, requestId);
    // Its first attempt is in doubt still: this is what a stranger would hear.
    expect((await failureOf(complete(workflowId, `other-${workflowId}`))).reason).toBe("IN_TRANSITION");
    await cluster.start("coordinator");
    expect(await retried).toMatchObject({ workflow: { version: 3n }, event: { transactionId } });
    await settled();
    expect(await outcomeAt(workflowId, transactionId)).toBe("committed");
  });

  test("with the coordinator, after the decision: the workflow moves when both are back, and a retry gets that answer", async () => {
    const workflowId = await activeWorkflow();
    const killed = cluster.host("manager").killOn("decision received");
    const asked = nextAsked("alpha");
    complete(workflowId, `retry-${workflowId}`).catch(() => undefined);
    await killed;
    const transactionId = await asked();
    await cluster.restart("coordinator");
    await cluster.start("manager");
    await settled();
    expect(await outcomeAt(workflowId, transactionId)).toBe("committed");
    const retried = await complete(workflowId, `retry-${workflowId}`);
    expect(retried).toMatchObject({ workflow: { version: 3n }, event: { transactionId } });
  });
});
