import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { Outcome, TransactionPhase } from "../../src/gen/concord/commit/v1/transaction.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { failureOf, temporaryFolder } from "../support/concord.ts";
import { participate, runConcord, type Server, serve } from "../support/process.ts";
import { until } from "../support/until.ts";

// A promise belongs to the decision log that it was made to, not to whoever serves that address. specs/TwoPhaseCommit.tla: StrangerAnswers.

const data = temporaryFolder();
const channels: ReturnType<typeof openChannel>[] = [];
afterAll(() => {
  for (const channel of channels) channel.close();
  data.remove();
});

const { ACTIVE, COMPLETED } = WorkflowState;
const by = { reason: "a test of strangers", requestedBy: "e2e" };

const host = (name: string, services: string, listen: string, ...flags: readonly string[]): Promise<Server> =>
  serve(join(data.path, name), { listen, flags: ["--services", services, ...flags] });

function clientsAt(address: string) {
  const channel = openChannel(address);
  channels.push(channel);
  return connect(channel);
}

/**
 * A move of wf-1 to COMPLETED that is COMMITTED, and was not carried out: its manager stood still from its vote on, and was killed when its
 * coordinator had decided, as that was then.
 */
async function killedInDoubt(folder: string) {
  const rules = await host(`${folder}/rules`, "predicate", "127.0.0.1:0");
  const own = await host(`${folder}/own`, "commit", "127.0.0.1:0");
  const startManager = (listen: string) =>
    host(`${folder}/manager`, "workflow", listen, "--commit-address", own.address, "--predicate-address", rules.address);
  const manager = await startManager("127.0.0.1:0");
  const { workflows } = clientsAt(manager.address);
  const alpha = await participate("alpha", { address: own.address, dataDir: join(data.path, folder) });
  for (const workflowId of ["wf-1", "wf-2"]) {
    await workflows.createWorkflow({ workflowId });
    await workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, ...by });
  }
  const complete = (workflowId: string) =>
    workflows.transitionWorkflow({
      workflowId,
      targetState: COMPLETED,
      enlist: [{ participantId: "alpha" }],
      waitForParticipants: { seconds: 60n, nanos: 0 },
      ...by,
    });
  const stateOf = async (workflowId: string) => (await workflows.getWorkflow({ workflowId })).workflow;

  alpha.signal("SIGSTOP");
  complete("wf-1").catch(() => undefined);
  const { transaction } = await own.logged({ msg: "vote received", participant: "concord.workflow", vote: "commit" });
  manager.signal("SIGSTOP");
  alpha.signal("SIGCONT");
  await own.logged({ msg: "transaction decided", transaction, decision: "committed" });
  await manager.kill();
  await own.kill();
  const restartOwn = () => host(`${folder}/own`, "commit", own.address);
  const restartManager = () => startManager(manager.address);
  return { own, restartOwn, manager, restartManager, workflows, alpha, complete, stateOf, transactionId: String(transaction) };
}

test("a workflow manager that finds another decision log releases nothing that the first has committed, and says so", async () => {
  const { own, restartOwn, restartManager, workflows, alpha, complete, stateOf, transactionId } = await killedInDoubt("found");

  // The same address, another decision log: of a transaction that it does not know it presumes that it was aborted.
  const stranger = await host("found/stranger", "commit", own.address);
  const restarted = await restartManager();
  const warning = "in doubt about transactions of another coordinator: they stay prepared until it is back";
  expect(await restarted.logged(warning)).toMatchObject({ level: "warn", count: 1, transaction: transactionId });
  await stranger.logged("the participant is in doubt about transactions of another coordinator, which are not answered here");
  // What is said over a session is heard in its order: this would come after an answer.
  await complete("wf-2");
  expect(await stateOf("wf-2")).toMatchObject({ state: COMPLETED });
  expect(await stateOf("wf-1")).toMatchObject({ state: ACTIVE, inTransition: { transactionId } });
  expect(restarted.log.filter(({ msg }) => msg === warning)).toHaveLength(1);

  await stranger.kill();
  await restartOwn();
  const moved = await until(async () => {
    const workflow = await stateOf("wf-1");
    return workflow?.inTransition === undefined ? workflow : undefined;
  }, "wf-1 is held no more");
  expect(moved).toMatchObject({ state: COMPLETED, version: 3n });
  const { events } = await workflows.listWorkflowEvents({ workflowId: "wf-1" });
  expect(events.at(-1)).toMatchObject({ toState: COMPLETED, transactionId });
  expect(await alpha.terminate()).toBe(0);
});

test("a hold whose coordinator is gone is ended by an operator; if it comes back and has decided otherwise, that is an error, and undoes nothing", async () => {
  const { restartOwn, manager, restartManager, workflows, alpha, stateOf, transactionId } = await killedInDoubt("gone");
  const restarted = await restartManager();
  const word = ["--transaction", transactionId, "--reason", "its disk is gone", "--by", "ada", "--address", manager.address];
  const resolve = (outcome: string) => runConcord(["workflow", "resolve", "wf-1", outcome, ...word]);

  const resolved = resolve("aborted");
  expect([await resolved.exited, resolved.text()]).toEqual([0, expect.stringMatching(/state: +ACTIVE/)]);
  expect(await restarted.logged("a hold is ended by an operator's word")).toMatchObject({
    level: "warn",
    workflow: "wf-1",
    transaction: transactionId,
    outcome: "aborted",
    by: "ada",
    reason: "its disk is gone",
  });
  expect(await stateOf("wf-1")).toMatchObject({ state: ACTIVE, version: 2n, inTransition: undefined });
  await workflows.transitionWorkflow({ workflowId: "wf-1", targetState: WorkflowState.PAUSED, ...by });
  expect(await resolve("aborted").exited, "a repeat").toBe(0);
  const contrary = workflows.resolveTransition({ workflowId: "wf-1", transactionId, outcome: Outcome.COMMITTED, ...by });
  expect(await failureOf(contrary)).toMatchObject({
    reason: "TRANSACTION_STATE",
    metadata: { workflow_id: "wf-1", transaction_id: transactionId, outcome: "ABORTED" },
  });

  const own = await restartOwn();
  expect(await restarted.logged("a decision contradicts what was done here")).toMatchObject({
    level: "error",
    transaction: transactionId,
    reason: "COMMITTED, but it is aborted here",
  });
  expect(await stateOf("wf-1")).toMatchObject({ state: WorkflowState.PAUSED, version: 3n });
  const { commits } = clientsAt(own.address);
  const { transaction } = await commits.getTransaction({ transactionId });
  expect(transaction).toMatchObject({ outcome: Outcome.COMMITTED, phase: TransactionPhase.COMMITTING });
  expect(await alpha.terminate()).toBe(0);
});
