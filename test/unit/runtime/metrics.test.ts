import { once } from "node:events";
import { connect } from "node:net";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { serveMetrics } from "../../../src/runtime/metrics.ts";

test("half a request does not keep the metrics open", async () => {
  const metrics = await serveMetrics(new Registry(), "127.0.0.1:0");
  const socket = connect({ port: metrics.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  socket.write("GET /metrics HTTP/1.1\r\nHost:");
  await once(socket, "connect");
  // The second answer shows that the server has seen the first connection.
  expect((await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).status).toBe(200);
  await metrics.close();
  socket.destroy();
});
