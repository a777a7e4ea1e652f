import { get, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { join } from "node:path";
import { Writable } from "node:stream";
import { Status } from "nice-grpc-common";
import { HealthDefinition } from "nice-grpc-server-health";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { ListWorkflowsRequest } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { callGrpc } from "../../src/http/grpc-call.ts";
import { clientFactory, openChannel } from "../../src/rpc/clients/channel.ts";
import { accessFile, clientsWith, tokenOf, withTokens } from "../support/access.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { openRawConnection } from "../support/raw-call.ts";
import { until } from "../support/until.ts";

const folder = temporaryFolder();
const file = accessFile(folder.path, withTokens("ada", "bob"));
const metrics = join(folder.path, "metrics.sock");
const lines: string[] = [];
const logged = new Writable({
  write: (chunk, _encoding, done) => {
    lines.push(String(chunk));
    done();
  },
});
let server: TestServer;
const opened: { readonly close: () => void }[] = [];

function as(token: string | undefined) {
  const made = clientsWith(server.address, token);
  opened.push(made);
  return made.clients;
}

beforeAll(async () => {
  const settings = { dataDir: folder.path, access: file.path, httpListen: "127.0.0.1:0", metricsListen: `unix:${metrics}` };
  server = await startServer(settings, pino({ level: "debug" }, logged));
});

afterAll(async () => {
  for (const each of opened) each.close();
  await server.stop();
  folder.remove();
});

describe("with an access file", () => {
  test("who shows a token that counts may call, and moves go through the process's own services", async () => {
    const { workflows } = as(tokenOf("ada"));
    const by = { reason: "test", requestedBy: "somebody" };
    await workflows.createWorkflow({ workflowId: "one", ...by });
    const { workflow } = await workflows.transitionWorkflow({ workflowId: "one", targetState: WorkflowState.ACTIVE, ...by });
    expect(workflow?.state).toBe(WorkflowState.ACTIVE);
    expect((await as(tokenOf("ada")).commits.listParticipants({})).participants).toMatchObject([
      { participantId: "concord.workflow", connected: true },
    ]);
  });

  test.each([
    ["nothing", undefined, "NO_PROOF"],
    ["a token that nobody has", "other", "UNKNOWN_TOKEN"],
    ["something that is no token", "a b", "UNREADABLE"],
  ])("who shows %s is refused, of every service alike", async (_, token, why) => {
    const { workflows, predicates, commits } = as(token);
    for (const call of [
      workflows.listWorkflows({}),
      predicates.listRules({}),
      commits.listTransactions({}),
      workflows.getServerInfo({}),
    ]) {
      expect(await failureOf(call)).toMatchObject({ reason: "UNAUTHENTICATED", metadata: { why } });
    }
  });

  test("nobody becomes somebody by a header of ours", async () => {
    const connection = openRawConnection(server.address);
    const path = "/concord.workflow.v1.WorkflowService/ListWorkflows";
    const call = (headers: Record<string, string>) => {
      const { send, stream, status } = connection.call(path, headers);
      send(ListWorkflowsRequest.encode(ListWorkflowsRequest.fromPartial({})).finish());
      stream.end();
      stream.resume();
      return status;
    };
    expect(await call({ "concord-entrant": "1" })).toBe("16");
    expect(await call({ "concord-entrant": "1", authorization: `Bearer ${tokenOf("ada")}` })).toBe("0");
    connection.close();
  });

  test.each([
    ["WorkflowService/ListWorkflows", "a unary call"],
    ["WorkflowService/WatchWorkflowEvents", "a stream"],
  ])("of two proofs none counts: %s, %s", async (method) => {
    const connection = openRawConnection(server.address);
    const path = `/concord.workflow.v1.${method}`;
    for (const tokens of [
      ["ada", "bob"],
      ["ada", "ada"],
      ["nobody", "ada"],
    ]) {
      const authorization = tokens.map((name) => `Bearer ${tokenOf(name)}`);
      const call = callGrpc(connection.session, path, { authorization } as never, new Uint8Array());
      for await (const _ of call.messages);
      expect(await call.failure()).toMatchObject({
        code: Status.INVALID_ARGUMENT,
        reason: "INVALID_REQUEST",
        fields: [{ field: "", description: expect.stringContaining("two `authorization` headers") }],
      });
    }
    connection.close();
  });

  test("health needs no proof, reflection does", async () => {
    const channel = openChannel(server.address);
    opened.push(channel);
    expect(await clientFactory.create(HealthDefinition, channel).check({ service: "" })).toMatchObject({ status: 1 });
    const connection = openRawConnection(server.address);
    const reflection = connection.call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    reflection.stream.resume();
    expect(await reflection.status).toBe("16");
    connection.close();
  });

  test("over HTTP it is the same, with a challenge", async () => {
    const ask = (headers: Record<string, string>, path = "/v1/workflows") => fetch(`${server.url}${path}`, { headers });
    expect((await ask({ authorization: `Bearer ${tokenOf("ada")}` })).status).toBe(200);
    expect((await ask({}, "/health")).status).toBe(200);
    const without = await ask({});
    expect([without.status, without.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="concord"']);
    expect(await without.json()).toMatchObject({ reason: "UNAUTHENTICATED", metadata: { why: "NO_PROOF" } });
    const wrong = await ask({ authorization: "Bearer nobody" });
    expect([wrong.status, wrong.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="concord", error="invalid_token"']);
  });

  test("over HTTP, too, nothing of a request is read before it is known who asks", async () => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const url = new URL(`${server.url}/v1/workflows`);
    const headers = { "content-type": "application/json", "content-length": 1_000 };
    // What it announces never comes.
    const asking = request(url, { method: "POST", headers }, resolve).on("error", reject);
    asking.write("{");
    const answer = (await promise).resume();
    expect([answer.statusCode, answer.headers["www-authenticate"], answer.headers.connection]).toEqual([
      401,
      'Bearer realm="concord"',
      "close",
    ]);
    asking.destroy();
  });

  test("metrics are for those who may ask how the server is", async () => {
    const ask = async (headers: OutgoingHttpHeaders) => {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      get({ socketPath: metrics, path: "/metrics", headers }, resolve).on("error", reject);
      const { statusCode, headers: answered } = (await promise).resume();
      return [statusCode, answered["www-authenticate"]];
    };
    expect(await ask({})).toEqual([401, 'Bearer realm="concord"']);
    expect(await ask({ authorization: `Bearer ${tokenOf("ada")}` })).toEqual([200, undefined]);
    const two = ["ada", "bob"].map((name) => `Bearer ${tokenOf(name)}`);
    expect(await ask({ Authorization: two })).toEqual([400, undefined]);
  });

  test("each line of a call says who has made it, and none says how that was proved", async () => {
    await as(tokenOf("ada")).workflows.getServerInfo({});
    const isOfAda = (line: string) => line.includes("GetServerInfo") && line.includes('"principal":"ada"');
    await until(() => lines.some(isOfAda), "the call is logged");
    expect(lines.some((line) => line.includes('"principal":"system:concord.workflow"'))).toBe(true);
    expect(lines.join("")).not.toMatch(/-token|Bearer|"authorization"/);
  });
});

describe("when the access file changes", () => {
  const changed = () => lines.filter((line) => line.includes("the access file has changed")).length;

  test("whose token it has no more is refused, and the streams of that one end with a reason; nobody else notices", async () => {
    const watchOf = (name: string) => {
      const start = { $case: "afterSequence", value: 0n } as const;
      return as(tokenOf(name)).workflows.watchWorkflowEvents({ start })[Symbol.asyncIterator]();
    };
    const [bob, ada] = [watchOf("bob"), watchOf("ada")];
    await Promise.all([bob.next(), ada.next()]);
    const before = changed();
    file.write(withTokens("ada", "eve"));
    const rest = (async () => {
      for (;;) await bob.next();
    })();
    expect(await failureOf(rest)).toMatchObject({ reason: "UNAUTHENTICATED", metadata: { why: "REVOKED" } });
    expect(changed()).toBe(before + 1);
    expect(await failureOf(as(tokenOf("bob")).workflows.listWorkflows({}))).toMatchObject({ reason: "UNAUTHENTICATED" });
    await as(tokenOf("eve")).workflows.createWorkflow({ workflowId: "two", reason: "test", requestedBy: "eve" });
    for (;;) {
      const { value } = await ada.next();
      if (value?.body?.$case === "event" && value.body.value.workflowId === "two") break;
    }
  });

  test("and is wrong, it is told loudly, and what it said before goes on", async () => {
    file.write("authentication: { tokens: everything }");
    await until(() => lines.some((line) => line.includes("the access file is wrong")), "it is told");
    expect(lines.find((line) => line.includes("the access file is wrong"))).toContain(
      "authentication.tokens must be a list of tokens",
    );
    await as(tokenOf("eve")).workflows.listWorkflows({});
  });
});
