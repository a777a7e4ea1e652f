import { execFile } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ImpactKind } from "../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { Judgement } from "../../src/gen/concord/predicate/v1/verdict.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { answerBytesMax } from "../../src/kernel/limits.ts";
import { explanationsBytesMax } from "../../src/predicate/core/limits.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, struct } from "../support/proto-client.ts";

// Why a move is refused, what may be done next, and what a change of the rules would change: as a client, and at the command line.

const { ACTIVE, CANCELLED, COMPLETED, CREATED, FAILED, PAUSED } = WorkflowState;
const folder = temporaryFolder();
const by = { reason: "a test", requestedBy: "ada" };
const ids = Array.from({ length: 30 }, (_, index) => `sample-${String(index).padStart(2, "0")}`);
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: folder.path });
  const { predicates, workflows } = server.clients;
  await predicates.setRuleSetItem({
    item: { $case: "fact", value: { name: "cold", expression: "workflow.metadata.celsius < 8" } },
    ...by,
  });
  const cold = { ruleId: "cold", expression: "facts.cold && request.reason != ''", message: "'too warm'" };
  await predicates.createRule({ ...cold, moves: [{ toState: COMPLETED }], ...by });
  await predicates.activateRule({ ruleId: "cold", ...by });
  await predicates.createRule({ ruleId: "careful", expression: "to != 'CANCELLED'", moves: [{ fromState: ACTIVE }], ...by });
  for (const [index, workflowId] of ids.entries()) {
    await workflows.createWorkflow({ workflowId, type: index % 2 === 0 ? "sample" : "", metadata: { celsius: index }, ...by });
    if (index < 25) await workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, ...by });
  }
});

afterAll(async () => {
  await server.stop();
  folder.remove();
});

async function checkOf(workflowId: string, targetState: WorkflowState) {
  const { workflow } = await server.clients.workflows.getWorkflow({ workflowId });
  return { workflow, targetState, ...by };
}

function concord(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const program = join(import.meta.dirname, "../../bin/concord");
  const env = { ...process.env, CONCORD_ADDRESS: server.address };
  return new Promise((resolve) => {
    execFile(program, args, { env }, (error, out, err) => resolve({ code: Number(error?.code ?? 0), out, err }));
  });
}

describe("an explanation", () => {
  test("has the verdict that ValidateTransition gives, and what led to it, facts too", async () => {
    const check = await checkOf("sample-09", COMPLETED);
    const { verdict } = await server.clients.predicates.validateTransition({ check });
    const explained = await server.clients.predicates.explainTransition({ check });
    expect(explained.verdict).toEqual(verdict);
    expect(explained).toMatchObject({
      rules: [
        {
          ruleId: "cold",
          expression: {
            outcome: { outcome: { $case: "value", value: { type: "bool", text: "false" } } },
            parts: [
              { text: "facts.cold && request.reason != ''", line: 1, column: 12 },
              { text: "facts.cold" },
              { text: "request.reason != ''", outcome: { outcome: { $case: "notEvaluated" } } },
              { text: "request.reason", outcome: { outcome: { $case: "notEvaluated" } } },
            ],
            inputs: [{ path: "facts.cold", value: "false" }],
          },
        },
      ],
      facts: [{ name: "cold", expression: { inputs: [{ path: "workflow.metadata.celsius", value: "9.0" }] } }],
      omitted: 0,
    });
  });

  test("of a move that the lifecycle does not have explains no rule", async () => {
    const explained = await server.clients.predicates.explainTransition({ check: await checkOf("sample-09", CREATED) });
    expect(explained).toMatchObject({ verdict: { judgement: Judgement.INVALID_TRANSITION }, rules: [], facts: [] });
  });

  test("waits for no rule set that is not there", async () => {
    const check = await checkOf("sample-09", COMPLETED);
    const { predicates } = server.clients;
    for (const call of [
      predicates.explainTransition({ check, minRevision: 99n }),
      predicates.assessImpact({ candidate: { $case: "deactivateRuleId", value: "cold" }, checks: [check], minRevision: 99n }),
    ]) {
      expect(await failureOf(call)).toMatchObject({ reason: "REVISION_NOT_REACHED", metadata: { min_revision: "99" } });
    }
  });
});

describe("what a workflow may do next", () => {
  test("is what its moves would be answered, whatever it may do", async () => {
    const { workflows } = server.clients;
    for (const workflowId of ["sample-03", "sample-09"]) {
      const { transitions, version } = await workflows.listAllowedTransitions({ workflowId, ...by });
      expect(transitions.map(({ targetState }) => targetState)).toEqual([PAUSED, COMPLETED, FAILED, CANCELLED]);
      const target = transitions.find(({ targetState }) => targetState === COMPLETED);
      const failure = await failureOf(
        workflows.transitionWorkflow({ workflowId, targetState: COMPLETED, expectedVersion: version, ...by }),
      ).catch(() => undefined);
      expect(target?.allowed).toBe(failure === undefined);
      expect(target?.violations.map(({ ruleId }) => ruleId)).toEqual(failure === undefined ? [] : ["cold"]);
    }
    const done = await workflows.listAllowedTransitions({ workflowId: "sample-03" });
    expect(done).toMatchObject({ state: COMPLETED, transitions: [], ruleSetRevision: 0n });
  });

  test("at the command line", async () => {
    const { out, code } = await concord("workflow", "moves", "sample-09", "--by", "ada");
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      "sample-09 is ACTIVE (version 2); by rule set revision 2 it can go to",
      "  PAUSED: yes",
      "  COMPLETED: no",
      "    denied by cold (version 1): too warm",
      "  FAILED: yes",
      "  CANCELLED: yes",
      "",
    ]);
    expect((await concord("workflow", "moves", "sample-03")).out).toBe(
      "sample-03 is COMPLETED (version 3): no move leads out of that state\n",
    );
  });
});

describe("the impact of a change", () => {
  test("is told of each check, with verdicts for the first 20 of a kind", async () => {
    const checks = await Promise.all(ids.slice(0, 25).map((workflowId) => checkOf(workflowId, CANCELLED)));
    const open = checks.filter(({ workflow }) => workflow?.state === ACTIVE);
    const candidate = { $case: "activate", value: { ruleId: "careful" } } as const;
    const { differences, ruleSetRevision } = await server.clients.predicates.assessImpact({ candidate, checks });
    expect(ruleSetRevision).toBe(2n);
    expect(differences).toHaveLength(open.length);
    expect(new Set(differences.map(({ kind }) => kind))).toEqual(new Set([ImpactKind.NEWLY_DENIED]));
    expect(differences.filter(({ after }) => after !== undefined)).toHaveLength(20);
    expect(differences[0]).toMatchObject({
      before: { judgement: Judgement.ALLOWED },
      after: { judgement: Judgement.RULE_DENIED, violations: [{ ruleId: "careful" }] },
    });
  });

  test("at the command line: of all workflows, with examples", async () => {
    const { out, code } = await concord("rule", "impact", "cold", "--deactivate", "--examples", "1", "--by", "ada");
    expect(code).toBe(0);
    expect(out).toContain("possible moves of 30 workflows, beside rule set revision 2");
    expect(out).toMatch(/9 +newly allowed +ACTIVE:COMPLETED +sample/);
    expect(out).toMatch(/8 +newly allowed +ACTIVE:COMPLETED +-/);
    expect(out).toContain("sample-08 to COMPLETED: newly allowed");
    const { out: json } = await concord("rule", "impact", "careful", "--limit", "10", "-o", "json");
    expect(JSON.parse(json)).toMatchObject({ workflows: 10, complete: false, examples: [{ kind: "NEWLY_DENIED" }, {}, {}] });
  });

  test("at the command line: what is asked for must be clear", async () => {
    expect(await concord("rule", "impact")).toMatchObject({ code: 2, err: expect.stringContaining("name a rule, or --files") });
    expect((await concord("rule", "impact", "nothing")).err).toContain("nothing");
  });
});

test("what rules see of the last event is what they see when the move is made", async () => {
  const { predicates } = server.clients;
  const expression = "last_event.requested_by != request.requested_by";
  await predicates.createRule({ ruleId: "four-eyes", expression, moves: [{ toState: FAILED }], ...by });
  expect((await concord("rule", "impact", "four-eyes", "--by", "ada")).out).toContain("newly denied");
  expect((await concord("rule", "impact", "four-eyes", "--by", "grace")).out).toContain("none would be judged otherwise");
  await predicates.activateRule({ ruleId: "four-eyes", ...by });
  expect(await concord("rule", "check", "sample-09", "FAILED", "--by", "ada")).toMatchObject({ code: 1 });
  expect(await concord("rule", "explain", "sample-09", "FAILED", "--by", "grace")).toMatchObject({ code: 0 });
  await predicates.deactivateRule({ ruleId: "four-eyes", ...by });
});

test("rule explain shows the values beneath their places", async () => {
  const { out, code } = await concord("rule", "explain", "sample-09", "COMPLETED", "--by", "ada");
  expect(code).toBe(1);
  expect(out).toContain("RULE_DENIED (rule set revision");
  expect(out).toContain("    facts.cold && request.reason != ''");
  expect(out).toContain("fact cold (version 1)");
  expect(out).toContain("workflow.metadata.celsius: 9.0");
});

test("rule lint --server tells of the rules that are active there", async () => {
  const { predicates } = server.clients;
  const warm = { ruleId: "warm", expression: "workflow.metadata.celsius > 8", moves: [{ toState: COMPLETED }], ...by };
  const { diagnostics } = await predicates.checkRule({ rule: { ...warm, expression: "true" } });
  expect(diagnostics).toMatchObject([{ message: expect.stringContaining("it never denies one") }]);
  await predicates.createRule({ ...warm, ruleId: "idle", expression: "true" });
  await predicates.activateRule({ ruleId: "idle", ...by });
  const { out } = await concord("rule", "lint", "--server");
  expect(out).toContain('warning: rule "idle" is true for each of its moves');
  expect(out).toMatch(/rule set revision \d+: 1 warning\n$/);
  await predicates.deactivateRule({ ruleId: "idle", ...by });
});

test("the largest explanation is one that every client reads", async () => {
  const { predicates } = server.clients;
  const texts = Array.from({ length: 100 }, (_, index) => `${index}-${"é".repeat(150)}`);
  const long = `workflow.metadata.texts.all(t, ${Array.from({ length: 150 }, () => "t.contains('é')").join(" && ")})`;
  for (let index = 0; index < 40; index += 1) {
    const ruleId = `long-${index}`;
    await predicates.createRule({ ruleId, expression: long, moves: [{ fromState: PAUSED }], workflowTypes: ["long"], ...by });
    await predicates.activateRule({ ruleId, ...by });
  }
  const client = createProtoClient(server.address);
  const workflow = { workflow_id: "w", type: "long", state: "WORKFLOW_STATE_PAUSED", version: 2, metadata: struct({ texts }) };
  const check = { workflow, target_state: "WORKFLOW_STATE_ACTIVE" };
  const bytes = await client.bytes("PredicateLogic/ExplainTransition", { check });
  expect(bytes.length).toBeGreaterThan(explanationsBytesMax / 16);
  expect(bytes.length).toBeLessThan(answerBytesMax);
  const { rules, omitted } = await client.call("PredicateLogic/ExplainTransition", { check });
  expect(rules.length + omitted).toBe(40);
  expect(omitted).toBeGreaterThan(0);
  client.close();
});

// The last one, since it changes the rule set.
test("an explanation has the rules in shadow behind those that judge, and says which they are", async () => {
  const { predicates } = server.clients;
  const moves = [{ fromState: ACTIVE, toState: COMPLETED }];
  await predicates.createRule({ ruleId: "dim", expression: "workflow.metadata.celsius < 1.0", moves, ...by });
  await predicates.shadowRule({ ruleId: "dim", version: 1, ...by });
  const check = await checkOf("sample-09", COMPLETED);
  const told = ({ rules }: Awaited<ReturnType<typeof predicates.explainTransition>>) =>
    rules.map(({ ruleId, inShadow, expression }) => ({ ruleId, inShadow, read: expression?.inputs[0]?.value }));
  const dim = { ruleId: "dim", inShadow: true, read: "9.0" };
  const cold = { ruleId: "cold", inShadow: false, read: "false" };
  expect(told(await predicates.explainTransition({ check }))).toEqual([cold, dim]);
  expect(told(await predicates.explainTransition({ check, ruleIds: ["dim"] }))).toEqual([dim]);
  expect((await concord("rule", "explain", "sample-09", "COMPLETED", "--rule", "dim")).out).toContain(
    "rule dim (version 1, in shadow)",
  );
  await predicates.shadowRule({ ruleId: "dim", version: 0, ...by });
});
