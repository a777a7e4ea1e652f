import type { ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, failureFrom } from "../support/proto-client.ts";

test("moves under way when the server stops are made, or refused because it stops: never for want of rules", async () => {
  const folder = temporaryFolder();
  const server = await startServer({ dataDir: folder.path, shutdownGrace: "60s" });
  const { workflows } = server.clients;
  const ids = Array.from({ length: 2_000 }, (_, index) => `w${index}`);
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
  expect([...told].filter((answer) => !["made", "not sent", "SHUTTING_DOWN"].includes(answer))).toEqual([]);
  expect(told).toContain("made");
});
