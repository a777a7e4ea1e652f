import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { sinkMetrics } from "../../../src/runtime/sink-metrics.ts";

test("each sink has its lag, its state and its counts", async () => {
  const registry = new Registry();
  const metrics = sinkMetrics(registry);
  let state = "retrying";
  metrics.observe(async () => [{ name: "bus", state, cursor: 40, newest: 42, lagMs: 1_500, deadLetterCount: 3 }]);
  metrics.published("bus", 40);
  metrics.failed("bus");
  metrics.deadLettered("bus");
  await registry.metrics();
  state = "delivering";
  const text = await registry.metrics();
  for (const line of [
    'concord_sink_lag_events{sink="bus"} 2',
    'concord_sink_lag_seconds{sink="bus"} 1.5',
    'concord_sink_dead_letters{sink="bus"} 3',
    'concord_sink_state{sink="bus",state="delivering"} 1',
    'concord_sink_published_total{sink="bus"} 40',
    'concord_sink_failures_total{sink="bus"} 1',
    'concord_sink_dead_lettered_total{sink="bus"} 1',
  ])
    expect(text).toContain(`${line}\n`);
  expect(text).not.toContain('state="retrying"');
});
