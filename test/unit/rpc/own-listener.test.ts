import { HealthDefinition } from "nice-grpc-server-health";
import { afterEach, expect, test } from "vitest";
import { clientFactory, openChannel } from "../../../src/rpc/clients/channel.ts";
import { createRpcServer } from "../../../src/rpc/server.ts";
import { createLogger } from "../../../src/runtime/logger.ts";

/** As the protocol of health has it. */
const serving = 1;

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

test("a server that listens for itself serves the same there, on another port, until it shuts down", async () => {
  const server = createRpcServer({ services: [], logger: createLogger({ level: "silent", format: "json" }) });
  cleanups.push(() => server.shutdown(0));
  const port = await server.listen("127.0.0.1:0");
  const ownPort = await server.listenForItself();
  expect(ownPort).not.toBe(port);
  const channel = openChannel(`127.0.0.1:${ownPort}`);
  cleanups.push(() => channel.close());
  const health = clientFactory.create(HealthDefinition, channel);
  expect(await health.check({ service: "" }, { deadline: 5_000 })).toMatchObject({ status: serving });
  expect(server.load().connections).toBe(1);
  await server.shutdown(0);
  await expect(health.check({ service: "" }, { deadline: 5_000 })).rejects.toThrow(/UNAVAILABLE|CANCELLED/);
});
