import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Client, createClient, WorkflowState } from "../../src/client.ts";
import { temporaryFolder } from "../support/concord.ts";
import { type Server, serve } from "../support/process.ts";

const data = temporaryFolder();
const { ACTIVE, PAUSED } = WorkflowState;
let server: Server;
let client: Client;

beforeAll(async () => {
  server = await serve(join(data.path, "server"));
  client = createClient({ address: server.address, requestedBy: "ada" });
});

afterAll(async () => {
  client.close();
  await server.kill();
  data.remove();
});

const comeBack = async () => {
  server = await serve(join(data.path, "server"), { listen: server.address });
};

test("a creation may be repeated", async () => {
  const first = await client.create({ workflowId: "wf-1", metadata: { site: "B" } });
  expect(await client.create({ workflowId: "wf-1", metadata: { site: "B" } })).toEqual(first);
  const other = client.create({ workflowId: "wf-1", metadata: { site: "C" } });
  await expect(other).rejects.toMatchObject({ reason: "WORKFLOW_ALREADY_EXISTS", outcome: "not done", retry: "no" });
});

test("a refusal says which fields are wrong", async () => {
  const misspelt = client.transition({ workflowId: "wf 1", targetState: ACTIVE, reason: "misspelt" });
  await expect(misspelt).rejects.toMatchObject({ reason: "INVALID_REQUEST", fields: [{ field: "workflow_id" }] });
});

test("changes of many at once are all made", async () => {
  await client.create({ workflowId: "counter", metadata: { count: 0 } });
  const addFive = async () => {
    for (let times = 0; times < 5; times += 1)
      await client.change("counter", ({ metadata }) => ({
        metadataPatch: { count: Number(metadata?.["count"]) + 1 },
        reason: "another one",
      }));
  };
  await Promise.all([addFive(), addFive(), addFive(), addFive()]);
  expect(await client.get("counter")).toMatchObject({ metadata: { count: 20 }, version: 21n });
});

test("a change that is not needed is not made", async () => {
  await client.create({ workflowId: "wf-2" });
  expect(await client.change("wf-2", () => undefined)).toMatchObject({ version: 1n });
});

test("a call outlives a kill of the server, and is made once", async () => {
  await client.create({ workflowId: "wf-3" });
  await server.kill();
  const moved = client.transition({ workflowId: "wf-3", targetState: ACTIVE, reason: "on", requestId: "once" });
  await comeBack();
  expect(await moved).toMatchObject({ version: 2n });
  const again = await client.transition({ workflowId: "wf-3", targetState: ACTIVE, reason: "on", requestId: "once" });
  expect(again).toMatchObject({ version: 2n });
});

test("a watch goes on where it was after a kill", async () => {
  await client.create({ workflowId: "wf-4" });
  const events = client.watch({ afterSequence: 0n, workflowId: "wf-4" });
  expect((await events.next()).value).toMatchObject({ version: 1n });
  await client.transition({ workflowId: "wf-4", targetState: ACTIVE, reason: "on" });
  await server.kill();
  await comeBack();
  await client.transition({ workflowId: "wf-4", targetState: PAUSED, reason: "lunch" });
  expect([(await events.next()).value, (await events.next()).value]).toMatchObject([{ version: 2n }, { version: 3n }]);
  await events.return();
});

test("who has no time left hears that the outcome is unknown", async () => {
  const nobody = createClient({ address: "127.0.0.1:1", requestedBy: "ada" });
  const created = nobody.create({ workflowId: "wf-5" }, { deadline: 1 });
  await expect(created).rejects.toMatchObject({ reason: undefined, outcome: "unknown", retry: "same" });
  nobody.close();
});
