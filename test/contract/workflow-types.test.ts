import { afterAll, beforeAll, expect, test } from "vitest";
import { type WorkflowEvent, WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { WatchPosition } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { messageType, registry } from "../../src/rpc/descriptors.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";

const { ACTIVE, PAUSED } = WorkflowState;
const data = temporaryFolder();
let server: TestServer;

const types = { "wf-1": "sample", "wf-2": "batch", "wf-3": "sample", "wf-4": "" };

/** All are created by ada; wf-1 is moved by kurt. */
beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  const { workflows } = server.clients;
  for (const [workflowId, type] of Object.entries(types))
    await workflows.createWorkflow({ workflowId, type, requestedBy: "ada" });
  await workflows.transitionWorkflow({ workflowId: "wf-1", targetState: ACTIVE, reason: "r", requestedBy: "kurt" });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

test("a creation answers with the type, its author and times, and so does its event", async () => {
  const { workflow, event } = await server.clients.workflows.createWorkflow({ type: "a.b:c-9", requestedBy: "eve" });
  expect(workflow).toMatchObject({ type: "a.b:c-9", createdBy: "eve", updatedBy: "eve" });
  expect(workflow?.stateEnteredAt).toEqual(workflow?.createdAt);
  expect(event).toMatchObject({ workflowType: "a.b:c-9", requestedBy: "eve" });
});

test("a move leaves type and creator, and has its own author and time", async () => {
  const { workflow } = await server.clients.workflows.getWorkflow({ workflowId: "wf-1" });
  expect(workflow).toMatchObject({ type: "sample", createdBy: "ada", updatedBy: "kurt", version: 2n });
  expect(workflow?.stateEnteredAt).toEqual(workflow?.updatedAt);
});

test.each(["-a", "a b", "a".repeat(129), "ä"])("a type is refused that is no name: %j", async (type) => {
  expect(await failureOf(server.clients.workflows.createWorkflow({ type }))).toMatchObject({
    reason: "INVALID_REQUEST",
    fields: [{ field: "type" }],
  });
});

test("a request id belongs to one type", async () => {
  const { workflows } = server.clients;
  const request = { workflowId: "wf-twice", type: "sample-2", requestId: "r" };
  const { workflow } = await workflows.createWorkflow(request);
  expect((await workflows.createWorkflow(request)).workflow).toEqual(workflow);
  expect(await failureOf(workflows.createWorkflow({ ...request, type: "batch-2" }))).toMatchObject({
    reason: "REQUEST_ID_REUSED",
  });
});

test("no request but a creation has a type of a workflow: it never changes", () => {
  const service = registry.getService("concord.workflow.v1.WorkflowService");
  const withType = service?.methods.filter(({ input }) => input.fields.some(({ name }) => /^(workflow_)?type$/.test(name)));
  // Of a policy it is the name.
  const ofWorkflows = withType?.filter(({ name }) => !name.endsWith("WorkflowTypePolicy"));
  expect(ofWorkflows?.map(({ name }) => name)).toEqual(["CreateWorkflow"]);
  expect(messageType("concord.workflow.v1.Workflow").field["type"]).toBeDefined();
});

test.each([
  ['workflow.type == "sample"', ["wf-1", "wf-3"]],
  ['workflow.type == "sample" && workflow.state == "ACTIVE"', ["wf-1"]],
  ['workflow.type in ["batch", ""] && workflow.created_by == "ada"', ["wf-2", "wf-4"]],
  ['workflow.type == "nothing"', []],
  ['workflow.updated_by == "kurt"', ["wf-1"]],
  ['workflow.created_by == "ada" && workflow.state_entered_at > workflow.created_at', ["wf-1"]],
  ['workflow.created_by == "ada" && workflow.state_entered_at < timestamp("2020-01-01T00:00:00Z")', []],
])("a list of workflows where %s", async (filter, ids) => {
  const { workflows } = await server.clients.workflows.listWorkflows({ filter });
  expect(workflows.map(({ workflowId }) => workflowId)).toEqual(ids);
});

const ofSamples = 'event.workflow_type == "sample"';

test("events are listed by the type of their workflow", async () => {
  const { events } = await server.clients.workflows.listWorkflowEvents({ filter: ofSamples });
  expect(events.map(({ workflowId, version }) => `${workflowId} ${version}`)).toEqual(["wf-1 1", "wf-3 1", "wf-1 2"]);
});

test("a watch tells of one type, what was and what comes", async () => {
  const { workflows } = server.clients;
  const told: WorkflowEvent[] = [];
  const start = { $case: "position", value: WatchPosition.OLDEST_AVAILABLE } as const;
  const ending = new AbortController();
  const watching = workflows.watchWorkflowEvents({ start, filter: ofSamples }, { signal: ending.signal });
  for await (const { body } of watching) {
    if (body?.$case !== "event") continue;
    told.push(body.value);
    if (told.length === 3) {
      await workflows.transitionWorkflow({ workflowId: "wf-2", targetState: ACTIVE, reason: "r", requestedBy: "ada" });
      await workflows.transitionWorkflow({ workflowId: "wf-1", targetState: PAUSED, reason: "r", requestedBy: "ada" });
    }
    if (told.length === 4) break;
  }
  ending.abort();
  expect(told.map(({ workflowId, version }) => `${workflowId} ${version}`)).toEqual(["wf-1 1", "wf-3 1", "wf-1 2", "wf-1 3"]);
});
