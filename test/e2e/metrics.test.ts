import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { startConcord } from "../../src/compose.ts";
import { loadConfig } from "../../src/config.ts";
import { RuleAction } from "../../src/gen/concord/predicate/v1/rule_set.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { createLog, createLogger } from "../../src/runtime/logger.ts";
import { temporaryFolder } from "../support/concord.ts";

test("GET /metrics tells what TwoPhaseCommit has done and how large each store is, and nothing else is served there", async () => {
  const data = temporaryFolder();
  const flags = { listen: "127.0.0.1:0", metricsListen: "127.0.0.1:0", dataDir: data.path };
  const loaded = loadConfig({ flags, environment: {}, file: undefined });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const { logger, lostLines } = createLog({ level: "silent", format: "json" });
  const started = await startConcord({ config: loaded.value.config, logger, lostLogLines: lostLines });
  if (!started.ok) throw new Error(started.error.message);
  const channel = openChannel(`127.0.0.1:${started.value.port}`);
  try {
    await connect(channel).commits.executeTransaction({});
    await connect(channel).commits.executeTransaction({ participants: [{ participantId: "nobody" }] });
    const { workflows } = connect(channel);
    await workflows.createWorkflow({ workflowId: "moved", requestedBy: "ada" });
    await workflows.transitionWorkflow({
      workflowId: "moved",
      targetState: WorkflowState.ACTIVE,
      requestedBy: "ada",
      reason: "r",
    });
    const origin = `http://127.0.0.1:${started.value.metricsPort}`;
    const text = await (await fetch(`${origin}/metrics`)).text();
    expect(text).toContain("concord_commit_transactions_begun_total 2");
    expect(text).toContain('concord_commit_transactions_decided_total{outcome="committed"} 1');
    expect(text).toContain('concord_commit_transactions_decided_total{outcome="aborted"} 1');
    expect(text).toContain("concord_commit_oldest_in_doubt_seconds 0");
    expect(text).toContain("concord_commit_newer_log_seen_total 0");
    expect(text).toContain("concord_commit_forced_writes_total 0");
    expect(text).toMatch(/concord_commit_flush_writes_count [1-9]/);
    expect(text).toMatch(/^concord_loop_delay_seconds_count \d/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
    for (const store of ["workflow", "predicate", "commit"]) {
      expect(text).toMatch(new RegExp(`^concord_store_bytes\\{store="${store}",file="database"\\} [1-9]`, "m"));
      expect(text).toMatch(new RegExp(`^concord_store_bytes\\{store="${store}",file="wal"\\} \\d`, "m"));
    }
    expect(text).toMatch(/^concord_store_flush_seconds_count\{store="commit"\} [1-9]/m);
    expect(text).toMatch(/^concord_store_writes_total\{store="commit"\} [1-9]/m);
    expect(text).toContain('concord_calls_under_way{kind="session",service="concord.commit.v1.TwoPhaseCommit"} 1');
    expect(text).toMatch(/^concord_build_info\{version="\d+\.\d+\.\d+",node="\d+\.\d+\.\d+"\} 1$/m);
    expect(text).toMatch(/^concord_workflows 1$/m);
    expect(text).toMatch(/^concord_workflows_limit 1000000$/m);
    expect(text).toMatch(/^concord_log_lines_lost_total\{of="log"\} 0$/m);
    expect(text).toMatch(/^concord_connections_open [1-9]/m);
    expect(text).toMatch(/^concord_receiving_bytes 0$/m);
    const execute = 'rpc_method="concord.commit.v1.TwoPhaseCommit/ExecuteTransaction"';
    expect(text).toContain(`rpc_server_call_duration_seconds_count{${execute},rpc_response_status_code="OK"} 2`);
    // Of the move, the question to the rules.
    const question = 'rpc_method="concord.predicate.v1.PredicateLogic/StreamValidateTransitions"';
    expect(text).toContain(`rpc_server_call_duration_seconds_count{${question},rpc_response_status_code="OK"} 1`);
    expect(text).toMatch(/^concord_service_serving\{service="concord\.workflow\.v1\.WorkflowService"\} 1$/m);
    expect(text).toMatch(/^concord_disk_free_bytes \d/m);
    expect((await fetch(`${origin}/`)).status).toBe(404);
  } finally {
    channel.close();
    await started.value.stop();
    data.remove();
  }
});

describe("of PredicateLogic, GET /metrics tells", () => {
  async function start(settings: Readonly<Record<string, unknown>> = {}) {
    const data = temporaryFolder();
    const flags = { listen: "127.0.0.1:0", metricsListen: "127.0.0.1:0", dataDir: data.path, services: "predicate", ...settings };
    const loaded = loadConfig({ flags, environment: {}, file: undefined });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
    const started = await startConcord({
      config: loaded.value.config,
      logger: createLogger({ level: "silent", format: "json" }),
    });
    if (!started.ok) throw new Error(started.error.message);
    const channel = openChannel(`127.0.0.1:${started.value.port}`);
    ended.push(async () => {
      channel.close();
      await started.value.stop();
      data.remove();
    });
    const { predicates } = connect(channel);
    const by = { reason: "a test", requestedBy: "ada" };
    const add = async (
      ruleId: string,
      expression: string,
      action: RuleAction,
      verb: "activateRule" | "shadowRule" = "activateRule",
    ) => {
      await predicates.createRule({ ruleId, expression, action, ...by });
      await predicates[verb]({ ruleId, version: 1, ...by });
    };
    const ask = (celsius: number, targetState: WorkflowState = WorkflowState.COMPLETED) =>
      predicates.validateTransition({
        check: { workflow: { workflowId: "w", state: WorkflowState.ACTIVE, metadata: { celsius } }, targetState },
      });
    const read = async (): Promise<string> => (await fetch(`http://127.0.0.1:${started.value.metricsPort}/metrics`)).text();
    return { predicates, by, add, ask, read };
  }
  const ended: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ended.splice(0)) await end();
  });

  test("verdicts, what rules say, cost, time, and the rule set; and of rules that judge no more, nothing", async () => {
    const { predicates, by, add, ask, read } = await start();
    await add("cold", "workflow.metadata.celsius < 8.0", RuleAction.DENY);
    await add("dry", "workflow.metadata.celsius > 0.0", RuleAction.WARN);
    await add("colder", "workflow.metadata.celsius < 5.0", RuleAction.DENY, "shadowRule");
    for (const celsius of [9, 10, 6, -1, 4]) await ask(celsius);
    await ask(4, WorkflowState.CREATED);
    const text = await read();
    for (const line of [
      'concord_predicate_verdicts_total{judgement="ALLOWED"} 3',
      'concord_predicate_verdicts_total{judgement="RULE_DENIED"} 2',
      'concord_predicate_verdicts_total{judgement="INVALID_TRANSITION"} 1',
      'concord_predicate_violations_total{rule="cold",action="DENY"} 2',
      'concord_predicate_violations_total{rule="dry",action="WARN"} 1',
      'concord_predicate_shadow_differences_total{rule="colder"} 3',
      "concord_predicate_check_cost_count 5",
      'concord_predicate_judging_seconds_count{where="loop"} 6',
      "concord_predicate_budget_exhausted_total 0",
      "concord_predicate_judge_restarts_total 0",
      "concord_predicate_rule_set_revision 3",
      "concord_predicate_rules_active 2",
      "concord_predicate_rules_in_shadow 1",
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).toMatch(/^concord_store_bytes\{store="verdicts",file="database"\} [1-9]/m);
    await predicates.deactivateRule({ ruleId: "cold", ...by });
    await predicates.shadowRule({ ruleId: "colder", version: 0, ...by });
    const later = await read();
    expect(later).not.toContain('rule="cold');
    expect(later).toContain('concord_predicate_violations_total{rule="dry",action="WARN"} 1\n');
  });

  test("checks that used a budget up, and those that threads judged", async () => {
    const { add, ask, read } = await start();
    await add(
      "endless",
      "range(1000).all(i, range(1000).all(j, i + j >= 0))".replaceAll("range(", "lists.range("),
      RuleAction.DENY,
    );
    await ask(4);
    const text = await read();
    expect(text).toContain("concord_predicate_budget_exhausted_total 1\n");
    expect(text).toContain('concord_predicate_judging_seconds_count{where="thread"} 1\n');
    expect(text).toContain('concord_predicate_violations_total{rule="endless",action="DENY"} 1\n');
  });
});
