import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createClient, WorkflowState } from "../../src/client.ts";
import { createParticipant, voteCommit } from "../../src/participant.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { accessFile, clientsWith, sha256Of, tokenOf, withTokens } from "../support/access.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// How clients prove who they are: by a token that they are given, or that is in a file, which changes.

const data = temporaryFolder();
const file = accessFile(data.path, withTokens("ada"));
const tokenFile = join(data.path, "token");
let server: TestServer;
let admin: ReturnType<typeof clientsWith>;

beforeAll(async () => {
  writeFileSync(tokenFile, `${tokenOf("ada")}\n`);
  server = await startServer({ dataDir: join(data.path, "data"), access: file.path });
  admin = clientsWith(server.address, tokenOf("ada"));
});

afterAll(async () => {
  admin.close();
  await server.stop();
  data.remove();
});

const concord = (...args: readonly string[]) => typed(args, { address: server.address });

test("a command has it from a file that a flag names, from the environment, or from the file of its context", async () => {
  const environment = { ...process.env };
  onTestFinished(() => {
    process.env = environment;
  });
  expect(await concord("info")).toMatchObject({ code: 1, err: expect.stringContaining("UNAUTHENTICATED / UNAUTHENTICATED") });
  expect(await concord("info", "--token-file", tokenFile)).toMatchObject({ code: 0, err: "" });
  expect(await concord("info", "--token-file", join(data.path, "none"))).toMatchObject({ code: 2 });
  expect((await concord("status", "--token-file", tokenFile)).out).toContain("concord.workflow.v1.WorkflowService");
  process.env = { ...environment, CONCORD_TOKEN: tokenOf("ada") };
  expect(await concord("info")).toMatchObject({ code: 0, err: "" });
  process.env = { ...environment, CONCORD_TOKEN: "no\u00a0token" };
  expect(await concord("info")).toMatchObject({ code: 2, err: expect.stringMatching(/^error: CONCORD_TOKEN holds no token/) });
  process.env = { ...environment, CONCORD_CONTEXTS: join(data.path, "contexts.yaml") };
  expect(await concord("context", "add", "lab", "--address", server.address, "--token-file", tokenFile)).toMatchObject({
    code: 0,
  });
  expect(await typed(["info", "--context", "lab"], { address: "" })).toMatchObject({ code: 0, err: "" });
});

/** The access file has this token of somebody, and no other of that one, and the server has read it. */
async function knowing(principal: string, token: string): Promise<void> {
  const { authentication, grants } = withTokens("ada");
  file.write({ authentication: { tokens: [...authentication.tokens, { principal, sha256: sha256Of(token) }] }, grants });
  const { clients, close } = clientsWith(server.address, token);
  await until(() => clients.predicates.listRules({}).catch(() => undefined), "the file is read");
  close();
}

test("a program's watch that ends with its token goes on with the next one, without a gap", async () => {
  await knowing("watcher", "first");
  const path = join(data.path, "watcher");
  writeFileSync(path, "first");
  const watcher = createClient({ address: server.address, requestedBy: "watcher", tokenFile: path });
  onTestFinished(() => watcher.close());
  const leaving = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { workflowId } of watcher.watch({ afterSequence: 0n, signal: leaving.signal })) seen.push(workflowId);
  })();
  const create = (workflowId: string) =>
    admin.clients.workflows.createWorkflow({ workflowId, reason: "test", requestedBy: "ada" });
  await create("before");
  await until(() => seen.includes("before"), "the watch is open");
  writeFileSync(path, "second");
  await knowing("watcher", "second");
  await create("after");
  await until(() => seen.includes("after"), "the watch goes on");
  expect(seen).toEqual(["before", "after"]);
  leaving.abort();
  await watching;
});

test("a participant's session ends with its token, for a reason, and comes again with the next one", async () => {
  await knowing("seats", "seats-1");
  const path = join(data.path, "seats");
  writeFileSync(path, "seats-1");
  const warnings: string[] = [];
  const quiet = createLogger({ level: "silent", format: "json" });
  const logger = Object.assign(Object.create(quiet) as typeof quiet, {
    warn: (fields: { readonly reason?: string }) => void warnings.push(fields.reason ?? ""),
  });
  const participant = await createParticipant({
    coordinators: [server.address],
    participantId: "seats",
    log: join(data.path, "seats.sqlite"),
    resource: { prepare: async () => voteCommit, commit: async () => undefined, abort: async () => undefined },
    logger,
    tokenFile: path,
  });
  onTestFinished(() => participant.close());
  await until(() => participant.connected, "it has a session");
  const epochs = async () =>
    (await admin.clients.commits.listParticipants({})).participants.find((each) => each.participantId === "seats");
  const before = (await epochs())?.sessionEpoch ?? 0n;
  writeFileSync(path, "seats-2");
  await knowing("seats", "seats-2");
  const why = "UNAUTHENTICATED: what has proved who calls does not count any more";
  await until(() => warnings.includes(why), "it has been told why its session has ended");
  await until(async () => participant.connected && ((await epochs())?.sessionEpoch ?? 0n) > before, "it has a session again");
});

test("a workflow manager proves to rules and coordinator of another process who it is", async () => {
  // Refused once, it would ask again after half a minute only.
  await knowing("manager", tokenOf("manager"));
  const path = join(data.path, "manager");
  writeFileSync(path, tokenOf("manager"));
  const elsewhere = { predicateAddress: server.address, commitAddress: server.address, services: "workflow" };
  const manager = await startServer({
    dataDir: join(data.path, "manager-data"),
    participantId: "manager",
    ...elsewhere,
    peerTokenFile: path,
  });
  onTestFinished(manager.stop);
  const { workflows } = manager.clients;
  const by = { reason: "test", requestedBy: "ada" };
  await workflows.createWorkflow({ workflowId: "split", ...by });
  await until(
    () => workflows.transitionWorkflow({ workflowId: "split", targetState: WorkflowState.ACTIVE, ...by }).catch(() => undefined),
    "its rules are asked",
  );
  const isThere = async () =>
    (await admin.clients.commits.listParticipants({})).participants.some(
      (each) => each.participantId === "manager" && each.connected,
    );
  await until(isThere, "it has a session");
});
