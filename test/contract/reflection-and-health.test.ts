import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { concordServices, createProtoClient, everyRpc, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

const bufPath = join(import.meta.dirname, "../../node_modules/.bin/buf");
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

/** A grpcurl that knows of Concord only what reflection tells. */
async function bufCurl(path: string, ...flags: readonly string[]): Promise<string> {
  const always = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...flags];
  const { stdout } = await promisify(execFile)(bufPath, [...always, `http://${server.address}${path}`]);
  return stdout;
}

describe.each(["grpc-v1", "grpc-v1alpha"])("reflection by %s", (protocol) => {
  test("lists every service", async () => {
    const listed = (await bufCurl("", "--list-services", "--reflect-protocol", protocol)).trim().split("\n");
    expect(listed).toEqual(expect.arrayContaining([...concordServices.map(({ fullName }) => fullName), "grpc.health.v1.Health"]));
  });

  test("lists every method", async () => {
    const listed = (await bufCurl("", "--list-methods", "--reflect-protocol", protocol)).trim().split("\n");
    const wanted = everyRpc().map((rpc) => {
      const [service, method] = rpc.split("/");
      return `${concordServices.find((each) => each.service === service)?.fullName}/${method}`;
    });
    expect(listed).toEqual(expect.arrayContaining(wanted));
  });

  test("a unary call is one line of buf curl", async () => {
    const workflowId = `by-hand-${protocol}`;
    const body = JSON.stringify({ workflowId, metadata: { site: "B" }, requestedBy: "ada" });
    const flags = ["--reflect-protocol", protocol, "-d", body];
    const answer = JSON.parse(await bufCurl("/concord.workflow.v1.WorkflowService/CreateWorkflow", ...flags));
    expect(answer.workflow).toMatchObject({
      workflowId,
      state: "WORKFLOW_STATE_CREATED",
      version: "1",
      metadata: { site: "B" },
    });
  });
});

describe("grpc.health.v1", () => {
  test.each([...concordServices.map(({ fullName }) => fullName), ""])('"%s" is SERVING', async (service) => {
    expect(await client.call("Health/Check", { service })).toEqual({ status: "SERVING" });
  });

  test("of a service that is not here: NOT_FOUND", async () => {
    expect(await client.failure("Health/Check", { service: "concord.lunch.v1.Lunch" })).toMatchObject({ code: "NOT_FOUND" });
  });

  test("a list has each service, and by the empty name all of them", async () => {
    const names = ["", ...concordServices.map(({ fullName }) => fullName)];
    const statuses = Object.fromEntries(names.map((name) => [name, { status: "SERVING" }]));
    expect(await client.call("Health/List", {})).toEqual({ statuses });
  });

  test("a watch of it hears NOT_SERVING once the server begins to stop, while work under way goes on", async () => {
    const folder = temporaryFolder();
    const other = await startServer({ dataDir: folder.path, shutdownGrace: "30s" });
    const its = createProtoClient(other.address);
    const slow = await joinAs(its, "slow");
    await joinAs(its, "silent");
    const participants = [{ participant_id: "slow" }, { participant_id: "silent" }];
    const executed = its.call("TwoPhaseCommit/ExecuteTransaction", { participants });
    const { transaction_id } = await slow.expect("prepare");
    const watch = its.stream("Health/Watch", { service: "concord.commit.v1.TwoPhaseCommit" });
    expect(await watch.next()).toEqual({ status: "SERVING" });

    const stopped = other.stop();
    expect(await watch.next()).toEqual({ status: "NOT_SERVING" });
    const overall = async () => (await its.call("Health/Check", { service: "" })).status;
    await until(async () => (await overall()) === "NOT_SERVING", "the server as a whole is NOT_SERVING");
    const { statuses } = (await its.call("Health/List", {})) as { readonly statuses: Record<string, unknown> };
    expect(statuses).toMatchObject({
      "": { status: "NOT_SERVING" },
      "concord.commit.v1.TwoPhaseCommit": { status: "NOT_SERVING" },
    });
    expect(await slow.expect("go_away")).toMatchObject({ reconnect_after: { seconds: "1" } });
    slow.vote(transaction_id, "VOTE_VALUE_ABORT", "no more");
    expect((await executed).transaction).toMatchObject({ outcome: "OUTCOME_ABORTED" });
    expect(await slow.end()).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
    watch.cancel();
    await stopped;
    its.close();
    folder.remove();
  });
});
