import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLoopWatch } from "../../src/runtime/loop-watch.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { startRecordingServer } from "../support/recording-server.ts";

const rpc = "/concord.workflow.v1.WorkflowService/GetWorkflow";

async function world(getWorkflow: () => Promise<unknown>) {
  const { loop: metrics, registry } = createMetrics();
  const warnings: object[] = [];
  const logger = { warn: (fields: object) => void warnings.push(fields), info: () => {} };
  const watch = createLoopWatch({ clock: systemClock, logger, metrics });
  const { address, server } = await startRecordingServer({ getWorkflow }, undefined, { loop: watch });
  const channel = openChannel(address);
  onTestFinished(async () => {
    channel.close();
    await server.shutdown(0);
    watch.stop();
  });
  return {
    warnings,
    call: () => connect(channel).workflows.getWorkflow({ workflowId: "w" }),
    figure: async (line: string) => Number(new RegExp(`^${line} (.*)$`, "m").exec(await registry.metrics())?.[1] ?? 0),
  };
}

const named = expect.objectContaining({
  rpc,
  peer: expect.stringMatching(/^127\.0\.0\.1:/),
  ms: expect.toSatisfy((ms) => ms >= 80),
});

function burn(): void {
  const untilMs = performance.now() + 80;
  while (performance.now() < untilMs);
}

// The machine may hold the loop as well, and has its warning then: so each calls until it is named itself.
test("a handler that holds the loop for 80 ms is named, and the figures move", async () => {
  const { warnings, call, figure } = await world(async () => {
    burn();
    return {};
  });
  while (!warnings.some((warning) => named.asymmetricMatch(warning))) await call();
  expect(await figure(`concord_loop_held_total{by="${rpc}"}`)).toBeGreaterThan(0);
  // The next beat comes as late as the call was long.
  while ((await figure("concord_loop_delay_seconds_sum")) < 0.07) await call();
  // A gauge of the time since it was last read.
  while ((await figure("nodejs_eventloop_lag_max_seconds")) < 0.07) await call();
});

test("so is one that holds it after it has waited, from the second time on", async () => {
  const { warnings, call } = await world(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    burn();
    return {};
  });
  while (!warnings.some((warning) => named.asymmetricMatch(warning))) await call();
});
