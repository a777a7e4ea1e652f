import type { ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { failureOf, startServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, failureFrom } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

/** Far more than may be asked of the rules at once, so that some have not asked yet when the first is made. */
const moveCount = 200;

/** Dear enough to be asked alone. */
const numbers = `[${Array.from({ length: 20 }, (_, number) => number).join(",")}]`;
const expression = `${numbers}.all(x, ${numbers}.all(y, x + y >= 0))`;

test("moves under way when the server stops are made, or refused because it stops: never for want of rules", async () => {
  const folder = temporaryFolder();
  const server = await startServer({ dataDir: folder.path, shutdownGrace: "60s", predicateTimeout: "50s" });
  const { workflows, predicates } = server.clients;
  const asked = { reason: "a test", requestedBy: "ada" };
  await predicates.createRule({ ruleId: "dear", expression, ...asked });
  await predicates.activateRule({ ruleId: "dear", ...asked });
  const ids = Array.from({ length: moveCount }, (_, index) => `w${index}`);
  await Promise.all(ids.map((workflowId) => workflows.createWorkflow({ workflowId })));
  const client = createProtoClient(server.address);
  const by = { reason: "a test", requested_by: "ada", target_state: "WORKFLOW_STATE_ACTIVE" };
  const answers = ids.map(async (workflow_id) => {
    try {
      await client.call("WorkflowService/TransitionWorkflow", { workflow_id, ...by });
      return "made";
    } catch (error) {
      return failureFrom(error as ServiceError).reason ?? "not sent";
    }
  });
  await Promise.race(answers);
  await server.stop();
  const told = new Set(await Promise.all(answers));
  client.close();
  folder.remove();
  // A busy machine may refuse for load; that says nothing about the stop.
  expect([...told].filter((answer) => !["made", "not sent", "SHUTTING_DOWN", "OVERLOADED"].includes(answer))).toEqual([]);
  expect(told).toContain("made");
});

test("a move that outlasts the grace of a manager in its own process is pending, with its ids", async () => {
  const [here, there] = [temporaryFolder(), temporaryFolder()];
  const coordinator = await startServer({ dataDir: there.path, services: "commit" });
  const services = "workflow,predicate";
  const settings = { dataDir: here.path, services, commitAddress: coordinator.address, shutdownGrace: "10ms" };
  const manager = await startServer(settings);
  const client = createProtoClient(coordinator.address);
  await joinAs(client, "silent");
  const { workflows } = manager.clients;
  await workflows.createWorkflow({ workflowId: "w" });
  const by = { reason: "a test", requestedBy: "ada", requestId: "r" };
  const enlist = [{ participantId: "silent" }];
  const waitForParticipants = { seconds: 30n, nanos: 0 };
  const move = { workflowId: "w", targetState: WorkflowState.ACTIVE, enlist, waitForParticipants, ...by };
  const failed = failureOf(workflows.transitionWorkflow(move));
  const held = await until(async () => (await workflows.getWorkflow({ workflowId: "w" })).workflow?.inTransition, "w is held");
  await manager.stop();
  expect(await failed).toMatchObject({
    reason: "OUTCOME_PENDING",
    metadata: { workflow_id: "w", request_id: "r", transaction_id: held.transactionId },
  });
  client.close();
  await coordinator.stop();
  here.remove();
  there.remove();
});
