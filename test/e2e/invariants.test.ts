import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Status } from "nice-grpc-common";
import { expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { startConcord } from "../../src/compose.ts";
import { loadConfig } from "../../src/config.ts";
import { TransactionPhase } from "../../src/gen/concord/commit/v1/transaction.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { failureOf, temporaryFolder } from "../support/concord.ts";

// What can never be is made to be, in a file, while nothing serves: the calls that meet it are refused, and the service goes on.

async function serve(dataDir: string) {
  const flags = { listen: "127.0.0.1:0", metricsListen: "127.0.0.1:0", dataDir };
  const loaded = loadConfig({ flags, environment: {}, file: undefined });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const started = await startConcord({ config: loaded.value.config, logger: createLogger({ level: "silent", format: "json" }) });
  if (!started.ok) throw new Error(started.error.message);
  const channel = openChannel(`127.0.0.1:${started.value.port}`);
  return {
    ...connect(channel),
    violations: async (): Promise<readonly string[]> => {
      const text = await (await fetch(`http://127.0.0.1:${started.value.metricsPort}/metrics`)).text();
      return [...text.matchAll(/^concord_invariant_violations_total\{invariant="(.*)"\} (\d+)$/gm)].map(
        ([, invariant, times]) => `${invariant} ${times}`,
      );
    },
    stop: async () => {
      channel.close();
      await started.value.stop();
    },
  };
}

/** Between two lives of a server. */
function tamper(folder: string, store: string, statement: string, ...parameters: readonly string[]): void {
  const database = new DatabaseSync(join(folder, `${store}.sqlite`));
  try {
    expect(database.prepare(statement).run(...parameters).changes).toBe(1);
  } finally {
    database.close();
  }
}

const mutation = { reason: "a test", requestedBy: "a tester" };

test("a violated invariant refuses what it is about, is counted, and leaves the workflow manager serving", async () => {
  const data = temporaryFolder();
  try {
    const before = await serve(data.path);
    await before.workflows.createWorkflow({ ...mutation, workflowId: "broken" });
    await before.workflows.createWorkflow({ ...mutation, workflowId: "whole" });
    expect(await before.violations()).toEqual([]);
    await before.stop();
    tamper(data.path, "workflow", "UPDATE workflows SET previous_state = 'COMPLETED', version = 2 WHERE id = ?", "broken");
    const after = await serve(data.path);
    try {
      const move = { ...mutation, targetState: WorkflowState.ACTIVE };
      const failure = await failureOf(after.workflows.transitionWorkflow({ ...move, workflowId: "broken" }));
      expect(failure.code).toBe(Status.INTERNAL);
      expect(await after.violations()).toEqual(["StateConsistency 1"]);
      const { workflow } = await after.workflows.getWorkflow({ workflowId: "broken" });
      expect(workflow?.state).toBe(WorkflowState.CREATED);
      const moved = await after.workflows.transitionWorkflow({ ...move, workflowId: "whole" });
      expect(moved.workflow?.version).toBe(2n);
    } finally {
      await after.stop();
    }
  } finally {
    data.remove();
  }
});

test("a violated invariant refuses what it is about, is counted, and leaves the coordinator serving", async () => {
  const data = temporaryFolder();
  try {
    const before = await serve(data.path);
    const aborted = await before.commits.executeTransaction({ ...mutation, participants: [{ participantId: "nobody" }] });
    const transactionId = aborted.transaction?.transactionId ?? "";
    await before.stop();
    tamper(
      data.path,
      "commit",
      "UPDATE transactions SET body = json_set(body, '$.outcome', 'committed') WHERE id = ?",
      transactionId,
    );
    const after = await serve(data.path);
    try {
      expect((await failureOf(after.commits.getTransaction({ transactionId }))).code).toBe(Status.INTERNAL);
      expect(await after.violations()).toEqual(["CommitValidity 1"]);
      const committed = await after.commits.executeTransaction(mutation);
      expect(committed.transaction?.phase).toBe(TransactionPhase.COMPLETED);
    } finally {
      await after.stop();
    }
  } finally {
    data.remove();
  }
});

test("a violated invariant refuses what it is about, is counted, and leaves the predicate engine serving", async () => {
  const data = temporaryFolder();
  try {
    const apply = { ...mutation, requestId: "again", facts: [{ name: "working_hours", expression: "true" }] };
    const before = await serve(data.path);
    const applied = await before.predicates.applyRuleSet(apply);
    await before.stop();
    tamper(data.path, "predicate", "DELETE FROM changes WHERE sequence = ?", String(applied.change?.sequence));
    const after = await serve(data.path);
    try {
      expect((await failureOf(after.predicates.applyRuleSet(apply))).code).toBe(Status.INTERNAL);
      expect(await after.violations()).toEqual(["a change stays in the history 1"]);
      const { workflow } = await after.workflows.createWorkflow({ ...mutation, workflowId: "w" });
      const moved = await after.workflows.transitionWorkflow({ ...mutation, workflowId: "w", targetState: WorkflowState.ACTIVE });
      expect([workflow?.version, moved.workflow?.version]).toEqual([1n, 2n]);
    } finally {
      await after.stop();
    }
  } finally {
    data.remove();
  }
});
