import { expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { BulkOperationState } from "../../src/gen/concord/workflow/v1/bulk.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { temporaryFolder } from "../support/concord.ts";
import { serve } from "../support/process.ts";
import { until } from "../support/until.ts";

const by = { reason: "a crash test", requestedBy: "e2e" };
const count = 400;

test("a bulk operation survives any number of kill -9, and acts on each workflow once", async () => {
  const data = temporaryFolder();
  let server = await serve(data.path);
  const channel = openChannel(server.address);
  const { workflows } = connect(channel);
  const names = Array.from({ length: count }, (_, index) => `w-${String(index).padStart(4, "0")}`);
  await Promise.all(names.map((workflowId) => workflows.createWorkflow({ workflowId, type: "many" })));
  const { operation } = await workflows.startBulkOperation({
    // Also what it has moved lies in it: nothing but the operation's own memory keeps it from acting twice.
    filter: 'workflow.type == "many"',
    action: { action: { $case: "transition", value: { targetState: WorkflowState.ACTIVE } } },
    ratePerSecond: 200,
    ...by,
  });
  const id = operation?.bulkOperationId ?? "";
  const read = async () => (await workflows.getBulkOperation({ bulkOperationId: id })).operation;
  let kills = 0;
  for (let done = 0n; ; ) {
    const now = await until(async () => {
      const found = await read().catch(() => undefined);
      return found !== undefined && (found.doneCount > done || found.state === BulkOperationState.COMPLETED) ? found : undefined;
    }, "it goes on");
    if (now.state === BulkOperationState.COMPLETED) break;
    done = now.doneCount;
    await server.kill();
    kills += 1;
    server = await serve(data.path, { listen: server.address });
    if (kills > 6) await until(async () => (await read())?.state === BulkOperationState.COMPLETED, "it is complete");
  }
  expect(kills).toBeGreaterThan(2);
  expect(await read()).toMatchObject({ doneCount: BigInt(count), refusedCount: 0n });
  const stats = await workflows.getSystemStats({});
  expect(stats.totalEvents).toBe(BigInt(2 * count));
  expect(await server.terminate()).toBe(0);
  channel.close();
  data.remove();
});
