import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { failureOf, temporaryFolder } from "../support/concord.ts";
import { participate, runConcord, serve } from "../support/process.ts";
import { createProtoClient } from "../support/proto-client.ts";
import { openRawCall } from "../support/raw-call.ts";
import { typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

const data = temporaryFolder();
let folderCount = 0;
const freshFolder = (): string => {
  folderCount += 1;
  return join(data.path, String(folderCount));
};
afterAll(() => data.remove());

const by = { reason: "a test", requestedBy: "e2e" };
const payload = Buffer.from("work");

describe("SIGTERM", () => {
  test("says NOT_SERVING first, lets a transaction under way end, and exits with 0; new work is refused meanwhile", async () => {
    const folder = freshFolder();
    const server = await serve(folder);
    const client = createProtoClient(server.address);
    const slow = await participate("slow", { address: server.address, dataDir: folder, flags: ["--delay", "2s"] });
    const quick = await participate("quick", { address: server.address, dataDir: folder });
    const watch = client.stream("WorkflowService/WatchWorkflowEvents", {});
    await watch.next();
    const participants = ["slow", "quick"].map((participant_id) => ({ participant_id, payload }));
    const executed = client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
    await slow.logged("prepare received");
    expect(await client.call("Health/Check", { service: "" })).toEqual({ status: "SERVING" });

    server.signal("SIGTERM");
    await server.logged("stopping");
    for (const service of ["concord.workflow.v1.WorkflowService", "concord.commit.v1.TwoPhaseCommit", ""]) {
      expect(await client.call("Health/Check", { service }), service).toEqual({ status: "NOT_SERVING" });
    }
    const shuttingDown = { code: "UNAVAILABLE", reason: "SHUTTING_DOWN", retryAfterMs: 1000 };
    expect(await client.failure("TwoPhaseCommit/ExecuteTransaction", { participants })).toMatchObject(shuttingDown);
    expect((await executed).transaction).toMatchObject({ outcome: "OUTCOME_COMMITTED" });
    expect(await watch.end()).toMatchObject(shuttingDown);
    await quick.logged("the coordinator is about to leave");
    expect(await server.exited).toBe(0);
    client.close();
    expect(await slow.terminate()).toBe(0);
    expect(await quick.terminate()).toBe(0);
  });

  test("a second signal forces: it exits at once with 1", async () => {
    const server = await serve(freshFolder(), { flags: ["--shutdown-grace", "10m"] });
    const client = createProtoClient(server.address);
    const participants = [{ participant_id: "ghost" }];
    client
      .call("TwoPhaseCommit/ExecuteTransaction", { participants, wait_for_participants: { seconds: 600 } })
      .catch(() => undefined);
    await server.logged("transaction begun");
    server.signal("SIGTERM");
    await server.logged("stopping");
    let exitCode: number | null | undefined;
    server.exited.then((code) => {
      exitCode = code;
    });
    // What comes at once is the same signal, handed on by another process.
    await until(() => {
      if (exitCode === undefined) server.signal("SIGTERM");
      return exitCode !== undefined;
    }, "the forced exit");
    expect(exitCode).toBe(1);
    client.close();
  });
});

describe.concurrent("does not start, and says why", () => {
  test("a data folder that another process uses: it names the holder", async () => {
    const folder = freshFolder();
    const first = await serve(folder);
    const second = runConcord(["serve", "--listen", "127.0.0.1:0", "--data-dir", folder]);
    expect(await second.exited).toBe(1);
    const { msg = "" } = second.log.at(-1) ?? {};
    expect(msg).toMatch(/^.*is in use by process \d+ on \S+ since .*choose another data directory\.$/);
    expect(msg).toContain(`process ${first.pid} `);
    expect(await first.terminate()).toBe(0);
  });

  test("a port that is in use: it names the address", async () => {
    const first = await serve(freshFolder());
    const second = runConcord(["serve", "--listen", first.address, "--data-dir", freshFolder()]);
    expect(await second.exited).toBe(1);
    expect(second.text()).toContain(`listen: cannot serve on ${first.address}`);
    expect(second.text()).not.toContain("    at ");
    expect(await first.terminate()).toBe(0);
  });

  test("a data folder that cannot be made", async () => {
    const file = join(data.path, "a-file");
    writeFileSync(file, "");
    const started = runConcord(["serve", "--listen", "127.0.0.1:0", "--data-dir", join(file, "below")]);
    expect(await started.exited).toBe(1);
    expect(started.text()).toContain(`data-dir: cannot create ${file}/below`);
  });

  const exitCode2 = [
    { args: ["serve", "--max-workflows", "many"], says: 'max-workflows: "many" (flag --max-workflows) must be a whole number' },
    { args: ["serve", "--services", "workflow,lunch"], says: "must be one of workflow, predicate, commit" },
    { args: ["serve", "--config", "/nowhere.yaml"], says: "config: cannot read /nowhere.yaml" },
    { args: ["serve", "--colour", "red"], says: "unknown option '--colour'" },
    { args: ["lunch"], says: "unknown command 'lunch'" },
    { args: ["workflow", "get"], says: "missing required argument" },
    { args: ["participant", "p", "--fail-on", "lunch"], says: "Allowed choices are prepare, vote, commit" },
    { args: ["participant", "p", "--commit-probability", "2"], says: "must be a number from 0 to 1" },
    { args: ["workflow", "list", "--timeout", "soon"], says: "must be a duration" },
    {
      args: ["workflow", "transition", "wz", "ACTIVE", "--expected-version", "99999999999999999999"],
      says: "must be a whole number from 1 to 9007199254740991",
    },
    { args: ["workflow", "recover", "wz", "--expected-version", "0"], says: "must be a whole number from 1 to" },
    { args: ["workflow", "list", "--limit", "2147483648"], says: "must be a whole number from 1 to 2147483647" },
    { args: ["workflow", "watch", "--after", "-1"], says: "must be a whole number from 0 to 9007199254740991" },
    { args: ["tx", "list", "--limit", "0"], says: "must be a whole number from 1 to 2147483647" },
    { args: ["rule", "create", "r", "true", "--priority", "2147483648"], says: "must be a whole number from -1000 to 1000" },
    { args: ["participant", "p", "--seed", "9007199254740992"], says: "must be a whole number from -9007199254740991 to" },
  ];

  /** By a command that logs for machines, in a line of its log. */
  const said = (text: string): string => (text.startsWith("{") ? (JSON.parse(text) as { msg: string }).msg : text);

  test.each(exitCode2)("exit code 2: $says", async ({ args, says }) => {
    const { code, err } = await typed(args, { address: "127.0.0.1:1" });
    expect([code, said(err)]).toEqual([2, expect.stringContaining(says)]);
  });

  test.each(["serve", "workflow", "participant"])("so it is where a process ends: %s", async (name) => {
    const wrong = exitCode2.find(({ args }) => args[0] === name);
    const started = runConcord(wrong?.args ?? []);
    expect(await started.exited).toBe(2);
    expect(said(started.text())).toContain(wrong?.says);
  });

  test("a command whose server is not there exits with 1 and names the address", async () => {
    const started = runConcord(["workflow", "get", "wf", "--address", "127.0.0.1:1"]);
    expect(await started.exited).toBe(1);
    expect(started.text()).toContain("no Concord answers at 127.0.0.1:1");
  });
});

test("a participant that no coordinator can take says what to do, and exits with 1", async () => {
  const { address, terminate } = await serve(freshFolder(), { flags: ["--services", "predicate"] });
  const refused = runConcord(["participant", "inventory", "--address", address, "--data-dir", freshFolder()]);
  expect(await refused.exited).toBe(1);
  const told = await refused.logged("the coordinator refuses this participant");
  expect(told).toMatchObject({ level: "error", coordinator: address, participant: "inventory" });
  expect(refused.log.at(-1)?.msg).toMatch(/ UNIMPLEMENTED: .*; no TwoPhaseCommit is served there: check the address/);
  expect(await terminate()).toBe(0);
});

test("the three services in three processes: rules judge, and an atomic transition commits", async () => {
  const [predicate, commit] = await Promise.all([
    serve(freshFolder(), { flags: ["--services", "predicate"] }),
    serve(freshFolder(), { flags: ["--services", "commit"] }),
  ]);
  const peers = ["--predicate-address", predicate.address, "--commit-address", commit.address];
  const workflow = await serve(freshFolder(), { flags: ["--services", "workflow", ...peers] });
  const inventory = await participate("inventory", { address: commit.address, dataDir: freshFolder() });
  const channels = [workflow, predicate].map(({ address }) => openChannel(address));
  const [workflows, predicates] = channels.map((channel) => connect(channel));
  if (workflows === undefined || predicates === undefined) throw new Error("two channels, two clients");
  const rule = { ruleId: "ready", expression: "workflow.metadata.ready", message: "'not ready'" };
  await predicates.predicates.createRule({ ...rule, ...by });
  await predicates.predicates.activateRule({ ruleId: "ready", ...by });
  for (const ready of [false, true])
    await workflows.workflows.createWorkflow({ workflowId: `ready-${ready}`, metadata: { ready } });
  const enlist = [{ participantId: "inventory", payload }];
  const move = (workflowId: string) =>
    workflows.workflows.transitionWorkflow({ workflowId, targetState: WorkflowState.ACTIVE, enlist, ...by });

  expect(await failureOf(move("ready-false"))).toMatchObject({ reason: "RULE_DENIED", preconditions: [{ subject: "ready" }] });
  const { workflow: moved, event } = await move("ready-true");
  expect(moved).toMatchObject({ state: WorkflowState.ACTIVE, version: 2n });
  expect(event).toMatchObject({ ruleSetRevision: 1n });
  await inventory.logged({ msg: "committed", transaction: event?.transactionId });
  const elsewhere = await failureOf(workflows.predicates.getRule({ ruleId: "ready" }));
  expect(elsewhere.code, "a service that this process does not serve").toBe(12);

  for (const channel of channels) channel.close();
  for (const program of [inventory, workflow, commit, predicate]) expect(await program.terminate()).toBe(0);
});

test("nobody who only listens or is only connected keeps it from stopping: it does not take its grace", async () => {
  const folder = freshFolder();
  const server = await serve(folder, { flags: ["--shutdown-grace", "10m"] });
  const participant = await participate("idle", { address: server.address, dataDir: folder });
  const client = createProtoClient(server.address);
  const watches = [
    client.stream("Health/Watch", { service: "" }),
    client.stream("WorkflowService/WatchWorkflowEvents", {}),
    client.stream("TwoPhaseCommit/WatchTransactions", {}),
  ];
  const [health] = watches;
  expect(await health?.next()).toEqual({ status: "SERVING" });
  await client.call("TwoPhaseCommit/BeginTransaction", { idle_timeout: { seconds: 600 } });
  const reflection = openRawCall(server.address, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  reflection.send(Buffer.from([0x3a, 0]));
  await once(reflection.stream, "data");
  const port = Number(server.address.split(":")[1]);
  const sockets = [port, port].map((to) => connectSocket({ port: to, host: "127.0.0.1", allowHalfOpen: true }));
  const [, nonsense] = sockets;
  for (const socket of sockets) await once(socket, "data");
  nonsense?.write("GET / HTTP/1.1\r\n\r\n");
  participant.signal("SIGSTOP");

  expect(await server.terminate()).toBe(0);
  participant.signal("SIGCONT");
  expect(await health?.next()).toEqual({ status: "NOT_SERVING" });
  for (const watch of watches) expect(await watch.end()).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
  await server.logged({ msg: "transaction decided", reason: "the coordinator is shutting down" });
  expect(server.log.at(-1)?.msg).toBe("stopped");
  client.close();
  reflection.close();
  for (const socket of sockets) socket.destroy();
  expect(await participant.terminate()).toBe(0);
});

test("output that nobody reads any more ends a command in silence", async () => {
  const server = await serve(freshFolder());
  const channel = openChannel(server.address);
  for (let index = 0; index < 20; index += 1) await connect(channel).workflows.createWorkflow({ workflowId: `wf-${index}` });
  const program = join(import.meta.dirname, "../../bin/concord");
  const piped = spawn("sh", ["-c", `"${program}" workflow list -o json --address ${server.address} | head -1`]);
  let output = "";
  let errors = "";
  piped.stdout.on("data", (chunk) => {
    output += chunk;
  });
  piped.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  await new Promise((resolve) => piped.on("close", resolve));
  expect(output).toMatch(/^\{.*\}\n$/);
  expect(errors).toBe("");
  channel.close();
  expect(await server.terminate()).toBe(0);
});
