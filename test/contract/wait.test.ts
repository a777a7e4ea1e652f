import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient } from "../support/proto-client.ts";

const state = (name: string): string => `WORKFLOW_STATE_${name}`;
const by = { reason: "a test", requested_by: "ada" };
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const wait = (request: Message) => client.call("WorkflowService/WaitForWorkflow", request);
const create = (workflow_id: string, initial = "ACTIVE") =>
  client.call("WorkflowService/CreateWorkflow", { workflow_id, initial_state: state(initial), ...by });
const move = (workflow_id: string, target: string) =>
  client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: state(target), ...by });

/** Given to the wait until it is known to wait: its call is admitted, and it follows. */
async function isWaiting(waiting: Promise<unknown>): Promise<void> {
  let settled = false;
  void waiting.finally(() => {
    settled = true;
  });
  // A call on the same connection that comes after it is answered after it has begun.
  for (let round = 0; round < 3; round += 1) await client.call("WorkflowService/GetServerInfo", {});
  expect(settled).toBe(false);
}

test("it is answered when the workflow comes into the state, with the event that brought it there", async () => {
  await create("slow");
  const waiting = wait({ workflow_id: "slow", states: [state("PAUSED"), state("COMPLETED")] });
  await isWaiting(waiting);
  const { event } = await move("slow", "PAUSED");
  expect(await waiting).toMatchObject({ reached: true, workflow: { state: state("PAUSED"), version: "3" }, event });
});

test("what the workflow passes through while it waits counts", async () => {
  await create("quick");
  const waiting = wait({ workflow_id: "quick", states: [state("PAUSED")] });
  await isWaiting(waiting);
  await Promise.all([move("quick", "PAUSED").then(() => move("quick", "ACTIVE").then(() => move("quick", "COMPLETED")))]);
  expect(await waiting).toMatchObject({ reached: true, event: { to_state: state("PAUSED"), version: "3" } });
});

test("a version is waited for alone, or with a state of the same version", async () => {
  await create("versions");
  const fourth = wait({ workflow_id: "versions", min_version: 4 });
  const activeAgain = wait({ workflow_id: "versions", min_version: 3, states: [state("ACTIVE")] });
  await isWaiting(activeAgain);
  await move("versions", "PAUSED");
  await move("versions", "ACTIVE");
  expect(await fourth).toMatchObject({ reached: true, event: { version: "4" } });
  expect(await activeAgain).toMatchObject({ reached: true, event: { version: "4", to_state: state("ACTIVE") } });
});

test("with neither, the end is waited for", async () => {
  await create("end");
  const waiting = wait({ workflow_id: "end" });
  await isWaiting(waiting);
  await move("end", "FAILED");
  await move("end", "CANCELLED");
  expect(await waiting).toMatchObject({ reached: true, event: { to_state: state("CANCELLED") } });
});

test("a terminal state ends it, since nothing follows: not reached", async () => {
  await create("over");
  const waiting = wait({ workflow_id: "over", states: [state("COMPLETED")] });
  await isWaiting(waiting);
  await move("over", "CANCELLED");
  const cancelled = { reached: false, workflow: { state: state("CANCELLED") } };
  expect(await waiting).toMatchObject({ ...cancelled, event: { to_state: state("CANCELLED") } });
  expect(await wait({ workflow_id: "over", states: [state("COMPLETED")] })).toMatchObject({ ...cancelled, event: null });
});

describe("the time is over", () => {
  test("it is told as it is now, and that it is not reached", async () => {
    await create("idle", "CREATED");
    const request = { workflow_id: "idle", states: [state("COMPLETED")] };
    const unreached = { reached: false, event: null, workflow: { state: state("CREATED"), version: "1" } };
    expect(await wait({ ...request, timeout: { seconds: 0, nanos: 0 } })).toMatchObject(unreached);
    expect(await wait({ ...request, timeout: { seconds: 0, nanos: 20_000_000 } })).toMatchObject(unreached);
  });

  test("the caller's own time counts too: it is answered before it is over", async () => {
    await create("deadline", "CREATED");
    const answer = await server.clients.workflows.waitForWorkflow({ workflowId: "deadline" }, { deadline: 500 });
    expect(answer).toMatchObject({ reached: false, workflow: { version: 1n } });
  });
});

test.each([
  ["states", { states: [state("ACTIVE"), state("ACTIVE")] }, "states"],
  ["states[0]", { states: [0] }, "states[0]"],
  ["min_version", { min_version: 0 }, "min_version"],
  ["timeout", { timeout: { seconds: 61, nanos: 0 } }, "timeout"],
])("%s is checked", async (_, request, field) => {
  const failure = await client.failure("WorkflowService/WaitForWorkflow", { workflow_id: "slow", ...request });
  expect(failure).toMatchObject({ reason: "INVALID_REQUEST", fields: [field] });
});

test("they count as watches: who waits keeps nobody from calling", async () => {
  const folder = temporaryFolder();
  const small = await startServer({ dataDir: folder.path, maxCalls: 4, maxStreams: 8, addressShare: 100 });
  const its = createProtoClient(small.address);
  try {
    await its.call("WorkflowService/CreateWorkflow", { workflow_id: "w" });
    const ask = () => its.call("WorkflowService/WaitForWorkflow", { workflow_id: "w", min_version: 2 });
    const waiting = Array.from({ length: 8 }, ask);
    expect(await its.failure("WorkflowService/WaitForWorkflow", { workflow_id: "w", min_version: 2 })).toMatchObject({
      reason: "OVERLOADED",
      message: expect.stringContaining("watches of concord.workflow.v1.WorkflowService"),
    });
    const started = { workflow_id: "w", target_state: state("ACTIVE"), ...by };
    await its.call("WorkflowService/TransitionWorkflow", started);
    for (const answer of await Promise.all(waiting)) expect(answer).toMatchObject({ reached: true });
  } finally {
    its.close();
    await small.stop();
    folder.remove();
  }
});

test("a server that stops ends them at once, with SHUTTING_DOWN", async () => {
  const folder = temporaryFolder();
  // It would have to be ended by force if they were waited for.
  const stopping = await startServer({ dataDir: folder.path, shutdownGrace: "10m" });
  const its = createProtoClient(stopping.address);
  await its.call("WorkflowService/CreateWorkflow", { workflow_id: "w" });
  const failure = its.failure("WorkflowService/WaitForWorkflow", { workflow_id: "w" });
  for (let round = 0; round < 3; round += 1) await its.call("WorkflowService/GetServerInfo", {});
  const stopped = stopping.stop();
  expect(await failure).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
  its.close();
  await stopped;
  folder.remove();
});
