import { promises } from "node:dns";
import { Status } from "nice-grpc";
import { afterEach, expect, test, vi } from "vitest";
import { connect } from "../../../src/cli/client.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";
import { failureOf } from "../../support/concord.ts";
import { startRecordingServer } from "../../support/recording-server.ts";
import { until } from "../../support/until.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test.each(["grpc_proxy", "https_proxy", "http_proxy"])("a proxy for the web, %s, is not used", async (name) => {
  vi.stubEnv("no_grpc_proxy", "");
  vi.stubEnv("no_proxy", "");
  vi.stubEnv(name, "http://127.0.0.1:1");
  const { address, server, calls } = await startRecordingServer();
  const channel = openChannel(address);
  expect((await failureOf(connect(channel).workflows.getWorkflow({ workflowId: "w" }))).code).toBe(Status.FAILED_PRECONDITION);
  expect(calls).toHaveLength(1);
  channel.close();
  await server.shutdown(0);
});

test("a name that has moved to another address is found there", async () => {
  const first = await startRecordingServer();
  const port = first.address.split(":")[1];
  let host = "127.0.0.1";
  vi.spyOn(promises, "lookup").mockImplementation((async () => [
    { address: host, family: 4 },
  ]) as unknown as typeof promises.lookup);
  const channel = openChannel(`moves.test:${port}`);
  const code = async () => (await failureOf(connect(channel).workflows.getWorkflow({ workflowId: "w" }))).code;
  expect(await code()).toBe(Status.FAILED_PRECONDITION);
  await first.server.shutdown(0);
  host = "127.0.0.2";
  const second = await startRecordingServer({}, undefined, {}, `${host}:${port}`);
  // grpc-js would look again after 30 s.
  await until(async () => (await code()) === Status.FAILED_PRECONDITION, "it is found", { limitMs: 20_000 });
  channel.close();
  await second.server.shutdown(0);
});
