import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerBytesMax } from "../../src/kernel/limits.ts";
import type { capabilities } from "../../src/rpc/workflow/server-info.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, struct } from "../support/proto-client.ts";

const by = { reason: "a test", requested_by: "ada" };
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;
let info: Message;
const beforeMs = Date.now();

beforeAll(async () => {
  server = await startServer({ dataDir: data.path, maxMessage: "2MiB", maxWorkflows: 7 });
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
    workflows: "7",
    page_size: 1000,
    wait: { seconds: "60" },
    request_id_retention: { seconds: String(25 * 3600) },
  });
  for (const [name, value] of Object.entries(info.limits)) expect(value, name).not.toBeOneOf([0, "0", null]);
});

/** Of each capability, a call that only a server with it answers so. */
const proofs: Readonly<Record<(typeof capabilities)[number], () => Promise<void>>> = {
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

describe("each capability is one that it has", () => {
  test("all are told, in the order of their names", () => {
    expect(info.capabilities).toEqual(Object.keys(proofs).toSorted());
  });

  test.each(Object.entries(proofs))("%s", (_, proof) => proof());
});
