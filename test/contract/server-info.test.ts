import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerBytesMax } from "../../src/kernel/limits.ts";
import { capabilities } from "../../src/rpc/workflow/server-info.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { askJson } from "../support/http-client.ts";
import { createProtoClient, type Message, type ProtoClient, type RpcName, struct } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

const by = { reason: "a test", requested_by: "ada" };
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;
let info: Message;
const beforeMs = Date.now();

beforeAll(async () => {
  const sinks = join(data.path, "sinks.yaml");
  // Nobody is there: a sink that cannot publish is one.
  process.env["CONTRACT_INFO_SECRET"] = "secret";
  const hook = { name: "hook", type: "webhook", url: "http://127.0.0.1:1/", secret_env: "CONTRACT_INFO_SECRET" };
  writeFileSync(sinks, JSON.stringify({ sinks: [hook] }));
  const settings = { dataDir: data.path, maxMessage: "2MiB", maxWorkflows: 70 };
  server = await startServer({ ...settings, httpListen: "127.0.0.1:0", sinks });
  client = createProtoClient(server.address);
  info = await client.call("WorkflowService/GetServerInfo", {});
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

test("it says its version, which is that of the package, what it serves, and since when", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect(info).toMatchObject({
    version,
    services: ["concord.workflow.v1.WorkflowService", "concord.predicate.v1.PredicateLogic", "concord.commit.v1.TwoPhaseCommit"],
  });
  const startedAtMs = Number(info.started_at.seconds) * 1000;
  expect(startedAtMs).toBeGreaterThan(beforeMs - 1000);
  expect(startedAtMs).toBeLessThanOrEqual(Date.now());
});

test("its limits are those that are set, or that it has, and none is left out", () => {
  expect(info.limits).toMatchObject({
    request_bytes: String(2 * 2 ** 20),
    answer_bytes: String(answerBytesMax),
    struct_bytes: "65536",
    struct_values: 5000,
    struct_depth: 32,
    message_fields: 62_000,
    workflows: "70",
    page_size: 1000,
    wait: { seconds: "60" },
    request_id_retention: { seconds: String(25 * 3600) },
    batch_items: 1000,
    enlisted_participants: 63,
    bulk_operations_under_way: 8,
    bulk_operations_kept: 100,
    bulk_operation_retention: { seconds: String(7 * 24 * 3600) },
    bulk_rate_per_second: 10_000,
    purged_workflows: 1000,
    deadline_past: { seconds: "60" },
    deadline_ahead: { seconds: String(10 * 365 * 24 * 3600) },
    type_policies: 1000,
    indexed_metadata_keys: 16,
    count_groups: 1000,
    list_changes: 100_000,
  });
  for (const [name, value] of Object.entries(info.limits)) expect(value, name).not.toBeOneOf([0, "0", null]);
});

/** What is in these bounds is not refused for them, and one more is. */
const beyond: Readonly<
  Record<string, { readonly rpc: RpcName; readonly ask: (count: number) => Message; readonly field: string }>
> = {
  batch_items: {
    rpc: "WorkflowService/BatchTransitionWorkflows",
    ask: (count) => ({
      mode: "BATCH_MODE_INDEPENDENT",
      items: idsOf(count).map((workflow_id) => ({ workflow_id, target_state: "WORKFLOW_STATE_ACTIVE" })),
    }),
    field: "items",
  },
  enlisted_participants: {
    rpc: "WorkflowService/TransitionWorkflow",
    ask: (count) => ({
      workflow_id: "nobody",
      target_state: "WORKFLOW_STATE_ACTIVE",
      enlist: idsOf(count).map((participant_id) => ({ participant_id })),
    }),
    field: "enlist",
  },
  bulk_rate_per_second: {
    rpc: "WorkflowService/StartBulkOperation",
    ask: (rate_per_second) => ({ rate_per_second, filter: "false", action: { recovery: {} }, dry_run: true }),
    field: "rate_per_second",
  },
  purged_workflows: {
    rpc: "WorkflowService/PurgeWorkflows",
    ask: (count) => ({ workflows: idsOf(count).map((workflow_id) => ({ workflow_id, version: 1 })), dry_run: true }),
    field: "workflows",
  },
  indexed_metadata_keys: {
    rpc: "WorkflowService/SetWorkflowTypePolicy",
    ask: (count) => ({ workflow_type: "bounds", terms: { indexed_metadata: idsOf(count) } }),
    field: "terms.indexed_metadata",
  },
};

const idsOf = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `nobody${index}`);

test.each(Object.entries(beyond))("%s is where the contract refuses more", async (name, { rpc, ask, field }) => {
  const failureOf = (count: number) =>
    client.call(rpc, { ...ask(count), ...by }).then(
      () => undefined,
      () => client.failure(rpc, { ...ask(count), ...by }),
    );
  const limit = Number(info.limits[name]);
  expect((await failureOf(limit))?.fields ?? []).not.toContain(field);
  expect(await failureOf(limit + 1)).toMatchObject({ reason: "INVALID_REQUEST", fields: [field] });
});

test.each([
  { by: "after", limit: "deadline_ahead", due: (seconds: number) => ({ after: { seconds } }) },
  { by: "at", limit: "deadline_ahead", due: (seconds: number) => ({ at: { seconds: nowSeconds() + seconds } }) },
  { by: "at", limit: "deadline_past", due: (seconds: number) => ({ at: { seconds: nowSeconds() - seconds } }) },
])("$limit is where a deadline's $by is refused", async ({ by: field, limit, due }) => {
  const seconds = Number(info.limits[limit].seconds);
  const ask = (more: number) => ({
    ...{ workflow_id: "nobody", target_state: "WORKFLOW_STATE_ACTIVE", ...by },
    deadline: { ...due(seconds + more), target_state: "WORKFLOW_STATE_FAILED", reason: "late" },
  });
  // A minute less is told from a minute more, however slow the machine is.
  expect(await client.failure("WorkflowService/TransitionWorkflow", ask(-30))).toMatchObject({ reason: "WORKFLOW_NOT_FOUND" });
  expect(await client.failure("WorkflowService/TransitionWorkflow", ask(60))).toMatchObject({
    reason: "INVALID_REQUEST",
    fields: [`deadline.${field}`],
  });
});

const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** Of each capability, a call that only a server with it answers so. */
const proofs: Readonly<Record<(typeof capabilities)[number], () => Promise<void>>> = {
  "batch-transitions": async () => {
    const items = [await item(), await item()];
    const batch = { mode: "BATCH_MODE_ALL_OR_NOTHING", items, ...by };
    expect(await client.call("WorkflowService/BatchTransitionWorkflows", batch)).toMatchObject({
      applied: true,
      results: [{ moved: { version: "2" } }, { moved: { version: "2" } }],
    });
  },
  "batch-enlist": async () => {
    const stock = await joinAs(client, "stock");
    const agreed = stock.agreeToAll();
    const enlist = [{ participant_id: "stock" }];
    const batch = { mode: "BATCH_MODE_ALL_OR_NOTHING", items: [await item(), await item()], enlist, ...by };
    const { results } = await client.call("WorkflowService/BatchTransitionWorkflows", batch);
    const [first, second] = results.map(({ moved }: Message) => moved.transaction_id);
    expect(first).not.toBe("");
    expect(second).toBe(first);
    stock.leave();
    await agreed;
  },
  "bulk-operations": async () => {
    const { workflow_id } = await item();
    const action = { transition: { target_state: "WORKFLOW_STATE_ACTIVE" } };
    const bulk = { filter: `workflow.id == "${workflow_id}"`, action, ...by };
    const { operation } = await client.call("WorkflowService/StartBulkOperation", bulk);
    const { bulk_operation_id } = operation;
    await until(async () => {
      const answer = await client.call("WorkflowService/GetBulkOperation", { bulk_operation_id });
      return answer.operation.state === "BULK_OPERATION_STATE_COMPLETED" && answer.operation.done_count === "1";
    }, "it has acted on the one that it found");
  },
  "count-workflows": async () => {
    await client.call("WorkflowService/CreateWorkflow", { type: "counted", ...by });
    const filter = 'workflow.type == "counted"';
    expect(await client.call("WorkflowService/CountWorkflows", { filter, group_by: ["state"] })).toMatchObject({
      total: "1",
      groups: [{ state: "WORKFLOW_STATE_CREATED", count: "1" }],
    });
  },
  deadlines: async () => {
    const deadline = { after: { seconds: 0, nanos: 1_000_000 }, target_state: "WORKFLOW_STATE_ACTIVE", reason: "in time" };
    const { workflow } = await client.call("WorkflowService/CreateWorkflow", { deadline, ...by });
    const wait = { workflow_id: workflow.workflow_id, states: ["WORKFLOW_STATE_ACTIVE"] };
    expect(await client.call("WorkflowService/WaitForWorkflow", wait)).toMatchObject({
      reached: true,
      workflow: { updated_by: "system:deadline" },
    });
  },
  "event-filter-workflow": async () => {
    const { workflow } = await client.call("WorkflowService/CreateWorkflow", { metadata: struct({ event_filter: 1 }), ...by });
    const { events } = await client.call("WorkflowService/ListWorkflowEvents", {
      filter: "has(workflow.metadata.event_filter) && workflow.metadata.event_filter == 1.0",
    });
    expect(events.map(({ workflow_id }: Message) => workflow_id)).toEqual([workflow.workflow_id]);
  },
  "http-json": async () => {
    const { status, json } = await askJson(`${server.url}/v1/system/info`);
    expect([status, json.capabilities]).toEqual([200, info.capabilities]);
  },
  "metadata-indexes": async () => {
    await setPolicy("indexed", { indexed_metadata: ["site"] });
    await client.call("WorkflowService/CreateWorkflow", { type: "indexed", metadata: struct({ site: "B" }), ...by });
    await until(async () => {
      const { policy } = await client.call("WorkflowService/GetWorkflowTypePolicy", { workflow_type: "indexed" });
      return policy.metadata_indexes.some(({ ready }: Message) => ready);
    }, "the index is made");
    const filter = 'workflow.type == "indexed" && workflow.metadata.site == "B"';
    const { workflows, scanned } = await client.call("WorkflowService/ListWorkflows", { filter });
    expect([workflows.length, scanned]).toEqual([1, false]);
  },
  "recovery-policies": async () => {
    await setPolicy("recovered", { recovery: { max_attempts: 0 } });
    const created = { type: "recovered", initial_state: "WORKFLOW_STATE_ACTIVE", ...by };
    const { workflow_id } = (await client.call("WorkflowService/CreateWorkflow", created)).workflow;
    await client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: "WORKFLOW_STATE_FAILED", ...by });
    expect(await client.failure("WorkflowService/RecoverWorkflow", { workflow_id, ...by })).toMatchObject({
      reason: "RECOVERIES_EXHAUSTED",
    });
  },
  "retention-policies": async () => {
    const retention = { after: { seconds: 3600 }, free_ids: true };
    expect(await setPolicy("retained", { retention })).toMatchObject({
      policy: { terms: { retention: { after: { seconds: "3600" }, archive: false, free_ids: true } } },
    });
  },
  sinks: async () => {
    expect(await client.call("WorkflowService/ListSinks", {})).toMatchObject({ sinks: [{ name: "hook" }] });
  },
  "sorted-lists": async () => {
    for (const workflow_id of ["sorted-1", "sorted-2", "sorted-3"]) {
      await client.call("WorkflowService/CreateWorkflow", { workflow_id, type: "sorted", ...by });
    }
    const request = { filter: 'workflow.type == "sorted"', order_by: "updated_at desc", page_size: 1 };
    let answer = await client.call("WorkflowService/ListWorkflows", request);
    const ids = answer.workflows.map(({ workflow_id }: Message) => workflow_id);
    // What moves between two pages would come to the front, where the list has been.
    await client.call("WorkflowService/TransitionWorkflow", {
      ...{ workflow_id: "sorted-1", target_state: "WORKFLOW_STATE_ACTIVE", ...by },
    });
    while (answer.next_page_token !== "") {
      answer = await client.call("WorkflowService/ListWorkflows", { ...request, page_token: answer.next_page_token });
      ids.push(...answer.workflows.map(({ workflow_id }: Message) => workflow_id));
    }
    expect(ids).toEqual(["sorted-3", "sorted-2", "sorted-1"]);
  },
  "type-policies": async () => {
    const deadlines = [
      {
        ...{ state: "WORKFLOW_STATE_CREATED", target_state: "WORKFLOW_STATE_ACTIVE", after: { seconds: 3600 } },
        reason: "nobody came",
      },
    ];
    await setPolicy("ruled", { deadlines });
    expect(await client.call("WorkflowService/CreateWorkflow", { type: "ruled", ...by })).toMatchObject({
      workflow: { deadline: { reason: "nobody came", set_by: "system:policy" } },
    });
  },
  "create-started": async () => {
    const answer = await client.call("WorkflowService/CreateWorkflow", { initial_state: "WORKFLOW_STATE_ACTIVE", ...by });
    expect(answer).toMatchObject({ workflow: { state: "WORKFLOW_STATE_ACTIVE" } });
  },
  "create-if-exists": async () => {
    const request = { workflow_id: "twice", if_exists: "IF_EXISTS_RETURN" };
    await client.call("WorkflowService/CreateWorkflow", request);
    expect(await client.call("WorkflowService/CreateWorkflow", request)).toMatchObject({ already_existed: true });
  },
  "update-metadata": async () => {
    const { workflow } = await client.call("WorkflowService/CreateWorkflow", {});
    const update = { workflow_id: workflow.workflow_id, metadata_patch: struct({ a: 1 }), ...by };
    const answer = await client.call("WorkflowService/UpdateWorkflowMetadata", update);
    expect(answer).toMatchObject({ workflow: { metadata: struct({ a: 1 }), version: "2" } });
  },
  export: async () => {
    const { workflow } = await client.call("WorkflowService/CreateWorkflow", {});
    const filter = `workflow.id == "${workflow.workflow_id}"`;
    expect(await client.stream("WorkflowService/ExportWorkflows", { filter }).next()).toMatchObject({
      events: [{ version: "1" }],
    });
  },
  purge: async () => {
    const all = { older_than: { seconds: 0 }, ...by };
    expect(await client.call("WorkflowService/PurgeWorkflows", all)).toMatchObject({ oldest_sequence: "1" });
  },
  "wait-for-workflow": async () => {
    const { workflow } = await client.call("WorkflowService/CreateWorkflow", {});
    const { workflow_id } = workflow;
    expect(await client.call("WorkflowService/WaitForWorkflow", { workflow_id, min_version: 1 })).toMatchObject({
      reached: true,
    });
  },
};

/** A move of a new workflow. */
async function item(): Promise<{ readonly workflow_id: string; readonly target_state: string }> {
  const { workflow } = await client.call("WorkflowService/CreateWorkflow", by);
  return { workflow_id: workflow.workflow_id, target_state: "WORKFLOW_STATE_ACTIVE" };
}

const setPolicy = (workflow_type: string, terms: Message) =>
  client.call("WorkflowService/SetWorkflowTypePolicy", { workflow_type, terms, ...by });

describe("each capability is one that it has", () => {
  test("all are told, in the order of their names", () => {
    expect(info.capabilities).toEqual(Object.keys(proofs).toSorted());
    expect(info.capabilities).toEqual(capabilities);
  });

  test("the documentation has all of them, in that order, and no other", () => {
    const text = readFileSync(new URL("../../docs/workflows.md", import.meta.url), "utf8");
    const [, section = ""] = /\n## What a server is\n(.*?)\n## /s.exec(text) ?? [];
    expect([...section.matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, name]) => name)).toEqual(info.capabilities);
  });

  test.each(Object.entries(proofs))("%s", (_, proof) => proof());
});

test("what a server was not started for it does not claim: HTTP and sinks", async () => {
  const folder = temporaryFolder();
  const plain = await startServer({ dataDir: folder.path });
  const { capabilities: told } = await plain.clients.workflows.getServerInfo({});
  expect(told).toEqual(capabilities.filter((name) => name !== "http-json" && name !== "sinks"));
  expect((await plain.clients.workflows.listSinks({})).sinks).toEqual([]);
  await plain.stop();
  folder.remove();
});
