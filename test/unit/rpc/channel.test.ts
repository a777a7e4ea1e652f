import { Status } from "nice-grpc";
import { afterEach, expect, test, vi } from "vitest";
import { connect } from "../../../src/cli/client.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";
import { failureOf } from "../../support/concord.ts";
import { startRecordingServer } from "../../support/recording-server.ts";

afterEach(() => {
  vi.unstubAllEnvs();
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
