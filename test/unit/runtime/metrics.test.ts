import { once } from "node:events";
import { type RequestOptions, request } from "node:http";
import { connect } from "node:net";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { createLogger } from "../../../src/runtime/logger.ts";
import { createMetrics, serveMetrics } from "../../../src/runtime/metrics.ts";

async function requestStatus(options: RequestOptions): Promise<number | undefined> {
  const [answer] = await once(request({ host: "127.0.0.1", agent: false, ...options }).end(), "response");
  answer.resume();
  return answer.statusCode;
}

test("half a request does not keep the metrics open", async () => {
  const metrics = await serveMetrics(new Registry(), "127.0.0.1:0", createLogger({ level: "silent", format: "json" }));
  const socket = connect({ port: metrics.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  socket.write("GET /metrics HTTP/1.1\r\nHost:");
  await once(socket, "connect");
  // The second answer shows that the server has seen the first connection.
  expect((await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).status).toBe(200);
  await metrics.close();
  socket.destroy();
});

test("a page of the web that has its own name point here reads nothing, unless that name was named", async () => {
  const logger = createLogger({ level: "silent", format: "json" });
  const metrics = await serveMetrics(new Registry(), "127.0.0.1:0", logger, { allowedHosts: ["metrics.example"] });
  const ask = (host: string) => requestStatus({ port: metrics.port, path: "/metrics", headers: { host } });
  expect(await Promise.all(["evil.example", "metrics.example", `localhost:${metrics.port}`].map(ask))).toEqual([421, 200, 200]);
  await metrics.close();
});

test("rules that come and go leave no series behind, also while nobody reads the metrics", async () => {
  const { predicate, registry } = createMetrics();
  const active = new Set<string>();
  predicate.observe(() => ({ revision: 1, active, shadow: new Set() }));
  for (let index = 0; index < 10_000; index += 1) {
    active.clear();
    active.add(`rule-${index}`);
    predicate.violation(`rule-${index}`, "DENY");
  }
  const counter = registry.getSingleMetric("concord_predicate_violations_total") as unknown as {
    readonly hashMap: Readonly<Record<string, unknown>>;
  };
  expect(Object.keys(counter.hashMap).length).toBeLessThanOrEqual(3_000);
  const series = (await registry.metrics()).match(/^concord_predicate_violations_total\{.*$/gm);
  expect(series).toEqual(['concord_predicate_violations_total{rule="rule-9999",action="DENY"} 1']);
});
