import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";

const folder = join(import.meta.dirname, "../../examples/replay");

let data: ReturnType<typeof temporaryFolder>;
let server: TestServer;
beforeEach(async () => {
  data = temporaryFolder();
  server = await startServer({ dataDir: data.path });
});
afterEach(async () => {
  await server.stop();
  data.remove();
});

const replay = (...args: readonly string[]) => {
  return promisify(execFile)(process.execPath, [
    join(folder, "main.ts"),
    join(folder, "orders.xes"),
    "--address",
    server.address,
    ...args,
  ]);
};

test("examples/replay prints what its README says, and replays a log once only", async () => {
  const [, shown] = /```console\n\$ .*\n([^`]*)```/.exec(readFileSync(join(folder, "README.md"), "utf8")) ?? [];
  expect((await replay()).stdout).toBe(shown);
  const before = await server.clients.workflows.getSystemStats({});

  const again = JSON.parse((await replay("-o", "json")).stdout);
  expect(again).toMatchObject({ traces: 4, events: 18, instances: 6, byTransition: { complete: { legal: 2, refused: 2 } } });
  const { totalEvents } = await server.clients.workflows.getSystemStats({});
  expect(totalEvents).toBe(before.totalEvents);

  const { workflow } = await server.clients.workflows.getWorkflow({ workflowId: "orders:2:check-credit:2" });
  expect(workflow).toMatchObject({
    state: "WORKFLOW_STATE_FAILED",
    retryCount: 1,
    metadata: { case: "order 2", activity: "check credit" },
  });
});
