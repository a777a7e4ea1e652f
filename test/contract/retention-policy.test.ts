import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

const data = temporaryFolder();
afterAll(() => data.remove());

const by = { reason: "a test", requested_by: "ada" };
const archive = join(data.path, "archive");

async function server() {
  const started = await startServer({ dataDir: data.path, archive });
  const client = createProtoClient(started.address);
  return {
    client,
    stop: async () => {
      client.close();
      await started.stop();
    },
  };
}

test("a policy of retention holds over a restart: what has ended is archived, then purged; other types stay", async () => {
  const first = await server();
  const retention = { after: { seconds: 0 }, archive: true };
  const set = await first.client.call("WorkflowService/SetWorkflowTypePolicy", {
    workflow_type: "sample",
    terms: { retention },
    ...by,
  });
  expect(set.policy.terms.retention).toMatchObject({ after: { seconds: "0" }, archive: true, free_ids: false });
  const { events } = await first.client.call("WorkflowService/ListWorkflowEvents", {});
  expect(events).toEqual([]);
  for (const [workflow_id, type] of [
    ["old", "sample"],
    ["other", "order"],
  ]) {
    await first.client.call("WorkflowService/CreateWorkflow", { workflow_id, type, ...by });
    for (const target_state of ["WORKFLOW_STATE_ACTIVE", "WORKFLOW_STATE_CANCELLED"])
      await first.client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state, ...by });
  }
  await first.stop();

  const second = await server();
  const purged = await until(
    async () => second.client.failure("WorkflowService/GetWorkflow", { workflow_id: "old" }).catch(() => undefined),
    "it is purged",
  );
  expect(purged).toMatchObject({ code: "NOT_FOUND", reason: "WORKFLOW_PURGED" });
  expect(await second.client.call("WorkflowService/GetWorkflow", { workflow_id: "other" })).toMatchObject({
    workflow: { version: "3" },
  });
  await second.stop();

  const files = readdirSync(archive).map((name) => readFileSync(join(archive, name), "utf8"));
  expect(
    files
      .join("")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    {
      workflow: { workflowId: "old", state: "WORKFLOW_STATE_CANCELLED" },
      events: [{ version: "1" }, { version: "2" }, { version: "3" }],
    },
  ]);
});

test("a server whose archive cannot be made does not start", async () => {
  await expect(startServer({ dataDir: data.path, archive: "/proc/archive" })).rejects.toThrow(
    /^archive: cannot create \/proc\/archive/,
  );
});
