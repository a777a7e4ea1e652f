import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BatchMode } from "../../src/gen/concord/workflow/v1/batch.ts";
import { BulkOperationState } from "../../src/gen/concord/workflow/v1/bulk.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { accessFile, clientsWith, tokenOf, withTokens } from "../support/access.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { until } from "../support/until.ts";

// Who has really done it: with what proves who calls, whatever that one says of itself.

const folder = temporaryFolder();
const auditLog = join(folder.path, "audit.jsonl");
const { authentication } = withTokens("ada", "eve", "kurt", "nell");
const grants = [
  { principals: ["ada", "kurt"], roles: ["admin"] },
  { principals: ["eve"], roles: ["client", "reader"] },
  { principals: ["nell"], roles: ["reader"] },
  { principals: ["nell"], roles: ["client"], id_prefix: "nell-" },
];
const { path: access } = accessFile(folder.path, { authentication, grants });
let server: TestServer;
const opened: { readonly close: () => void }[] = [];

function as(name: string | undefined) {
  const made = clientsWith(server.address, name && tokenOf(name));
  opened.push(made);
  return made.clients;
}

beforeAll(async () => {
  server = await startServer({ dataDir: folder.path, access, auditLog, httpListen: "127.0.0.1:0", verdictLog: "all" });
});

afterAll(async () => {
  for (const each of opened) each.close();
  await server.stop();
  folder.remove();
});

const by = { reason: "because", requestedBy: "somebody else" };
const { ACTIVE, PAUSED, COMPLETED } = WorkflowState;

async function eventsOf(workflowId: string) {
  const { events } = await as("ada").workflows.listWorkflowEvents({ workflowId });
  return events.map(({ type, authenticatedAs }) => `${type.replace("WORKFLOW_EVENT_TYPE_", "")} ${authenticatedAs}`);
}

describe("each change of a workflow says who has made it", () => {
  test("a creation that starts, a move, an update, a deadline, a recovery; and the words of the caller beside it", async () => {
    const { workflows } = as("eve");
    const workflowId = "one";
    await workflows.createWorkflow({ workflowId, initialState: ACTIVE, ...by });
    await as("ada").workflows.updateWorkflowMetadata({ workflowId, metadataPatch: { a: 1 }, ...by });
    await workflows.setWorkflowDeadline({
      ...{ workflowId, ...by },
      deadline: {
        targetState: WorkflowState.FAILED,
        due: { $case: "after", value: { seconds: 3600n, nanos: 0 } },
        reason: "late",
      },
    });
    await workflows.transitionWorkflow({ workflowId, targetState: WorkflowState.FAILED, ...by });
    await as("kurt").workflows.recoverWorkflow({ workflowId, ...by });
    expect(await eventsOf(workflowId)).toEqual([
      ...["CREATED eve", "TRANSITION eve", "UPDATED ada", "DEADLINE_SET eve", "FAILED eve", "RECOVERED kurt"],
    ]);
    const { events } = await workflows.listWorkflowEvents({ workflowId, filter: 'event.authenticated_as == "eve"' });
    expect(events).toHaveLength(4);
    expect(new Set(events.map(({ requestedBy }) => requestedBy))).toEqual(new Set([by.requestedBy]));
  });

  test("a batch, each of a bulk operation, and what a deadline does", async () => {
    const { workflows } = as("ada");
    for (const workflowId of ["two", "three"]) await as("eve").workflows.createWorkflow({ workflowId, ...by });
    const items = ["two", "three"].map((workflowId) => ({ workflowId, targetState: ACTIVE }));
    await as("eve").workflows.batchTransitionWorkflows({ items, mode: BatchMode.ALL_OR_NOTHING, ...by });
    const started = await workflows.startBulkOperation({
      ...{ filter: 'workflow.id in ["two", "three"]', ...by },
      action: {
        action: {
          $case: "transition",
          value: { targetState: PAUSED, context: undefined, eventMetadata: undefined },
        },
      },
    });
    const bulkOperationId = started.operation?.bulkOperationId ?? "";
    expect(started.operation?.authenticatedAs).toBe("ada");
    await until(async () => {
      const { operation } = await workflows.getBulkOperation({ bulkOperationId });
      return operation?.state === BulkOperationState.COMPLETED;
    }, "the operation has ended");
    const due = { $case: "after", value: { seconds: 0n, nanos: 1_000_000 } } as const;
    await workflows.setWorkflowDeadline({ workflowId: "two", deadline: { targetState: ACTIVE, due, reason: "go on" }, ...by });
    await until(async () => (await eventsOf("two")).length === 5, "the deadline has been made");
    expect(await eventsOf("two")).toEqual([
      ...["CREATED eve", "TRANSITION eve", "TRANSITION ada", "DEADLINE_SET ada", "TRANSITION system:deadline"],
    ]);
    expect(await eventsOf("three")).toEqual(["CREATED eve", "TRANSITION eve", "TRANSITION ada"]);
  });

  test("over HTTP, too", async () => {
    const answer = await fetch(`${server.url}/v1/workflows`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tokenOf("eve")}` },
      body: JSON.stringify({ workflow_id: "http", requested_by: "ada", reason: "because" }),
    });
    expect(await answer.json()).toMatchObject({ event: { requestedBy: "ada", authenticatedAs: "eve" } });
  });
});

test("rules see who asks, and who made the change before: nobody resumes what that one has paused, whatever is said", async () => {
  const { predicates } = as("ada");
  const expression =
    'request.authenticated_as == "system:deadline" || from != "PAUSED" || request.authenticated_as != last_event.authenticated_as';
  const created = await predicates.createRule({ ruleId: "four-eyes", expression, ...by });
  expect(created.rule).toMatchObject({ createdBy: by.requestedBy, createdAs: "ada", authenticatedAs: "ada" });
  const { rule } = await as("kurt").predicates.activateRule({ ruleId: "four-eyes", ...by });
  expect(rule).toMatchObject({ createdAs: "ada", authenticatedAs: "kurt" });
  const { changes } = await predicates.listRuleSetChanges({ name: "four-eyes" });
  expect(changes.map(({ authenticatedAs }) => authenticatedAs)).toEqual(["kurt", "ada"]);
  expect(
    (await predicates.listRules({ filter: 'rule.created_as == "ada" && rule.authenticated_as == "kurt"' })).rules,
  ).toHaveLength(1);

  const workflowId = "eyes";
  const { workflows } = as("eve");
  await workflows.createWorkflow({ workflowId, initialState: ACTIVE, ...by });
  await workflows.transitionWorkflow({ workflowId, targetState: PAUSED, ...by });
  const allowed = await workflows.listAllowedTransitions({ workflowId, ...by });
  expect(allowed.transitions.some((each) => each.allowed)).toBe(false);
  const refused = workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, reason: "because", requestedBy: "ada" });
  expect(await failureOf(refused)).toMatchObject({ reason: "RULE_DENIED" });
  await as("kurt").workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, ...by });
  await until(async () => {
    const filter = `verdict.authenticated_as == "kurt" && verdict.workflow_id == "${workflowId}"`;
    return (await predicates.listVerdicts({ filter })).verdicts.length === 1;
  }, "the verdict is written down");
});

test("policies and transactions say who has set and begun them, and who has aborted them", async () => {
  const { workflows, commits } = as("ada");
  const set = await workflows.setWorkflowTypePolicy({ workflowType: "sample", terms: {}, ...by });
  expect(set.policy).toMatchObject({ updatedBy: by.requestedBy, authenticatedAs: "ada" });
  const begun = await commits.beginTransaction({ ...by });
  const transactionId = begun.transaction?.transactionId ?? "";
  expect(begun.transaction).toMatchObject({ requestedBy: by.requestedBy, authenticatedAs: "ada" });
  const { transaction } = await as("kurt").commits.abortTransaction({ transactionId, ...by });
  expect(transaction?.abortReason).toContain('aborted by "somebody else" (authenticated as "kurt")');
  const enlisted = (await commits.beginTransaction({ ...by })).transaction?.transactionId ?? "";
  await as("kurt").commits.enlistParticipant({ transactionId: enlisted, participant: { participantId: "stock" }, ...by });
  const { timeline } = await commits.getTransaction({ transactionId: enlisted });
  expect(timeline.at(-1)).toMatchObject({ participantId: "stock", detail: 'authenticated as "kurt"' });
  await commits.abortTransaction({ transactionId: enlisted, ...by });
  const { transactions } = await commits.listTransactions({ filter: 'transaction.authenticated_as == "ada"' });
  expect(transactions.map((each) => each.transactionId)).toEqual([enlisted, transactionId]);
});

test("who repeats the request of somebody else is told that its id is used, and not what was answered", async () => {
  const request = { workflowId: "mine", metadata: { secret: "for ada" }, requestId: "r-1", ...by };
  const { workflow } = await as("ada").workflows.createWorkflow(request);
  expect((await as("ada").workflows.createWorkflow(request)).workflow).toEqual(workflow);
  const failure = await failureOf(as("kurt").workflows.createWorkflow(request));
  expect(failure).toMatchObject({ reason: "REQUEST_ID_REUSED", metadata: { request_id: "r-1" } });
  expect(JSON.stringify(failure)).not.toContain("for ada");
  const begin = { requestId: "t-1", ...by };
  await as("ada").commits.beginTransaction(begin);
  expect(await failureOf(as("kurt").commits.beginTransaction(begin))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  const rule = { ruleId: "used", expression: "true", requestId: "p-1", ...by };
  await as("ada").predicates.createRule(rule);
  expect(await failureOf(as("kurt").predicates.createRule(rule))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});

/** What the audit log has of it. */
async function audited(run: () => Promise<void>): Promise<readonly object[]> {
  const before = readFileSync(auditLog, "utf8").length;
  await run();
  const lines = readFileSync(auditLog, "utf8").slice(before).trim().split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as object);
}

test.each([
  { mode: BatchMode.INDEPENDENT, moved: 1 },
  { mode: BatchMode.ALL_OR_NOTHING, moved: 0 },
])("the audit log has which items of a batch were denied: $mode", async ({ mode, moved }) => {
  const items = ["a", "nell-1", "b"].map((id) => ({ workflowId: `${id}-${moved}`, targetState: ACTIVE }));
  for (const { workflowId } of items) await as("ada").workflows.createWorkflow({ workflowId, ...by });
  const lines = await audited(async () => {
    const { results } = await as("nell").workflows.batchTransitionWorkflows({ items, mode, ...by });
    expect(results.filter(({ result }) => result?.$case === "moved")).toHaveLength(moved);
  });
  expect(lines).toMatchObject([
    {
      ...{ event: "denied", principal: "nell", method: "concord.workflow.v1.WorkflowService/BatchTransitionWorkflows" },
      about: { items: 3, denied: 2, workflow_ids: [`a-${moved}`, `b-${moved}`], reason: "because" },
      ...{ code: "PERMISSION_DENIED", error: "PERMISSION_DENIED" },
    },
  ]);
});

test("the audit log has who was refused, at the door and within, and what operators have changed", async () => {
  const lines = await audited(async () => {
    expect(await failureOf(as(undefined).workflows.getWorkflow({ workflowId: "mine" }))).toMatchObject({
      reason: "UNAUTHENTICATED",
    });
    const purge = { filter: "true", olderThan: { seconds: 0n, nanos: 0 }, ...by };
    expect(await failureOf(as("eve").workflows.purgeWorkflows(purge))).toMatchObject({ reason: "PERMISSION_DENIED" });
    await as("kurt").workflows.deleteWorkflowTypePolicy({ workflowType: "sample", ...by });
    // What it has for all days is told by the events.
    await as("eve").workflows.transitionWorkflow({ workflowId: "eyes", targetState: COMPLETED, ...by });
  });
  // What they may do is told when it begins to count.
  expect(readFileSync(auditLog, "utf8")).toMatch(/"event":"granted","file":"[^"]*access.yaml","sha256":"[0-9a-f]{64}"/);
  const service = "concord.workflow.v1.WorkflowService";
  expect(lines).toMatchObject([
    { event: "denied", principal: "", method: `${service}/GetWorkflow`, code: "UNAUTHENTICATED", error: "NO_PROOF" },
    { event: "denied", principal: "eve", method: `${service}/PurgeWorkflows`, code: "PERMISSION_DENIED" },
    {
      ...{ event: "changed", principal: "kurt", method: `${service}/DeleteWorkflowTypePolicy`, code: "OK" },
      about: { workflow_type: "sample", requested_by: "somebody else", reason: "because" },
    },
  ]);
});
