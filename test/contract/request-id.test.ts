import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, type RpcName, struct } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

// "A retry with the same id returns the first answer, also after a restart; the same id with another body is REQUEST_ID_REUSED."

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

/** A sink that rests. */
function sinksFile(): string {
  const file = join(data.path, "sinks.yaml");
  process.env["REQUEST_ID_SECRET"] = "secret";
  const entry = { name: "hook", type: "webhook", url: "http://127.0.0.1:9/", secret_env: "REQUEST_ID_SECRET" };
  writeFileSync(file, JSON.stringify({ sinks: [entry] }));
  return file;
}

async function start(): Promise<void> {
  server = await startServer({ dataDir: data.path, sinks: sinksFile() });
  client = createProtoClient(server.address);
  for (const name of ["stock", "tubes"]) void (await joinAs(client, name)).agreeToAll();
}

async function stop(): Promise<void> {
  client.close();
  await server.stop();
}

const by = { reason: "a test", requested_by: "ada" };
const move = (workflow_id: string, state: string) =>
  client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: `WORKFLOW_STATE_${state}`, ...by });

beforeAll(async () => {
  await start();
  for (const workflow_id of ["moved", "together", "failed", "busy", "waits", "batch-1", "batch-2"])
    await client.call("WorkflowService/CreateWorkflow", { workflow_id });
  for (const workflow_id of ["together", "failed"]) await move(workflow_id, "ACTIVE");
  await move("failed", "FAILED");
  await client.call("PredicateLogic/CreateRule", { rule_id: "on", expression: "true", ...by });
  await client.call("PredicateLogic/CreateRule", { rule_id: "off", expression: "true", ...by });
  await client.call("PredicateLogic/ActivateRule", { rule_id: "off", ...by });
  for (const rule_id of ["written", "dim", "gone", "bad"])
    await client.call("PredicateLogic/CreateRule", { rule_id, expression: "true", ...by });
  await client.call("PredicateLogic/ActivateRule", { rule_id: "bad", ...by });
  await client.call("PredicateLogic/DeactivateRule", { rule_id: "bad", ...by });
  await client.call("PredicateLogic/SetRuleSetItem", { fact: { name: "old", expression: "1" }, ...by });
});

afterAll(async () => {
  await stop();
  data.remove();
});

type Mutation = {
  readonly rpc: RpcName;
  readonly request: Message;
  readonly other: Message;
  readonly after?: () => Promise<unknown>;
};

const enlist = ["stock", "tubes"].map((participant_id) => ({ participant_id, payload: Buffer.from("2") }));

const mutations: readonly Mutation[] = [
  {
    rpc: "WorkflowService/SetWorkflowTypePolicy",
    request: { workflow_type: "sample", terms: { recovery: { initial_backoff: { seconds: 60 } } } },
    // A time within what is asked for is a part of it.
    other: { terms: { recovery: { initial_backoff: { seconds: 61 } } } },
    after: () => client.call("WorkflowService/SetWorkflowTypePolicy", { workflow_type: "sample", ...by }),
  },
  {
    rpc: "WorkflowService/DeleteWorkflowTypePolicy",
    request: { workflow_type: "sample" },
    other: { workflow_type: "order" },
    after: () => client.call("WorkflowService/SetWorkflowTypePolicy", { workflow_type: "sample", ...by }),
  },
  {
    rpc: "WorkflowService/CreateWorkflow",
    request: { metadata: struct({ a: 1, b: [true, null] }) },
    other: { metadata: struct({ a: 2 }) },
  },
  {
    rpc: "WorkflowService/TransitionWorkflow",
    request: { workflow_id: "moved", target_state: "WORKFLOW_STATE_ACTIVE", expected_version: 1 },
    other: { target_state: "WORKFLOW_STATE_PAUSED" },
    // The first answer is the first answer, also when the workflow has moved on since.
    after: () => move("moved", "PAUSED"),
  },
  {
    rpc: "WorkflowService/BatchTransitionWorkflows",
    request: {
      mode: "BATCH_MODE_ALL_OR_NOTHING",
      items: ["batch-1", "batch-2"].map((workflow_id) => ({ workflow_id, target_state: "WORKFLOW_STATE_ACTIVE" })),
    },
    other: { mode: "BATCH_MODE_INDEPENDENT" },
    after: () => move("batch-2", "PAUSED"),
  },
  {
    rpc: "WorkflowService/RecoverWorkflow",
    request: { workflow_id: "failed" },
    other: { expected_version: 3 },
    after: () => move("failed", "PAUSED"),
  },
  {
    rpc: "WorkflowService/UpdateWorkflowMetadata",
    request: { workflow_id: "busy", metadata_patch: struct({ approved_by: "ada" }) },
    other: { metadata_patch: struct({ approved_by: "eve" }) },
    after: () =>
      client.call("WorkflowService/UpdateWorkflowMetadata", {
        workflow_id: "busy",
        metadata_patch: struct({ approved_by: null }),
        ...by,
      }),
  },
  {
    rpc: "WorkflowService/StartBulkOperation",
    request: { filter: 'workflow.id == "nobody"', action: { recovery: {} } },
    other: { dry_run: true },
    after: () => until(async () => (await bulkOperation()).state === "BULK_OPERATION_STATE_COMPLETED", "it is complete"),
  },
  { rpc: "WorkflowService/ResetSink", request: { sink: "hook", after_sequence: 3 }, other: { after_sequence: 4 } },
  { rpc: "WorkflowService/PauseSink", request: { sink: "hook" }, other: { reason: "another" } },
  { rpc: "WorkflowService/ResumeSink", request: { sink: "hook" }, other: { reason: "another" } },
  { rpc: "WorkflowService/RetryDeadLetters", request: { sink: "hook" }, other: { to_sequence: 4 } },
  {
    rpc: "WorkflowService/DiscardDeadLetters",
    request: { sink: "hook", from_sequence: 1, to_sequence: 1 },
    other: { to_sequence: 4 },
  },
  {
    rpc: "WorkflowService/SetWorkflowDeadline",
    request: { workflow_id: "waits", deadline: { after: { seconds: 60 }, target_state: "WORKFLOW_STATE_ACTIVE", reason: "r" } },
    other: { deadline: { after: { seconds: 61 }, target_state: "WORKFLOW_STATE_ACTIVE", reason: "r" } },
    after: () => move("waits", "ACTIVE"),
  },
  { rpc: "PredicateLogic/CreateRule", request: { rule_id: "new", expression: "true" }, other: { expression: "false" } },
  { rpc: "PredicateLogic/ActivateRule", request: { rule_id: "on" }, other: { rule_id: "new" } },
  { rpc: "PredicateLogic/DeactivateRule", request: { rule_id: "off" }, other: { reason: "another" } },
  { rpc: "PredicateLogic/UpdateRule", request: { rule_id: "written", expression: "1 == 1" }, other: { expression: "false" } },
  { rpc: "PredicateLogic/ShadowRule", request: { rule_id: "dim", version: 1 }, other: { version: 0 } },
  { rpc: "PredicateLogic/DeprecateRule", request: { rule_id: "bad" }, other: { rule_id: "on" } },
  {
    rpc: "PredicateLogic/DeleteRule",
    request: { rule_id: "gone" },
    other: { rule_id: "written" },
    // Another one, which has nothing to do with it.
    after: () => client.call("PredicateLogic/CreateRule", { rule_id: "gone", expression: "true", ...by }),
  },
  {
    rpc: "PredicateLogic/SetRuleSetItem",
    request: { fact: { name: "new", expression: "1" } },
    other: { fact: { name: "new", expression: "2" } },
  },
  { rpc: "PredicateLogic/DeleteRuleSetItem", request: { kind: "RULE_SET_ITEM_KIND_FACT", name: "old" }, other: { name: "new" } },
  {
    rpc: "PredicateLogic/ApplyRuleSet",
    request: { rules: [{ rule_id: "on", expression: "2 == 2" }] },
    other: { rules: [] },
    after: () => client.call("PredicateLogic/ApplyRuleSet", { ...by }),
  },
  { rpc: "PredicateLogic/RollbackRuleSet", request: { revision: 1 }, other: { revision: 2 } },
  { rpc: "TwoPhaseCommit/ExecuteTransaction", request: { participants: enlist }, other: { participants: [] } },
];

const bulkOperation = async () => (await client.call("WorkflowService/ListBulkOperations", {})).operations[0];

/** Of a transaction the decision stays, while its delivery goes on; of a bulk operation, which it is. */
function stable({ transaction, operation, ...rest }: Message): Message {
  if (operation !== undefined) return { id: operation.bulk_operation_id, created_at: operation.created_at };
  return transaction === undefined
    ? rest
    : { id: transaction.transaction_id, outcome: transaction.outcome, decided_at: transaction.decided_at };
}

describe.each(mutations)("$rpc", ({ rpc, request, other, after }) => {
  const body = { ...request, ...by, request_id: `retry ${rpc}` };

  test("answers a retry as the first time, also after a restart, and refuses the id for anything else", async () => {
    const first = await client.call(rpc, body);
    await after?.();
    expect(stable(await client.call(rpc, body))).toEqual(stable(first));
    const reused = { code: "INVALID_ARGUMENT", reason: "REQUEST_ID_REUSED", metadata: { request_id: body.request_id } };
    expect(await client.failure(rpc, { ...body, ...other })).toMatchObject(reused);
    await stop();
    await start();
    expect(stable(await client.call(rpc, body))).toEqual(stable(first));
    expect(await client.failure(rpc, { ...body, ...other })).toMatchObject(reused);
  });
});

test("TransitionWorkflow with enlist: a retry gets the first answer, also after a restart, and runs no second transaction", async () => {
  const body = { workflow_id: "together", target_state: "WORKFLOW_STATE_COMPLETED", enlist, ...by, request_id: "together" };
  const first = await client.call("WorkflowService/TransitionWorkflow", body);
  expect(first.event.transaction_id).not.toBe("");
  const count = async () => (await client.call("TwoPhaseCommit/ListTransactions", {})).transactions.length;
  const before = await count();
  expect(await client.call("WorkflowService/TransitionWorkflow", body)).toEqual(first);
  await stop();
  await start();
  expect(await client.call("WorkflowService/TransitionWorkflow", body)).toEqual(first);
  const fewer = { ...body, enlist: enlist.slice(1) };
  expect(await client.failure("WorkflowService/TransitionWorkflow", fewer)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  expect(await count()).toBe(before);
});

test("the entries of a map in another order on the wire are still the same request", async () => {
  const create = (metadata: Message) => client.call("WorkflowService/CreateWorkflow", { metadata, ...by, request_id: "order" });
  const first = await create(struct({ a: 1, b: { c: 2, d: 3 } }));
  expect(await create(struct({ b: { d: 3, c: 2 }, a: 1 }))).toEqual(first);
});

test("one id is one request over all methods of a service", async () => {
  const body = { ...by, request_id: "across" };
  await client.call("WorkflowService/CreateWorkflow", body);
  const failure = await client.failure("WorkflowService/TransitionWorkflow", {
    workflow_id: "busy",
    target_state: "WORKFLOW_STATE_ACTIVE",
    ...body,
  });
  expect(failure).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  const policy = { workflow_type: "across", request_id: "across policies", ...by };
  await client.call("WorkflowService/SetWorkflowTypePolicy", policy);
  await client.call("WorkflowService/CreateWorkflow", { workflow_id: "across", ...by });
  const create = { workflow_id: "across", request_id: "across policies" };
  expect(await client.failure("WorkflowService/CreateWorkflow", create)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  const bulk = { filter: 'workflow.id == "nobody"', action: { recovery: {} }, request_id: "across bulk", ...by };
  await client.call("WorkflowService/StartBulkOperation", bulk);
  const reused = { reason: "REQUEST_ID_REUSED", metadata: { request_id: "across bulk" } };
  const ofBulk = { request_id: "across bulk", ...by };
  const moved = { workflow_id: "across", target_state: "WORKFLOW_STATE_ACTIVE", ...ofBulk };
  const batch = { mode: "BATCH_MODE_INDEPENDENT", items: [{ workflow_id: "across", target_state: "WORKFLOW_STATE_ACTIVE" }] };
  for (const [rpc, request] of [
    ["CreateWorkflow", ofBulk],
    ["TransitionWorkflow", moved],
    ["BatchTransitionWorkflows", { ...batch, ...ofBulk }],
    ["BatchTransitionWorkflows", { ...batch, mode: "BATCH_MODE_ALL_OR_NOTHING", ...ofBulk }],
    ["SetWorkflowTypePolicy", { workflow_type: "across", ...ofBulk }],
    ["UpdateWorkflowMetadata", { workflow_id: "across", metadata_patch: struct({ a: 1 }), ...ofBulk }],
  ] as const) {
    expect([rpc, await client.failure(`WorkflowService/${rpc}`, request)]).toMatchObject([rpc, reused]);
  }
  const again = { ...policy, request_id: "across" };
  expect(await client.failure("WorkflowService/SetWorkflowTypePolicy", again)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});

test("a refused request is not remembered: it may be made again with the same id", async () => {
  const body = { workflow_id: "later", target_state: "WORKFLOW_STATE_ACTIVE", ...by, request_id: "patience" };
  expect(await client.failure("WorkflowService/TransitionWorkflow", body)).toMatchObject({ reason: "WORKFLOW_NOT_FOUND" });
  await client.call("WorkflowService/CreateWorkflow", { workflow_id: "later" });
  expect((await client.call("WorkflowService/TransitionWorkflow", body)).workflow.version).toBe("2");
});

test("of bulk operations that are started with one id at once, there is one", async () => {
  const body = { filter: 'workflow.id == "nobody"', action: { recovery: {} }, ...by, request_id: "bulk race" };
  const answers = await Promise.all(Array.from({ length: 8 }, () => client.call("WorkflowService/StartBulkOperation", body)));
  expect(new Set(answers.map(({ operation }) => operation.bulk_operation_id)).size).toBe(1);
});

test("of retries that race with their original, each gets the one answer", async () => {
  const body = { workflow_id: "busy", target_state: "WORKFLOW_STATE_ACTIVE", ...by, request_id: "race" };
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.call("WorkflowService/TransitionWorkflow", body)));
  expect(new Set(answers.map(({ event }) => event.event_id)).size).toBe(1);
  expect(answers.map(({ workflow }) => workflow.version)).toEqual(answers.map(() => answers[0]?.workflow.version));
});
