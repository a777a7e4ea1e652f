import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { accessFile, clientsWith, tokenOf, withTokens } from "../support/access.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { until } from "../support/until.ts";

// A workflow manager in another process than the engine and the coordinator, which know it by a token and a grant.

const by = { reason: "a test", requestedBy: "somebody" };
const folder = temporaryFolder();
const grants = (participants: readonly string[]) => ({
  ...withTokens("manager", "rita"),
  grants: [
    { principals: ["manager"], roles: ["manager"], participants },
    { principals: ["rita"], roles: ["reader"] },
  ],
});
const file = accessFile(folder.path, grants(["concord.workflow"]));
let others: TestServer;
let manager: TestServer;

beforeAll(async () => {
  const access = file.path;
  others = await startServer({ dataDir: join(folder.path, "others"), services: "predicate,commit", access });
  const peerTokenFile = join(folder.path, "token");
  writeFileSync(peerTokenFile, tokenOf("manager"));
  manager = await startServer({
    dataDir: join(folder.path, "manager"),
    services: "workflow",
    predicateAddress: others.address,
    commitAddress: others.address,
    peerTokenFile,
  });
});

afterAll(async () => {
  await manager.stop();
  await others.stop();
  folder.remove();
});

const rita = () => clientsWith(others.address, tokenOf("rita"));

async function isConnected(): Promise<boolean> {
  const { clients, close } = rita();
  const { participants } = await clients.commits.listParticipants({});
  close();
  return participants.some(({ participantId, connected }) => participantId === "concord.workflow" && connected);
}

test("a manager with its grant judges and takes part, and does nothing else there", async () => {
  await until(isConnected, "it takes part");
  const { workflows } = manager.clients;
  await workflows.createWorkflow({ workflowId: "wf-1", type: "sample", ...by });
  const { workflow } = await workflows.transitionWorkflow({ workflowId: "wf-1", targetState: WorkflowState.ACTIVE, ...by });
  expect(workflow?.state).toBe(WorkflowState.ACTIVE);
  const { clients, close } = clientsWith(others.address, tokenOf("manager"));
  for (const call of [
    clients.predicates.listRules({}),
    clients.commits.listTransactions({}),
    clients.commits.listParticipants({}),
  ])
    expect(await failureOf(call)).toMatchObject({ reason: "PERMISSION_DENIED" });
  close();
});

test("without its id in the grant it takes part no more, and moves by themselves go on", async () => {
  // A pattern does not give the reserved id away.
  file.write(grants(["*"]));
  await until(async () => !(await isConnected()), "its session has ended");
  const { workflow } = await manager.clients.workflows.transitionWorkflow({
    workflowId: "wf-1",
    targetState: WorkflowState.PAUSED,
    ...by,
  });
  expect(workflow?.state).toBe(WorkflowState.PAUSED);
});

test("what it asks on a stream ends with its grant, and it asks again when it has one", async () => {
  const { workflows } = manager.clients;
  const moved = async (workflowId: string): Promise<boolean> => {
    await workflows.createWorkflow({ workflowId, ...by });
    const move = workflows.transitionWorkflow({ workflowId, targetState: WorkflowState.ACTIVE, ...by });
    return move.then(
      () => true,
      () => false,
    );
  };
  let count = 0;
  const next = (): string => `wf-stream-${++count}`;
  expect(await moved(next())).toBe(true);
  file.write({ ...grants([]), grants: [{ principals: ["rita"], roles: ["reader"] }] });
  await until(async () => !(await moved(next())), "it may not ask");
  file.write(grants(["concord.workflow"]));
  await until(() => moved(next()), "it may ask again");
});
