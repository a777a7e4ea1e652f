import { afterAll, afterEach, expect, test, vi } from "vitest";
import { startServer, temporaryFolder } from "../support/concord.ts";

const data = temporaryFolder();
afterAll(() => data.remove());
afterEach(() => void vi.useRealTimers());

const dayMs = 24 * 3_600_000;
const create = (workflowId: string) => ({ workflowId, requestId: workflowId, reason: "a test", requestedBy: "contract" });

test("a clock that is a week ahead at the start: a retry still finds the answer to its request id", async () => {
  const first = await startServer({ dataDir: data.path });
  const created = await first.clients.workflows.createWorkflow(create("wf-1"));
  await first.stop();

  vi.useFakeTimers({ toFake: ["Date", "setInterval"], now: Date.now() + 8 * dayMs });
  const second = await startServer({ dataDir: data.path });
  // Old answers are purged; the next write comes after that.
  vi.advanceTimersByTime(2_000);
  await second.clients.workflows.createWorkflow(create("wf-2"));
  expect(await second.clients.workflows.createWorkflow(create("wf-1"))).toStrictEqual(created);
  await second.stop();
});
