import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkAll, type Evidence } from "../../demo/audit.ts";
import { Transaction } from "../../src/gen/concord/commit/v1/transaction.ts";
import { Workflow, WorkflowEvent, WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { GetSystemStatsResponse } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { temporaryFolder } from "../support/concord.ts";

const concord = join(import.meta.dirname, "../../bin/concord");

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function startDemo(...args: readonly string[]) {
  return spawn(concord, ["demo", ...args], { env: { ...process.env, TMPDIR: folder.path }, stdio: ["ignore", "pipe", "pipe"] });
}

describe("concord demo", () => {
  test("shows each failure, kills each process, and finds everything as it must be", async () => {
    const demo = startDemo("--workflows", "24", "--seed", "3");
    const exited = once(demo, "exit");
    const [output, errors] = await Promise.all([text(demo.stdout), text(demo.stderr)]);
    const said = `${output}${errors}`;
    expect(await exited, said).toEqual([0, null]);
    for (const reason of ["VERSION_MISMATCH", "PREDICATE_LOGIC_UNAVAILABLE", "RULE_DENIED", "TRANSACTION_ABORTED"]) {
      expect(said).toContain(` / ${reason}: `);
    }
    const killed = ["predicate engine", "coordinator", "workflow manager", "inventory", "instrument", "all 5 processes at once"];
    for (const name of killed) expect(said).toMatch(new RegExp(`kill -9 [0-9 ]+: ${name}; back`));
    expect(said).not.toContain("FAIL  ");
    expect(said).toContain("All is as it must be");
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("ends its processes and removes its data when it is interrupted", async () => {
    const demo = startDemo("--workflows", "1000", "--no-chaos");
    const exited = once(demo, "exit");
    const errors = text(demo.stderr);
    const pids: number[] = [];
    for await (const line of createInterface({ input: demo.stdout })) {
      const pid = / pid (\d+)$/.exec(line)?.[1];
      if (pid !== undefined) pids.push(Number(pid));
      if (line.startsWith("  Two desks ")) demo.kill("SIGINT");
    }
    expect(await exited, await errors).toEqual([1, null]);
    expect(await errors).toBe("error: interrupted\n");
    expect(pids).toHaveLength(5);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describe("the demo's checks", () => {
  const id = "tx-1";
  const events = [
    WorkflowEvent.fromPartial({ sequence: 1n, workflowId: "s", version: 1n, toState: WorkflowState.CREATED }),
    WorkflowEvent.fromPartial({
      ...{ sequence: 2n, workflowId: "s", version: 2n, transactionId: id },
      ...{ fromState: WorkflowState.CREATED, toState: WorkflowState.ACTIVE },
    }),
  ];
  const evidence: Evidence = {
    workflows: [Workflow.fromPartial({ workflowId: "s", version: 2n, state: WorkflowState.ACTIVE })],
    events,
    transactions: [
      Transaction.fromPartial({ transactionId: id, phase: "TRANSACTION_PHASE_COMPLETED", outcome: "OUTCOME_COMMITTED" }),
    ],
    stats: GetSystemStatsResponse.fromPartial({
      totalEvents: 2n,
      workflowsByState: [{ state: WorkflowState.ACTIVE, count: 1n }],
    }),
  };
  const ledger = events;
  const participants = new Map([["inventory", new Map([[id, "committed"]])]]);
  const problems = (...input: Parameters<typeof checkAll>) => checkAll(...input).flatMap((check) => check.problems);

  test("find nothing where all agree", () => {
    expect(problems(evidence, ledger, participants)).toEqual([]);
  });

  test("find an acknowledged change that is lost", () => {
    const told = WorkflowEvent.fromPartial({ sequence: 3n, workflowId: "s", version: 3n });
    expect(problems(evidence, [...ledger, told], participants)).toEqual(["s version 3 is lost"]);
  });

  test("find an acknowledged change whose place another one has taken", () => {
    const told = WorkflowEvent.fromPartial({ sequence: 2n, workflowId: "other", version: 2n });
    expect(problems(evidence, [...ledger, told], participants)).toEqual(["other version 2 is lost"]);
  });

  test("find a workflow that is still held", () => {
    const held = evidence.workflows.map((workflow) => Workflow.fromPartial({ ...workflow, inTransition: {} }));
    expect(problems({ ...evidence, workflows: held }, ledger, participants)).toEqual([
      "s is WORKFLOW_STATE_ACTIVE at version 2, or held",
    ]);
  });

  test("find a change that nobody asked for", () => {
    expect(problems(evidence, ledger.slice(0, 1), participants)).toEqual(["event 2, s version 2, was never acknowledged"]);
  });

  test.each(["aborted", "prepared"])("find a participant that has %s what was committed", (state) => {
    const disagreeing = new Map([["inventory", new Map([[id, state]])]]);
    expect(problems(evidence, ledger, disagreeing)).toEqual([`${id}: OUTCOME_COMMITTED, but ${state} at inventory`]);
  });

  test("find a participant that has committed what nobody else knows", () => {
    const disagreeing = new Map([
      [
        "inventory",
        new Map([
          [id, "committed"],
          ["tx-2", "committed"],
        ]),
      ],
    ]);
    expect(problems(evidence, ledger, disagreeing)).toEqual(["tx-2: no record, but committed at inventory"]);
  });

  test("find an event whose transaction was aborted", () => {
    const [transaction] = evidence.transactions;
    const aborted = [Transaction.fromPartial({ ...transaction, outcome: "OUTCOME_ABORTED" })];
    expect(problems({ ...evidence, transactions: aborted }, ledger, participants)).toEqual([
      `${id}: OUTCOME_ABORTED, but the workflow manager disagrees`,
      `${id}: OUTCOME_ABORTED, but committed at inventory`,
    ]);
  });
});
