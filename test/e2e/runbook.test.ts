import { appendFileSync, cpSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { participate, serve } from "../support/process.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { mountTmpfs } from "../support/storage-tmpfs.ts";
import { type Answer, typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// The drills of docs/operations.md, Runbook: each trouble is made, `concord status` or `concord diagnose` names it, what they advise is done,
// and then they have nothing more to say.

const data = temporaryFolder();
afterAll(data.remove);

/** What `diagnose` says of it: nothing, once it is well. */
const wrong = (answer: Answer): readonly string[] => answer.out.split("\n").filter((line) => line.startsWith("! "));

describe("a transaction that does not end", () => {
  let server: TestServer;
  let client: ProtoClient;
  const concord = (...args: readonly string[]) => typed(args, { address: server.address });

  beforeAll(async () => {
    server = await startServer({ dataDir: join(data.path, "one") });
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    client = createProtoClient(server.address);
  });
  afterEach(() => client.close());

  /** Resolves to a transaction that is committed, and of which `late` has heard and not acknowledged; `late` is its participant. */
  async function committedBut(name: string) {
    const [quick, late] = [await joinAs(client, `${name}-quick`), await joinAs(client, name)];
    const participants = [{ participant_id: `${name}-quick` }, { participant_id: name }];
    const executed = client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
    void quick.agreeToAll();
    const { transaction_id: id } = await late.expect("prepare");
    late.vote(id, "VOTE_VALUE_COMMIT");
    await executed;
    return { id: String(id), late, decision: await late.expect("decision") };
  }

  const diagnosed = (id: string, what: string) =>
    until(async () => {
      const answer = await concord("diagnose", id);
      return answer.out.includes(what) ? answer : undefined;
    }, `diagnose says: ${what}`);

  const isWell = (id: string) => until(async () => (await concord("diagnose", id)).code === 0, `${id} is well`);

  test("its participant is away: it is started, and hears the decision", async () => {
    const { id, late } = await committedBut("away");
    late.leave();
    const answer = await diagnosed(id, "away has not acknowledged that; it is away since");
    expect(answer.code).toBe(1);
    expect(answer.out).toContain("start it, with its own log");
    const status = await concord("status");
    expect(status).toMatchObject({
      code: 1,
      out: expect.stringContaining("! participant away is away, and owes 1 acknowledgement"),
    });

    const back = await joinAs(client, "away", {
      in_doubt: [{ transaction_id: id, coordinator_id: late.welcome.coordinator_id }],
    });
    await back.expect("decision");
    back.ack(id, "OUTCOME_COMMITTED");
    await isWell(id);
    // A machine with more to do than cores makes it late.
    expect((await concord("status")).out).toMatch(/nothing wants a look|is busy/);
  });

  test("a decision is refused for ever: what it holds is mended, and it is asked again", async () => {
    const { id, late, decision } = await committedBut("stubborn");
    late.send({ nack: { sequence: decision.sequence, reason: "it is aborted here" } });
    const { out } = await diagnosed(id, "and refuses: it is aborted here");
    expect(out).toContain(`concord tx retry ${id}`);
    expect(await concord("tx", "retry", id)).toMatchObject({ code: 0 });
    await late.expect("decision");
    late.ack(id, "OUTCOME_COMMITTED");
    await isWell(id);
  });

  test("a participant never comes back: it is ended by a word", async () => {
    const { id, late } = await committedBut("gone");
    late.leave();
    await diagnosed(id, `concord tx resolve ${id} committed --reason`);
    expect(await concord("tx", "resolve", id, "committed", "--reason", "its disk is lost")).toMatchObject({ code: 0 });
    expect((await concord("diagnose", id)).out).toContain("a participant has not confirmed it");
  });

  test("a promise is lost: its work is done by hand, and it is ended by a word", async () => {
    const { id, late } = await committedBut("loser");
    late.send({ decision_ack: { transaction_id: id, outcome: "OUTCOME_LOST", reason: "no such prepared transaction" } });
    const { out } = await diagnosed(id, "loser does not hold any more what it promised: no such prepared transaction");
    expect(out).toContain("do its work by hand");
    expect(await concord("tx", "resolve", id, "committed", "--reason", "done by hand")).toMatchObject({ code: 0 });
    expect((await concord("diagnose", id)).out).toContain("not everywhere the same (MIXED): loser");
  });

  test("a lone participant has lost its log: it is ended before it starts with an empty one", async () => {
    const lone = await joinAs(client, "lone");
    void client
      .failure("TwoPhaseCommit/ExecuteTransaction", { participants: [{ participant_id: "lone" }] })
      .catch(() => undefined);
    const { transaction_id: id } = await lone.expect("prepare");
    lone.leave();
    const { out } = await diagnosed(id, "lone alone decides it, was asked, and has not told how; it is away");
    expect(out).toContain("BEFORE it starts with an empty one");
    expect(await concord("tx", "resolve", id, "aborted", "--reason", "its data have nothing of it")).toMatchObject({ code: 0 });
    // As of an empty log: asked how it has decided, it says that it knows of nothing.
    const empty = await joinAs(client, "lone", { instance_id: "i-empty" });
    await empty.expect("prepare");
    empty.ack(id, "OUTCOME_ABORTED");
    await isWell(id);
  });

  test("a workflow is held: diagnose leads to its transaction, and from there to who does not vote", async () => {
    await server.clients.workflows.createWorkflow({ workflowId: "wf-held" });
    const slow = await joinAs(client, "slow");
    const moved = client.call("WorkflowService/TransitionWorkflow", {
      ...{ workflow_id: "wf-held", target_state: "WORKFLOW_STATE_ACTIVE", reason: "a test", requested_by: "ada" },
      enlist: [{ participant_id: "slow" }],
    });
    const { transaction_id: id } = await slow.expect("prepare");
    const { out } = await diagnosed("wf-held", `transaction ${id} holds it since`);
    expect(out).toContain(`concord diagnose ${id}`);
    await diagnosed(id, "slow has not voted, and is connected");
    slow.vote(id, "VOTE_VALUE_COMMIT");
    await slow.expect("decision");
    slow.ack(id, "OUTCOME_COMMITTED");
    await moved;
    await isWell("wf-held");
    expect(wrong(await concord("diagnose", id))).toEqual([]);
  });

  test("a workflow has failed, and rules forbid every way on", async () => {
    const by = { reason: "a test", requestedBy: "ada" };
    await server.clients.workflows.createWorkflow({
      workflowId: "wf-failed",
      type: "stuck",
      initialState: "WORKFLOW_STATE_ACTIVE",
      ...by,
    });
    await concord("workflow", "transition", "wf-failed", "FAILED", "--reason", "broken");
    await server.clients.predicates.createRule({ ruleId: "never", expression: "false", workflowTypes: ["stuck"], ...by });
    await server.clients.predicates.activateRule({ ruleId: "never", ...by });
    const { code, out } = await concord("diagnose", "wf-failed", "-o", "json");
    expect(code).toBe(1);
    const { findings } = JSON.parse(out) as { findings: { what: string }[] };
    expect(findings.map(({ what }) => what)).toEqual([
      "it has failed, after 0 recoveries",
      "every move that leads on is forbidden by never",
    ]);
  });

  test("what nobody knows is said to be unknown", async () => {
    expect(await concord("diagnose", "nothing")).toMatchObject({
      code: 1,
      err: expect.stringContaining("neither a workflow nor a transaction"),
    });
  });
});

test("processes of split services have one screen; one that is away is named", async () => {
  const rules = await startServer({ dataDir: join(data.path, "rules"), services: "predicate" });
  const commits = await startServer({ dataDir: join(data.path, "commits"), services: "commit" });
  const settings = { predicateAddress: rules.address, commitAddress: commits.address };
  const manager = await startServer({ dataDir: join(data.path, "manager"), services: "workflow", ...settings });
  const flags = ["--also", commits.address];
  const status = await typed(["status", ...flags, "-o", "json"], { address: rules.address });
  const { processes, troubles } = JSON.parse(status.out);
  expect(troubles.filter(({ what }: { what: string }) => !what.includes("is busy"))).toEqual([]);
  expect(processes).toMatchObject([
    { address: rules.address, status: { services: [{ name: "concord.predicate.v1.PredicateLogic", serving: true }] } },
    { address: commits.address, status: { coordinator: { coordinatorEpoch: "1" } } },
  ]);
  await commits.stop();
  const away = await typed(["status", ...flags], { address: rules.address });
  expect(away).toMatchObject({ code: 1, out: expect.stringContaining(`! ${commits.address}: nobody answers`) });
  await rules.stop();
  const alone = `hears nothing of concord.predicate.v1.PredicateLogic at ${rules.address}`;
  await until(
    async () => (await typed(["status"], { address: manager.address })).out.includes(alone),
    "status tells whom it misses",
  );
  const apart = `! concord.workflow of ${manager.address} has no session with the coordinator at ${commits.address}`;
  await until(
    async () => (await typed(["status"], { address: manager.address })).out.includes(apart),
    "status tells that no move is made together with others",
  );
  await manager.stop();
});

describe("diagnose in split services", () => {
  const home = process.env["XDG_CONFIG_HOME"];
  let names = 0;

  /** Asks in a context of its own. */
  async function inContext(...places: readonly string[]) {
    const name = `split-${++names}`;
    expect(await typed(["context", "add", name, ...places], { address: "" })).toMatchObject({ code: 0 });
    return (...args: readonly string[]) => typed([...args, "--context", name], { address: "" });
  }

  beforeAll(() => {
    process.env["XDG_CONFIG_HOME"] = data.path;
  });
  afterAll(() => {
    if (home === undefined) delete process.env["XDG_CONFIG_HOME"];
    else process.env["XDG_CONFIG_HOME"] = home;
  });

  test("the rules are away: nothing moves, and that is said", async () => {
    const rules = await startServer({ dataDir: join(data.path, "away-rules"), services: "predicate" });
    const settings = { services: "workflow,commit", predicateAddress: rules.address };
    const manager = await startServer({ dataDir: join(data.path, "away-manager"), ...settings });
    const concord = await inContext("--address", manager.address, "--predicate-address", rules.address);
    await manager.clients.workflows.createWorkflow({ workflowId: "wf" });
    expect(await concord("diagnose", "wf")).toMatchObject({
      code: 0,
      out: expect.stringContaining("nothing keeps it from going on"),
    });
    await rules.stop();
    const { code, out } = await concord("diagnose", "wf");
    expect([code, out.split("\n")[1]]).toEqual([
      1,
      `! the rules at ${rules.address} do not answer; until they do, nothing moves`,
    ]);
    await manager.stop();
  });

  test("a coordinator is away, or hangs: what it holds, and that nobody else ends that", async () => {
    const coordinator = await serve(join(data.path, "held-commits"), { flags: ["--services", "commit"] });
    const settings = { services: "workflow,predicate", commitAddress: coordinator.address };
    const manager = await startServer({ dataDir: join(data.path, "held-manager"), ...settings });
    const concord = await inContext("--address", manager.address, "--commit-address", coordinator.address);
    const [client, commits] = [createProtoClient(manager.address), createProtoClient(coordinator.address)];
    for (const workflowId of ["wf-free", "wf-held"]) await manager.clients.workflows.createWorkflow({ workflowId });
    const slow = await joinAs(commits, "slow");
    const moved = client
      .call("WorkflowService/TransitionWorkflow", {
        ...{ workflow_id: "wf-held", target_state: "WORKFLOW_STATE_ACTIVE", reason: "a test", requested_by: "ada" },
        enlist: [{ participant_id: "slow" }],
      })
      .catch(() => undefined);
    const { transaction_id: id } = await slow.expect("prepare");
    await until(async () => (await concord("diagnose", "wf-held")).out.includes(`transaction ${id} holds it`), "it is held");
    const hold = `! it is held by transaction ${id} (to ACTIVE) since `;
    const silent = (why: string) => `its coordinator at ${coordinator.address} does not answer (${why}`;

    coordinator.signal("SIGSTOP");
    const hung = await concord("diagnose", "wf-held", "--timeout", "4s");
    expect(hung).toMatchObject({ code: 1, out: expect.stringContaining(hold) });
    expect(hung.out).toContain(silent(`${coordinator.address} takes connections, but has not answered within 4s`));
    await coordinator.kill();
    const { code, out } = await concord("diagnose", "wf-held");
    expect([code, out]).toEqual([1, expect.stringContaining(silent("no connection)"))]);
    expect(out).toContain("start it, with its own log");
    expect(await concord("diagnose", "wf-free")).toMatchObject({
      code: 1,
      out: expect.stringContaining("! no move is made together with others"),
    });
    expect(await concord("diagnose", String(id))).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        `no workflow that you may see is called ${id}; whether a transaction is, is not known: the coordinator at`,
      ),
    });

    const again = await serve(join(data.path, "held-commits"), { listen: coordinator.address, flags: ["--services", "commit"] });
    await until(async () => (await concord("diagnose", "wf-held")).code === 0, "the hold has ended");
    await moved;
    const manages = await inContext("--address", "127.0.0.1:1", "--commit-address", coordinator.address);
    expect((await manages("diagnose", "wf-held")).err).toContain(
      "no transaction that you may see is called wf-held; whether a workflow is, is not known: the workflow manager at 127.0.0.1:1 does not answer",
    );
    for (const each of [client, commits]) each.close();
    await manager.stop();
    await again.terminate();
  });
});

const small = mountTmpfs(4_096);
afterAll(() => small?.unmount());

test.skipIf(small === undefined)("a full disk: status says so, and that it is over [needs root, to mount a tmpfs]", async () => {
  const dir = small?.dir ?? "";
  const ballast = join(dir, "ballast");
  const server = await startServer({ dataDir: dir, services: "commit" });
  try {
    for (;;) appendFileSync(ballast, Buffer.alloc(4_096));
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  }
  const status = () => typed(["status"], { address: server.address });
  // A participant's session is a write.
  const client = createProtoClient(server.address);
  void joinAs(client, "a").catch(() => undefined);
  const full = await until(async () => {
    const answer = await status();
    return answer.out.includes("does not serve") ? answer : undefined;
  }, "status says that the store cannot be written");
  expect(full).toMatchObject({ code: 1, out: expect.stringContaining("the store cannot be written") });
  expect(full.out).toMatch(/^! the disk of \S+ has .+ free\n +docs\/operations\.md, A full disk$/m);
  rmSync(ballast);
  await until(async () => !(await status()).out.includes("does not serve"), "it serves again");
  client.close();
  await server.stop();
});

test("a decision log is restored from an older backup: who has seen the newer one does not believe it, and goes on with the newer one", async () => {
  const folder = join(data.path, "restored");
  const host = (listen: string) => serve(folder, { listen, flags: ["--services", "commit"] });
  const first = await host("127.0.0.1:0");
  const { address } = first;
  await first.terminate();
  cpSync(folder, `${folder}.backup`, { recursive: true });
  const second = await host(address);
  const beta = await participate("beta", { address, dataDir: data.path });
  await second.kill();
  renameSync(folder, `${folder}.newer`);
  renameSync(`${folder}.backup`, folder);
  const restored = await host(address);
  expect(await beta.logged("this participant does not believe the coordinator")).toMatchObject({ level: "error" });
  expect((await typed(["participants"], { address })).out).not.toMatch(/^beta +yes/m);
  const disbelief = `! the coordinator at ${address} is not believed by beta: it has seen a newer decision log`;
  await until(async () => (await typed(["status"], { address })).out.includes(disbelief), "status tells who does not believe");
  await restored.terminate();
  renameSync(folder, `${folder}.older`);
  renameSync(`${folder}.newer`, folder);
  const third = await host(address);
  await participate("beta", { address, dataDir: data.path });
  expect((await typed(["participants"], { address })).out).toMatch(/^beta +yes/m);
  const believed = (await typed(["status"], { address })).out;
  expect(believed).toContain("1 participant in session");
  expect(believed).not.toContain("not believed");
  await third.terminate();
});

test("a restored backup: who has heard what it lacks is not told another thing, and goes on when somebody has looked", async () => {
  const folder = join(data.path, "lost");
  const logs = join(data.path, "lost-logs");
  const to = join(data.path, "backup");
  const first = await serve(folder);
  const { address } = first;
  const concord = async (...args: readonly string[]) => {
    const answer = await typed(args, { address });
    expect(answer).toMatchObject({ code: 0 });
    return answer.out;
  };
  await participate("beta", { address, dataDir: logs });
  await concord("workflow", "create", "wf-kept");
  await concord("backup", "--data-dir", folder, "--to", to);
  // What is lost: a move together with beta, of which somebody has been told.
  await concord("workflow", "create", "wf-lost");
  await concord("workflow", "transition", "wf-lost", "ACTIVE", "--reason", "a test");
  await concord("workflow", "transition", "wf-lost", "COMPLETED", "--reason", "a test", "--enlist", "beta=x");
  const client = createProtoClient(address);
  const { events } = await client.call("WorkflowService/ListWorkflowEvents", { workflow_id: "wf-lost" });
  const after_sequence = events.at(-1).sequence;
  await first.kill();

  await concord("restore", "--from", to, "--data-dir", folder, "--move-aside");
  const restored = await serve(folder, { listen: address });
  expect(await concord("workflow", "list")).not.toContain("wf-lost");
  expect(
    await restored.logged(
      "a participant has seen a newer decision log: this one was restored from an older copy, or is another one",
    ),
  ).toMatchObject({ participant: "beta" });
  await until(
    async () => (await typed(["participants"], { address })).out.match(/^concord\.workflow +yes/m),
    "the manager has a session",
  );
  expect(await concord("participants")).not.toMatch(/^beta +yes/m);
  const watch = client.failure("WorkflowService/WatchWorkflowEvents", { after_sequence });
  expect(await watch).toMatchObject({ reason: "REVISION_COMPACTED", metadata: { oldest_sequence: "2" } });
  client.close();
  await concord("workflow", "create", "wf-later");
  // A machine with more to do than cores makes it late, which is worth a look.
  expect((await typed(["status"], { address })).out).not.toMatch(/does not serve|belong together|owes/);

  // Somebody has looked at what beta has done, and lets it go on.
  const log = new DatabaseSync(join(logs, "participant-beta.sqlite"));
  log.exec("DELETE FROM coordinators");
  log.close();
  await participate("beta", { address, dataDir: logs });
  await concord("workflow", "transition", "wf-kept", "ACTIVE", "--reason", "a test", "--enlist", "beta=x");
  await restored.terminate();
});

test("a coordinator hangs: status tells it from one that is absent, and names the epoch of the one that replaces it", async () => {
  const folder = join(data.path, "hung");
  const host = (flags: readonly string[]) => serve(folder, { flags: ["--services", "commit", ...flags] });
  const first = await host([]);
  first.signal("SIGSTOP");
  const second = await host(["--decision-log", "take-over"]);
  const flags = ["--also", second.address, "--timeout", "2s"];
  const { code, out } = await typed(["status", ...flags], { address: first.address });
  expect(code).toBe(1);
  expect(out).toContain(`! ${first.address} takes connections, but has not answered within 2s`);
  expect(out).toContain("coordinator epoch 2:");
  first.signal("SIGCONT");
  await first.logged("replaced by another coordinator; this one stops");
  const replaced = await typed(["status"], { address: first.address });
  expect(replaced.out).toContain("does not serve: another coordinator has taken the decision log over");
  for (const each of [first, second]) await each.terminate();
});
