import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Metadata } from "nice-grpc";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

const { ACTIVE } = WorkflowState;
const data = temporaryFolder();
const by = { reason: "a test", requestedBy: "ada" };
let server: TestServer;
let client: ProtoClient;
let counter = 0;
let workflowId: string;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

beforeEach(async () => {
  counter += 1;
  workflowId = `wf-${counter}`;
  await server.clients.workflows.createWorkflow({ workflowId });
});

// Whatever became of it: nothing holds a workflow for long.
afterEach(async () => {
  await until(async () => (await server.clients.workflows.getSystemStats({})).inTransition === 0n, "no workflow is held");
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });

/** A move to ACTIVE with a part of `stock`, who takes part as the test says. */
const together = (changes: object = {}) => ({
  workflowId,
  targetState: ACTIVE,
  enlist: [{ participantId: "stock", payload: Buffer.from("2") }],
  ...by,
  ...changes,
});

const workflow = async () => (await server.clients.workflows.getWorkflow({ workflowId })).workflow;
const isHeld = async () => (await workflow())?.inTransition;

describe("the workflow manager's participant id is reserved:", () => {
  test("a move that enlists it is told so, with the field", async () => {
    const enlist = [{ participantId: "stock" }, { participantId: "concord.workflow" }];
    expect(await failureOf(server.clients.workflows.transitionWorkflow(together({ enlist })))).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: [{ field: "enlist[1].participant_id", description: expect.stringContaining('"concord.workflow" is reserved') }],
    });
  });

  const command = { workflowId: "wf-1", mustRecover: false, context: {} };
  const move = { targetState: "ACTIVE", reason: "", requestedBy: "", eventMetadata: {} };
  const deep = JSON.parse(`${'{"a":'.repeat(200)}1${"}".repeat(200)}`) as object;

  test.each([
    { what: "an endless timeout", payload: { call: "c", timeoutMs: 1e300, command: { ...command, move } } },
    {
      what: "metadata 200 levels deep",
      payload: { call: "c", timeoutMs: 1, command: { ...command, move: { ...move, eventMetadata: deep } } },
    },
    {
      what: "a forged request id",
      payload: { call: "c", timeoutMs: 1, command: { ...command, move: { ...move, request: { id: "r", digest: "d" } } } },
    },
  ])("who enlists it with $what is told no, and nothing is stored", async ({ payload }) => {
    await joinAs(client, "stock").then((stock) => void stock.agreeToAll());
    const own = { participantId: "concord.workflow", payload: Buffer.from(JSON.stringify(payload)) };
    const stock = { participantId: "stock", payload: Buffer.from("2") };
    const { transaction } = await server.clients.commits.executeTransaction({ participants: [own, stock] });
    expect(transaction?.outcome).toBe(Outcome.ABORTED);
    expect(transaction?.abortReason).toContain("was not made by this workflow manager");
    const listed = await server.clients.workflows.listWorkflows({});
    expect(listed.workflows.map(({ inTransition }) => inTransition)).toEqual(listed.workflows.map(() => undefined));
    expect((await server.clients.workflows.getWorkflow({ workflowId: "wf-1" })).workflow?.version).toBe(1n);
  });
});

describe("a caller that leaves", () => {
  test("releases the workflow, and its transaction is aborted", async () => {
    await joinAs(client, "stock");
    const leave = new AbortController();
    const moved = server.clients.workflows.transitionWorkflow(together(), { signal: leave.signal });
    moved.catch(() => undefined);
    const hold = await until(isHeld, `${workflowId} is held`);
    leave.abort();
    await until(async () => !(await isHeld()), `${workflowId} is released`);
    const { transaction } = await server.clients.commits.getTransaction({ transactionId: hold.transactionId });
    expect(transaction).toMatchObject({ outcome: Outcome.ABORTED, abortReason: "the caller left before the decision" });
  });

  test("by being killed releases the workflow too", async () => {
    await joinAs(client, "stock");
    const args = ["workflow", "transition", workflowId, "ACTIVE", "--enlist", "stock=2", "--address", server.address];
    const caller = spawn(join(import.meta.dirname, "../../bin/concord"), args, { stdio: "ignore" });
    await until(isHeld, `${workflowId} is held`);
    caller.kill("SIGKILL");
    await until(async () => !(await isHeld()), `${workflowId} is released`);
  });

  test("leaves the transaction to a retry that has joined it", async () => {
    const stock = await joinAs(client, "stock");
    const leave = new AbortController();
    const request = together({ requestId: `joined-${counter}` });
    const first = server.clients.workflows.transitionWorkflow(request, { signal: leave.signal });
    first.catch(() => undefined);
    const { transactionId } = await until(isHeld, `${workflowId} is held`);
    const begun = Promise.withResolvers<void>();
    const retried = server.clients.workflows.transitionWorkflow(request, { onHeader: () => begun.resolve() });
    await begun.promise;
    leave.abort();
    await expect(first).rejects.toThrow();
    stock.vote(transactionId, "VOTE_VALUE_COMMIT");
    expect(await retried).toMatchObject({ event: { transactionId } });
    stock.ack(transactionId, "OUTCOME_COMMITTED");
  });
});

test("ResolveTransition ends no hold whose coordinator is connected", async () => {
  const stock = await joinAs(client, "stock");
  const moved = server.clients.workflows.transitionWorkflow(together());
  const { transactionId } = await until(isHeld, `${workflowId} is held`);
  const word = { workflowId, transactionId, outcome: Outcome.ABORTED, ...by };
  expect(await failureOf(server.clients.workflows.resolveTransition(word))).toMatchObject({
    reason: "TRANSACTION_STATE",
    metadata: { workflow_id: workflowId, transaction_id: transactionId },
    message: expect.stringContaining("is connected, and tells how it ends"),
  });
  const lost = server.clients.workflows.resolveTransition({ ...word, outcome: Outcome.LOST });
  expect(await failureOf(lost)).toMatchObject({ reason: "INVALID_REQUEST", fields: [{ field: "outcome" }] });
  stock.vote(transactionId, "VOTE_VALUE_COMMIT");
  expect(await moved).toMatchObject({ event: { transactionId } });
  stock.ack(transactionId, "OUTCOME_COMMITTED");
});

describe("one budget:", () => {
  test("`timeout` ends the wait for votes, however long was waited for participants", async () => {
    const header = Promise.withResolvers<Metadata>();
    const request = together({ timeout: seconds(1), waitForParticipants: seconds(60) });
    const moved = failureOf(server.clients.workflows.transitionWorkflow(request, { onHeader: header.resolve }));
    const transactionId = (await header.promise).get("concord-transaction-id") ?? "";
    // It joins late, is asked, and takes its time.
    const stock = await joinAs(client, "stock");
    expect(await stock.expect("prepare")).toMatchObject({ transaction_id: transactionId });
    const { reason, metadata } = await moved;
    // Where the abort takes longer than was kept for the answer, the caller is told where to look.
    expect(reason).toBeOneOf(["TRANSACTION_ABORTED", "OUTCOME_PENDING"]);
    expect(metadata).toMatchObject({ transaction_id: transactionId });
    const { transaction } = await until(async () => {
      const told = await server.clients.commits.getTransaction({ transactionId });
      return told.transaction?.outcome === Outcome.ABORTED ? told : undefined;
    }, "it is aborted");
    expect(transaction?.abortReason).toContain("the caller's deadline has passed");
  });

  test("the caller's deadline is its own `timeout`, and it hears how it ended", async () => {
    await joinAs(client, "stock");
    // Of this time a tenth is kept for the answer: enough of it on a busy machine.
    const moved = server.clients.workflows.transitionWorkflow(together(), { deadline: 5_000 });
    expect(await failureOf(moved)).toMatchObject({ reason: "TRANSACTION_ABORTED", metadata: { workflow_id: workflowId } });
  });

  test("ExecuteTransaction answers before its caller's deadline", async () => {
    const participants = [{ participantId: "nobody" }, { participantId: "stock" }];
    const { transaction } = await server.clients.commits.executeTransaction(
      { participants, waitForParticipants: seconds(60), prepareTimeout: seconds(60) },
      { deadline: 5_000 },
    );
    expect(transaction?.outcome).toBe(Outcome.ABORTED);
  });
});

describe("a retry", () => {
  test("with less time than its first attempt joins it, and gets its answer", async () => {
    const stock = await joinAs(client, "stock");
    const requestId = `shorter-${counter}`;
    const first = server.clients.workflows.transitionWorkflow(together({ requestId, timeout: seconds(50) }));
    const { transactionId } = await until(isHeld, `${workflowId} is held`);
    const begun = Promise.withResolvers<void>();
    const retried = server.clients.workflows.transitionWorkflow(together({ requestId, timeout: seconds(20) }), {
      deadline: 25_000,
      onHeader: () => begun.resolve(),
    });
    await begun.promise;
    stock.vote(transactionId, "VOTE_VALUE_COMMIT");
    expect(await retried).toEqual(await first);
    expect((await first).event?.transactionId).toBe(transactionId);
    stock.ack(transactionId, "OUTCOME_COMMITTED");
  });

  test("that hears nothing before its time is over is told what is known, and its first attempt goes on", async () => {
    const stock = await joinAs(client, "stock");
    const requestId = `pending-${counter}`;
    const first = server.clients.workflows.transitionWorkflow(together({ requestId }));
    const { transactionId } = await until(isHeld, `${workflowId} is held`);
    const retried = failureOf(server.clients.workflows.transitionWorkflow(together({ requestId, timeout: seconds(1) })));
    expect(await retried).toMatchObject({
      reason: "OUTCOME_PENDING",
      metadata: { workflow_id: workflowId, transaction_id: transactionId, request_id: requestId },
    });
    stock.vote(transactionId, "VOTE_VALUE_COMMIT");
    expect(await first).toMatchObject({ event: { transactionId } });
    stock.ack(transactionId, "OUTCOME_COMMITTED");
  });

  test("of an aborted attempt runs anew, with the same id", async () => {
    const request = together({ requestId: `anew-${counter}`, enlist: [{ participantId: "nobody" }] });
    const transactionOf = async () => {
      const { reason, metadata } = await failureOf(server.clients.workflows.transitionWorkflow(request));
      expect(reason).toBe("TRANSACTION_ABORTED");
      return metadata["transaction_id"];
    };
    expect(await transactionOf()).not.toBe(await transactionOf());
  });
});

test("a participant id and a request id as long as they may be fit", async () => {
  const folder = temporaryFolder();
  const own = await startServer({ dataDir: folder.path, participantId: "m".repeat(128) });
  const stranger = createProtoClient(own.address);
  const { workflows } = own.clients;
  await joinAs(stranger, "stock").then((stock) => void stock.agreeToAll());
  await workflows.createWorkflow({ workflowId });
  const request = together({ requestId: "é".repeat(128), waitForParticipants: seconds(30) });
  expect(await workflows.transitionWorkflow(request)).toEqual(await workflows.transitionWorkflow(request));
  stranger.close();
  await own.stop();
  folder.remove();
});
