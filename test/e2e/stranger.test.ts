import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { temporaryFolder } from "../support/concord.ts";
import { participate, type Server, serve } from "../support/process.ts";
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

function workflowsAt(address: string) {
  const channel = openChannel(address);
  channels.push(channel);
  return connect(channel).workflows;
}

test("a workflow manager that finds another decision log releases nothing that the first has committed, and says so", async () => {
  const rules = await host("rules", "predicate", "127.0.0.1:0");
  const own = await host("own", "commit", "127.0.0.1:0");
  const startManager = (listen: string) =>
    host("manager", "workflow", listen, "--commit-address", own.address, "--predicate-address", rules.address);
  const manager = await startManager("127.0.0.1:0");
  const workflows = workflowsAt(manager.address);
  const alpha = await participate("alpha", { address: own.address, dataDir: data.path });
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

  const killed = manager.killOn("decision received");
  complete("wf-1").catch(() => undefined);
  const { transaction: transactionId, decision } = await killed;
  expect(decision).toBe("committed");

  // The same address, another decision log: of a transaction that it does not know it presumes that it was aborted.
  await own.kill();
  const stranger = await host("stranger", "commit", own.address);
  const restarted = await startManager(manager.address);
  const warning = "in doubt about transactions of another coordinator: they stay prepared until it is back";
  expect(await restarted.logged(warning)).toMatchObject({ level: "warn", count: 1, transaction: transactionId });
  await stranger.logged("the participant is in doubt about transactions of another coordinator, which are not answered here");
  // What is said over a session is heard in its order: this would come after an answer.
  await complete("wf-2");
  expect(await stateOf("wf-2")).toMatchObject({ state: COMPLETED });
  expect(await stateOf("wf-1")).toMatchObject({ state: ACTIVE, inTransition: { transactionId } });
  expect(restarted.log.filter(({ msg }) => msg === warning)).toHaveLength(1);

  await stranger.kill();
  await host("own", "commit", own.address);
  const moved = await until(async () => {
    const workflow = await stateOf("wf-1");
    return workflow?.inTransition === undefined ? workflow : undefined;
  }, "wf-1 is held no more");
  expect(moved).toMatchObject({ state: COMPLETED, version: 3n });
  const { events } = await workflows.listWorkflowEvents({ workflowId: "wf-1" });
  expect(events.at(-1)).toMatchObject({ toState: COMPLETED, transactionId });
  expect(await alpha.terminate()).toBe(0);
});
