import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { serve } from "../support/process.ts";
import { createProtoClient, struct } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { mountTmpfs } from "../support/storage-tmpfs.ts";
import { until } from "../support/until.ts";

const [forWorkflows, forDecisions, forAll] = [mountTmpfs(4_096), mountTmpfs(4_096), mountTmpfs(8_192)];
afterAll(() => {
  for (const each of [forWorkflows, forDecisions, forAll]) each?.unmount();
});

const service = "concord.workflow.v1.WorkflowService";

test.skipIf(forWorkflows === undefined)(
  "a full disk: writes are refused, reads go on, health tells, and it serves again when there is space [needs root, to mount a tmpfs]",
  async () => {
    const dir = forWorkflows?.dir ?? "";
    const ballast = join(dir, "ballast");
    const server = await serve(dir);
    const client = createProtoClient(server.address);
    writeFileSync(ballast, Buffer.alloc(1_200 * 1_024));
    const health = async (): Promise<string> => (await client.call("Health/Check", { service })).status;

    const metadata = struct({ filler: "x".repeat(20_000) });
    const create = (workflow_id: string) => client.call("WorkflowService/CreateWorkflow", { workflow_id, metadata });
    let created = 0;
    while (
      await create(`wf-${created}`).then(
        () => true,
        () => false,
      )
    )
      created += 1;
    expect(created).toBeGreaterThan(0);
    expect(await client.failure("WorkflowService/CreateWorkflow", { workflow_id: "late", metadata })).toMatchObject({
      code: "UNAVAILABLE",
      reason: "STORAGE_UNAVAILABLE",
      retryAfterMs: 1000,
    });
    expect(await health()).toBe("NOT_SERVING");
    expect(await client.call("WorkflowService/GetWorkflow", { workflow_id: "wf-0" })).toMatchObject({
      workflow: { version: "1" },
    });
    expect(await client.call("WorkflowService/GetSystemStats", {})).toMatchObject({ total_workflows: String(created) });

    rmSync(ballast);
    await until(async () => (await health()) === "SERVING", "the store can be written again");
    expect(await create("late")).toMatchObject({ workflow: { workflow_id: "late" } });
    client.close();
    expect(await server.terminate()).toBe(0);
  },
);

/** Takes all the space that there is. */
function fill(file: string): void {
  try {
    for (;;) appendFileSync(file, Buffer.alloc(4_096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

// specs/TwoPhaseCommit.tla: WriteAheadDecision.
test.skipIf(forDecisions === undefined)(
  "a decision that cannot be written is told to nobody, and to everybody when there is space [needs root, to mount a tmpfs]",
  async () => {
    const dir = forDecisions?.dir ?? "";
    const ballast = join(dir, "ballast");
    const server = await serve(dir, { flags: ["--services", "commit"] });
    const client = createProtoClient(server.address);
    const [left, right] = [await joinAs(client, "left"), await joinAs(client, "right")];
    const payload = Buffer.alloc(200 * 1_024, "x");
    const participants = ["left", "right"].map((participant_id) => ({ participant_id, payload }));
    const executed = client.failure("TwoPhaseCommit/ExecuteTransaction", { participants, prepare_timeout: { seconds: 60 } });
    const { transaction_id } = await left.expect("prepare");
    await right.expect("prepare");
    fill(ballast);
    left.vote(transaction_id, "VOTE_VALUE_COMMIT");
    right.vote(transaction_id, "VOTE_VALUE_COMMIT");
    expect(await executed).toMatchObject({ code: "UNAVAILABLE", reason: "STORAGE_UNAVAILABLE", metadata: { transaction_id } });
    // Answers come in order: had a decision been sent, it would come before this Nack.
    left.vote("", "VOTE_VALUE_COMMIT");
    expect((await left.nextBody()).body).toBe("nack");
    const undecided = await client.call("TwoPhaseCommit/GetTransaction", { transaction_id });
    expect(undecided.transaction).toMatchObject({ phase: "TRANSACTION_PHASE_PREPARING", outcome: "OUTCOME_UNSPECIFIED" });

    rmSync(ballast);
    for (const participant of [left, right]) {
      expect(await participant.expect("decision")).toMatchObject({ transaction_id, outcome: "OUTCOME_COMMITTED" });
      participant.ack(transaction_id, "OUTCOME_COMMITTED");
    }
    await until(async () => {
      const { transaction } = await client.call("TwoPhaseCommit/GetTransaction", { transaction_id });
      return transaction.phase === "TRANSACTION_PHASE_COMPLETED";
    }, "the transaction is COMPLETED");
    client.close();
    expect(await server.terminate()).toBe(0);
  },
);

test.skipIf(forAll === undefined)(
  "restarted on a full disk it answers reads, and is whole again when there is space, without another restart [needs root, to mount a tmpfs]",
  async () => {
    const dir = forAll?.dir ?? "";
    const ballast = join(dir, "ballast");
    const services = ["workflow.v1.WorkflowService", "predicate.v1.PredicateLogic", "commit.v1.TwoPhaseCommit"];
    const first = await serve(dir);
    const before = createProtoClient(first.address);
    await before.call("WorkflowService/CreateWorkflow", { workflow_id: "kept" });
    before.close();
    expect(await first.terminate()).toBe(0);
    fill(ballast);

    const server = await serve(dir);
    const client = createProtoClient(server.address);
    const health = async (): Promise<string[]> => {
      const checks = services.map((name) => client.call("Health/Check", { service: `concord.${name}` }));
      return (await Promise.all(checks)).map(({ status }) => status);
    };
    expect(await health()).toStrictEqual(services.map(() => "NOT_SERVING"));
    expect(await client.call("WorkflowService/GetWorkflow", { workflow_id: "kept" })).toMatchObject({
      workflow: { version: "1" },
    });
    expect(await client.call("PredicateLogic/ListRules", {})).toMatchObject({ rules: [] });
    const unavailable = { code: "UNAVAILABLE", reason: "STORAGE_UNAVAILABLE" };
    expect(await client.failure("WorkflowService/CreateWorkflow", { workflow_id: "new" })).toMatchObject(unavailable);
    expect(await client.failure("TwoPhaseCommit/ExecuteTransaction", {})).toMatchObject(unavailable);
    expect(await client.failure("TwoPhaseCommit/ListTransactions", {})).toMatchObject(unavailable);

    rmSync(ballast);
    await until(async () => (await health()).every((status) => status === "SERVING"), "all serve again");
    expect(await client.call("WorkflowService/CreateWorkflow", { workflow_id: "new" })).toMatchObject({
      workflow: { version: "1" },
    });
    expect(await client.call("TwoPhaseCommit/ExecuteTransaction", {})).toMatchObject({
      transaction: { outcome: "OUTCOME_COMMITTED" },
    });
    client.close();
    expect(await server.terminate()).toBe(0);
  },
);
