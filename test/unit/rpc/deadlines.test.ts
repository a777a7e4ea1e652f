import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Command } from "commander";
import { pino } from "pino";
import { afterEach, describe, expect, test, vi } from "vitest";
import { connect } from "../../../src/cli/client.ts";
import { participantsCommand } from "../../../src/cli/participants.ts";
import { ruleCommand } from "../../../src/cli/rule.ts";
import { txCommand } from "../../../src/cli/tx.ts";
import { workflowCommand } from "../../../src/cli/workflow.ts";
import type { ParticipantId } from "../../../src/kernel/ids.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";
import { createPredicateClient, predicateCalls } from "../../../src/rpc/clients/predicate-client.ts";
import { createTransactionClient, transactionCalls } from "../../../src/rpc/clients/transaction-client.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { openRawCall } from "../../support/raw-call.ts";
import { type Fakes, startRecordingServer } from "../../support/recording-server.ts";
import { workflow } from "../../support/storage-values.ts";
import { until } from "../../support/until.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(fakes?: Fakes) {
  const recording = await startRecordingServer(fakes);
  const channel = openChannel(recording.address);
  cleanups.push(
    () => recording.server.shutdown(0),
    () => channel.close(),
  );
  return { ...recording, channel };
}

/** What the server knows of the deadlines of the calls that `act` makes: how far they were away. */
async function timeoutsOf(calls: Awaited<ReturnType<typeof start>>["calls"], act: () => Promise<unknown>) {
  const beforeMs = Date.now();
  await act();
  const afterMs = Date.now();
  return calls.splice(0).map(({ method, context: { deadlineMs = Number.NaN } }) => ({
    method,
    atLeastMs: deadlineMs - afterMs,
    atMostMs: deadlineMs - beforeMs,
  }));
}

/** In this process. What it prints is not looked at. */
async function runCommand(command: Command, args: readonly string[]): Promise<void> {
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const { exitCode } = process;
  await command.parseAsync(args, { from: "user" });
  process.exitCode = exitCode;
  written.mockRestore();
}

describe("Concord's own clients tell the server how long they wait:", () => {
  test.each([
    { command: workflowCommand, args: ["create", "w"], method: "createWorkflow" },
    { command: workflowCommand, args: ["get", "w"], method: "getWorkflow" },
    { command: workflowCommand, args: ["list"], method: "listWorkflows" },
    { command: workflowCommand, args: ["transition", "w", "ACTIVE"], method: "transitionWorkflow" },
    { command: workflowCommand, args: ["recover", "w"], method: "recoverWorkflow" },
    { command: workflowCommand, args: ["events"], method: "listWorkflowEvents" },
    { command: workflowCommand, args: ["stats"], method: "getSystemStats" },
    { command: ruleCommand, args: ["create", "r", "true", "--move", "CREATED:ACTIVE"], method: "createRule" },
    { command: ruleCommand, args: ["list"], method: "listRules" },
    { command: ruleCommand, args: ["activate", "r"], method: "activateRule" },
    { command: ruleCommand, args: ["check", "w", "ACTIVE"], method: "getWorkflow" },
    { command: txCommand, args: ["begin"], method: "beginTransaction" },
    { command: txCommand, args: ["enlist", "t", "p=1"], method: "enlistParticipant" },
    { command: txCommand, args: ["commit", "t"], method: "commitTransaction" },
    { command: txCommand, args: ["resolve", "t", "committed", "--reason", "r"], method: "resolveTransaction" },
    { command: txCommand, args: ["get", "t"], method: "getTransaction" },
    { command: txCommand, args: ["list"], method: "listTransactions" },
    { command: participantsCommand, args: [], method: "listParticipants" },
  ])("concord … $args", async ({ command, args, method }) => {
    const { calls, address } = await start();
    const timeouts = await timeoutsOf(calls, () => runCommand(command(), [...args, "--timeout", "7s", "--address", address]));
    expect(timeouts).toMatchObject([{ method }]);
    expect(timeouts[0]?.atLeastMs).toBeLessThanOrEqual(7_000);
    expect(timeouts[0]?.atMostMs).toBeGreaterThanOrEqual(7_000);
  });

  test("the manager, when it asks for a verdict", async () => {
    const { calls, channel } = await start();
    const client = createPredicateClient({
      engine: predicateCalls(channel),
      timeoutMs: 7_000,
      logger: pino({ level: "silent" }),
      clock: systemClock,
    });
    const check = {
      workflow: workflow("w"),
      lastEvent: undefined,
      transaction: undefined,
      targetState: "ACTIVE",
      reason: "r",
      requestedBy: "ada",
      context: {},
      atMs: 1,
    } as const;
    const timeouts = await timeoutsOf(calls, () => client.check(check, { signal: new AbortController().signal }));
    expect(timeouts).toMatchObject([{ method: "batchValidateTransitions" }]);
    expect(timeouts[0]?.atMostMs).toBeGreaterThanOrEqual(7_000);
  });

  test("the manager, when it has a transaction run", async () => {
    const { calls, channel } = await start();
    const client = createTransactionClient(transactionCalls(channel));
    const timeouts = await timeoutsOf(calls, () =>
      client.execute({
        parts: [{ participantId: "p" as ParticipantId, payload: new Uint8Array() }],
        timeoutMs: 7_000,
        waitForParticipantsMs: 0,
        reason: "r",
        requestedBy: "ada",
        onBegun: () => {},
        signal: new AbortController().signal,
      }),
    );
    expect(timeouts).toMatchObject([{ method: "executeTransaction" }]);
    expect(timeouts[0]?.atMostMs).toBeGreaterThanOrEqual(7_000);
  });
});

test("a call ends at its deadline at the server, though the process that made it is stopped", async () => {
  const ended = Promise.withResolvers<void>();
  const { calls, address } = await start({
    getWorkflow: (context) =>
      new Promise((_, reject) => {
        context.signal.addEventListener("abort", () => {
          ended.resolve();
          reject(context.signal.reason);
        });
      }),
  });
  const program = join(import.meta.dirname, "../../../bin/concord");
  const client = spawn(program, ["workflow", "get", "w", "--address", address, "--timeout", "3s"], { stdio: "ignore" });
  cleanups.push(() => client.kill("SIGKILL"));
  await until(() => calls.length > 0, "the call arrives");
  client.kill("SIGSTOP");
  await ended.promise;
  expect(client.exitCode).toBe(null);
});

describe("deadlines that no timer can hold are as good as none:", () => {
  test.each([2_592_000_000, 360_000_000_000, Number.POSITIVE_INFINITY])("a client's, %d ms away", async (deadline) => {
    const { calls, channel } = await start({ getWorkflow: async () => ({ workflow: undefined }) });
    expect(await connect(channel).workflows.getWorkflow({ workflowId: "w" }, { deadline })).toEqual({ workflow: undefined });
    expect(calls.map(({ context }) => context.deadlineMs)).toEqual([undefined]);
  });

  test("concord … --timeout 600h", async () => {
    const { calls, address } = await start();
    await runCommand(workflowCommand(), ["get", "w", "--timeout", "600h", "--address", address]);
    expect(calls.map(({ context }) => context.deadlineMs)).toEqual([undefined]);
  });

  test.each(["2592000S", "2147484S", "99999999H", "43200M"])("another client's, grpc-timeout: %s", async (timeout) => {
    const { calls, address } = await start({ getWorkflow: async () => ({ workflow: undefined }) });
    expect(await grpcStatus(address, timeout)).toBe("0");
    expect(calls.map(({ context }) => context.deadlineMs)).toEqual([undefined]);
  });

  test("but one that a timer can hold is kept", async () => {
    const { calls, address } = await start({ getWorkflow: async () => ({ workflow: undefined }) });
    const beforeMs = Date.now();
    expect(await grpcStatus(address, "2147483S")).toBe("0");
    expect(calls[0]?.context.deadlineMs).toBeGreaterThanOrEqual(beforeMs + 2_147_483_000);
  });
});

/** Of GetWorkflow, with such a header. */
async function grpcStatus(address: string, timeout: string): Promise<unknown> {
  const call = openRawCall(address, "/concord.workflow.v1.WorkflowService/GetWorkflow", { "grpc-timeout": timeout });
  cleanups.push(call.close);
  call.send(new Uint8Array());
  call.stream.end();
  call.stream.resume();
  return call.status;
}
