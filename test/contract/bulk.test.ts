import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BulkOperationState } from "../../src/gen/concord/workflow/v1/bulk.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { until } from "../support/until.ts";

const { ACTIVE, CANCELLED, COMPLETED, FAILED, PAUSED } = WorkflowState;
const { RUNNING } = BulkOperationState;
const by = { reason: "a test", requestedBy: "ada" };
const data = temporaryFolder();
let server: TestServer;
let groups = 0;

const start = async (): Promise<void> => {
  server = await startServer({ dataDir: data.path });
};

beforeAll(start);

afterAll(async () => {
  await server.stop();
  data.remove();
});

/** Some of a type of their own, where they are. */
async function group(
  ...states: readonly (readonly WorkflowState[])[]
): Promise<{ readonly ids: readonly string[]; readonly filter: string }> {
  groups += 1;
  const type = `group-${groups}`;
  const ids = states.map((_, index) => `${type}-${String(index).padStart(3, "0")}`);
  for (const [index, way] of states.entries()) {
    const workflowId = ids[index] ?? "";
    await server.clients.workflows.createWorkflow({ workflowId, type, metadata: { celsius: index } });
    for (const targetState of way) await server.clients.workflows.transitionWorkflow({ workflowId, targetState, ...by });
  }
  return { ids, filter: `workflow.type == "${type}"` };
}

const to = (targetState: WorkflowState, more: object = {}) => ({
  action: { $case: "transition", value: { targetState, ...more } } as const,
});
const recovery = { action: { $case: "recovery", value: {} } as const };

const startBulk = async (request: object): Promise<string> => {
  const { operation } = await server.clients.workflows.startBulkOperation({ ...by, ratePerSecond: 10_000, ...request });
  return operation?.bulkOperationId ?? "";
};
const get = async (bulkOperationId: string) => {
  const { operation } = await server.clients.workflows.getBulkOperation({ bulkOperationId });
  if (operation === undefined) throw new Error("no operation");
  return operation;
};
const ended = (id: string) =>
  until(async () => {
    const operation = await get(id);
    return operation.state === RUNNING || operation.state === BulkOperationState.PAUSED ? undefined : operation;
  }, "the operation has ended");
const stateOf = async (workflowId: string) => (await server.clients.workflows.getWorkflow({ workflowId })).workflow?.state;
const statesOf = (ids: readonly string[]) => Promise.all(ids.map(stateOf));

test("acts on what the filter finds, tells of each, and its events name it", async () => {
  const { ids, filter } = await group([ACTIVE], [], [ACTIVE], [ACTIVE, COMPLETED]);
  const id = await startBulk({
    filter: `${filter} && workflow.state != "COMPLETED"`,
    action: to(PAUSED, { eventMetadata: { campaign: 7 } }),
  });
  expect(await ended(id)).toMatchObject({ state: BulkOperationState.COMPLETED, doneCount: 2n, refusedCount: 1n, ...by });
  expect(await statesOf(ids)).toEqual([PAUSED, WorkflowState.CREATED, PAUSED, COMPLETED]);
  const { results } = await server.clients.workflows.listBulkOperationResults({ bulkOperationId: id });
  expect(results.map(({ workflowId }) => workflowId)).toEqual(ids.slice(0, 3));
  expect(results[1]).toMatchObject({
    result: { $case: "failure", value: { code: 9, reason: "INVALID_TRANSITION", metadata: { from: "CREATED", to: "PAUSED" } } },
  });
  const [sequence] = results.map(({ result }) => (result?.$case === "sequence" ? result.value : 0n));
  const { events } = await server.clients.workflows.listWorkflowEvents({ filter: `event.bulk_operation_id == "${id}"` });
  expect(events).toHaveLength(2);
  expect(events[0]).toMatchObject({ sequence, workflowId: ids[0], bulkOperationId: id, metadata: { campaign: 7 }, ...by });
  const refused = await server.clients.workflows.listBulkOperationResults({ bulkOperationId: id, refusedOnly: true });
  expect(refused.results.map(({ workflowId }) => workflowId)).toEqual([ids[1]]);
});

test("results come page by page", async () => {
  const { ids, filter } = await group(...Array.from({ length: 7 }, () => []));
  const id = await startBulk({ filter, action: to(ACTIVE) });
  await ended(id);
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await server.clients.workflows.listBulkOperationResults({ bulkOperationId: id, pageSize: 3, pageToken });
    expect(page.results.length).toBeLessThanOrEqual(3);
    found.push(...page.results.map(({ workflowId }) => workflowId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual(ids);
});

test("a dry run says what would become of each, and changes nothing", async () => {
  const { ids, filter } = await group([ACTIVE], []);
  const before = (await server.clients.workflows.getSystemStats({})).totalEvents;
  const id = await startBulk({ filter, action: to(PAUSED), dryRun: true });
  expect(await ended(id)).toMatchObject({ dryRun: true, doneCount: 1n, refusedCount: 1n });
  const { results } = await server.clients.workflows.listBulkOperationResults({ bulkOperationId: id });
  expect(results).toMatchObject([
    { workflowId: ids[0], result: { $case: "sequence", value: 0n } },
    { workflowId: ids[1], result: { $case: "failure", value: { reason: "INVALID_TRANSITION" } } },
  ]);
  expect((await server.clients.workflows.getSystemStats({})).totalEvents).toBe(before);
});

test("a recovery recovers what has failed, and adds to its retries", async () => {
  const { ids, filter } = await group([ACTIVE, FAILED], [ACTIVE], [ACTIVE, FAILED]);
  const id = await startBulk({ filter, action: recovery });
  expect(await ended(id)).toMatchObject({ doneCount: 2n, refusedCount: 1n });
  expect(await statesOf(ids)).toEqual([ACTIVE, ACTIVE, ACTIVE]);
  const { workflow } = await server.clients.workflows.getWorkflow({ workflowId: ids[0] ?? "" });
  expect(workflow?.retryCount).toBe(1);
  const { results } = await server.clients.workflows.listBulkOperationResults({ bulkOperationId: id, refusedOnly: true });
  expect(results).toMatchObject([{ workflowId: ids[1], result: { value: { reason: "NOT_FAILED" } } }]);
});

test("what is not to be recovered yet is told with when, and not tried again", async () => {
  const workflowType = `group-${groups + 1}`;
  const recovery = { initialBackoff: { seconds: 3600n, nanos: 0 } };
  await server.clients.workflows.setWorkflowTypePolicy({ workflowType, terms: { recovery }, ...by });
  const { ids, filter } = await group([ACTIVE, FAILED]);
  const id = await startBulk({ filter, action: { action: { $case: "recovery", value: {} } } });
  expect(await ended(id)).toMatchObject({ doneCount: 0n, refusedCount: 1n });
  const { results } = await server.clients.workflows.listBulkOperationResults({ bulkOperationId: id });
  expect(results).toMatchObject([{ workflowId: ids[0], result: { value: { code: 9, reason: "RECOVERY_TOO_EARLY" } } }]);
  expect(await statesOf(ids)).toEqual([FAILED]);
});

test("a change of metadata is made of each that has not ended, and its event has the patch", async () => {
  const { ids, filter } = await group([ACTIVE], [ACTIVE, COMPLETED], []);
  const value = { metadataPatch: { campaign: 7, celsius: null } };
  const id = await startBulk({ filter, action: { action: { $case: "metadataUpdate", value } } });
  expect(await ended(id)).toMatchObject({
    doneCount: 2n,
    refusedCount: 1n,
    action: { action: { $case: "metadataUpdate", value } },
  });
  const { workflow } = await server.clients.workflows.getWorkflow({ workflowId: ids[0] ?? "" });
  expect(workflow).toMatchObject({ metadata: { campaign: 7 }, version: 3n });
  expect(workflow?.metadata).not.toHaveProperty("celsius");
  const { events } = await server.clients.workflows.listWorkflowEvents({ filter: `event.bulk_operation_id == "${id}"` });
  expect(events).toMatchObject(value.metadataPatch && [{ type: "WORKFLOW_EVENT_TYPE_UPDATED", ...value }, value]);
  const { results } = await server.clients.workflows.listBulkOperationResults({ bulkOperationId: id, refusedOnly: true });
  expect(results).toMatchObject([{ workflowId: ids[1], result: { value: { reason: "TERMINAL_STATE" } } }]);
});

test("goes at its rate; paused it stands, resumed it goes on, cancelled it has ended; also over a restart", async () => {
  const { ids, filter } = await group(...Array.from({ length: 40 }, () => []));
  const id = await startBulk({ filter, action: to(ACTIVE), ratePerSecond: 20 });
  await until(async () => (await get(id)).doneCount > 0n, "it has begun");
  const change = { bulkOperationId: id, ...by };
  const { operation: paused } = await server.clients.workflows.pauseBulkOperation(change);
  expect(paused).toMatchObject({ state: BulkOperationState.PAUSED });
  expect(Number(paused?.doneCount)).toBeLessThan(40);
  await server.stop();
  await start();
  expect(await get(id)).toEqual(paused);
  expect((await server.clients.workflows.pauseBulkOperation(change)).operation).toEqual(paused);
  await server.clients.workflows.resumeBulkOperation(change);
  await until(async () => (await get(id)).doneCount > (paused?.doneCount ?? 0n), "it goes on");
  await server.stop();
  await start();
  const before = await get(id);
  expect(before.state).toBe(RUNNING);
  await until(async () => (await get(id)).doneCount > before.doneCount, "it goes on by itself after a restart");
  const { operation: cancelled } = await server.clients.workflows.cancelBulkOperation(change);
  expect(cancelled?.state).toBe(BulkOperationState.CANCELLED);
  const done = Number(cancelled?.doneCount);
  expect((await statesOf(ids)).filter((state) => state === ACTIVE)).toHaveLength(done);
  expect((await server.clients.workflows.cancelBulkOperation(change)).operation).toEqual(cancelled);
  for (const verb of ["pauseBulkOperation", "resumeBulkOperation"] as const) {
    expect(await failureOf(server.clients.workflows[verb](change))).toMatchObject({
      reason: "BULK_OPERATION_STATE",
      metadata: { bulk_operation_id: id, state: "CANCELLED" },
    });
  }
});

describe("is refused, with the field, if", () => {
  test.each([
    { what: "the filter is empty", change: { filter: "" }, field: "filter" },
    { what: "the filter does not compile", change: { filter: "workflow.stat == 1" }, field: "filter" },
    { what: "there is no action", change: { action: undefined }, field: "action" },
    { what: "the action is empty", change: { action: {} }, field: "action.action" },
    {
      what: "the move has no target",
      change: { action: to(WorkflowState.UNSPECIFIED) },
      field: "action.transition.target_state",
    },
    {
      what: "the patch is empty",
      change: { action: { action: { $case: "metadataUpdate", value: { metadataPatch: {} } } } },
      field: "action.metadata_update.metadata_patch",
    },
    { what: "the rate is too large", change: { ratePerSecond: 10_001 }, field: "rate_per_second" },
    { what: "it has no reason", change: { reason: "" }, field: "reason" },
  ])("$what", async ({ change, field }) => {
    expect(await failureOf(startBulk({ filter: "true", action: to(CANCELLED), ...change }))).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: [{ field }],
    });
  });
});

test.each([
  "getBulkOperation",
  "listBulkOperationResults",
  "pauseBulkOperation",
  "resumeBulkOperation",
  "cancelBulkOperation",
] as const)("%s of what is not kept is told so", async (verb) => {
  expect(await failureOf(server.clients.workflows[verb]({ bulkOperationId: "nothing", ...by }))).toMatchObject({
    reason: "BULK_OPERATION_NOT_FOUND",
    metadata: { bulk_operation_id: "nothing" },
  });
});

test("a retry returns the operation, also after a restart; with another request its id is refused", async () => {
  const { filter } = await group([]);
  const request = { filter, action: to(ACTIVE), requestId: `bulk-${groups}` };
  const id = await startBulk(request);
  expect(await startBulk(request)).toBe(id);
  await ended(id);
  await server.stop();
  await start();
  expect(await startBulk(request)).toBe(id);
  expect(await failureOf(startBulk({ ...request, dryRun: true }))).toMatchObject({
    reason: "REQUEST_ID_REUSED",
    metadata: { request_id: request.requestId },
  });
  const requestId = `single-${groups}`;
  await server.clients.workflows.createWorkflow({ requestId });
  expect((await failureOf(startBulk({ ...request, requestId }))).reason).toBe("REQUEST_ID_REUSED");
  const { operations } = await server.clients.workflows.listBulkOperations({ pageSize: 1 });
  expect(operations.map(({ bulkOperationId }) => bulkOperationId)).toEqual([id]);
});

test("as many as may be under way, and no more", async () => {
  const { filter } = await group(...Array.from({ length: 30 }, () => []));
  const slow = { filter, action: to(ACTIVE), ratePerSecond: 1 };
  const ids: string[] = [];
  for (let count = 0; count < 8; count += 1) ids.push(await startBulk(slow));
  expect(await failureOf(startBulk(slow))).toMatchObject({ reason: "BULK_OPERATION_LIMIT_REACHED", metadata: { limit: "8" } });
  for (const bulkOperationId of ids) await server.clients.workflows.cancelBulkOperation({ bulkOperationId, ...by });
  await startBulk({ ...slow, ratePerSecond: 10_000 }).then(ended);
});
