import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TransactionId, WorkflowId } from "../../src/kernel/ids.ts";
import { openSqliteSinkStore } from "../../src/storage/sqlite/sink-store.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { noTerms } from "../../src/workflow/core/policy.ts";
import { create, holdMove } from "../../src/workflow/core/step.ts";
import { noWarnings } from "../../src/workflow/core/warnings.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import {
  createProtoClient,
  everyRpc,
  type Failure,
  type Message,
  type ProtoClient,
  type RpcName,
  struct,
} from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { deadLetter, sinkRecord, sourceEvent } from "../support/sink-values.ts";

// Each RPC once with success and once with an error, as a stranger's client sees them.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

const by = { reason: "a test", requested_by: "ada" };
const cold = {
  rule_id: "cold",
  expression: "workflow.metadata.celsius < 8.0",
  message: "'too warm: ' + string(workflow.metadata.celsius)",
};

/** What a transaction holds whose coordinator is gone. */
async function holdForGone(): Promise<void> {
  const opened = await openSqliteWorkflowStore({ path: join(data.path, "workflow.sqlite") });
  if (!opened.ok) throw new Error(opened.error.message);
  const nowMs = Date.now();
  const { workflow, event } = create(
    { id: "held" as WorkflowId, type: "", metadata: {}, reason: "", requestedBy: "", ruleSetRevision: 0 },
    { nowMs, eventId: "e", terms: noTerms },
  );
  const hold = {
    transactionId: "gone" as TransactionId,
    coordinatorId: "gone",
    coordinatorEpoch: 1,
    move: { targetState: "ACTIVE", reason: "held", requestedBy: "grace", eventMetadata: {}, request: undefined },
    preparedAtMs: nowMs,
    deadlineMs: nowMs,
    ruleSetRevision: 0,
    warnings: noWarnings,
  } as const;
  await opened.value.apply({ puts: [{ workflow: holdMove(workflow, hold), expected: "absent" }], events: [event] });
  await opened.value.close();
}

/** A sink that rests, with what its receiver has refused. */
async function sinksFile(): Promise<string> {
  const opened = await openSqliteSinkStore({ path: join(data.path, "events.sqlite") });
  if (!opened.ok) throw new Error(opened.error.message);
  const letters = [1, 2, 3].map((sequence) => deadLetter({ sink: "hook", event: { ...sourceEvent, sequence } }));
  await opened.value.apply({ puts: [sinkRecord("hook", { isPaused: true })], deadLetters: letters });
  await opened.value.close();
  const file = join(data.path, "sinks.yaml");
  process.env["EVERY_RPC_SECRET"] = "secret";
  const entry = { name: "hook", type: "webhook", url: "http://127.0.0.1:9/", secret_env: "EVERY_RPC_SECRET" };
  writeFileSync(file, JSON.stringify({ sinks: [entry] }));
  return file;
}

beforeAll(async () => {
  await holdForGone();
  server = await startServer({ dataDir: data.path, sinks: await sinksFile() });
  client = createProtoClient(server.address);
  for (const [workflow_id, states] of Object.entries({ fresh: [], active: ["ACTIVE"], failed: ["ACTIVE", "FAILED"] })) {
    await client.call("WorkflowService/CreateWorkflow", { workflow_id, metadata: struct({ celsius: 9.5 }), ...by });
    for (const state of states)
      await client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: `WORKFLOW_STATE_${state}`, ...by });
  }
  await client.call("PredicateLogic/CreateRule", { ...cold, moves: [{ to_state: "WORKFLOW_STATE_COMPLETED" }], ...by });
  await client.call("PredicateLogic/ActivateRule", { rule_id: "cold", ...by });
  for (const rule_id of ["draft", "unused"])
    await client.call("PredicateLogic/CreateRule", { rule_id, expression: "true", ...by });
  const inventory = await joinAs(client, "inventory");
  void inventory.agreeToAll();
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const ACTIVE = "WORKFLOW_STATE_ACTIVE";
const COMPLETED = "WORKFLOW_STATE_COMPLETED";
const check = {
  workflow: { workflow_id: "w", state: ACTIVE, version: 2, metadata: struct({ celsius: 9.5 }) },
  target_state: COMPLETED,
};
const slow = { state: ACTIVE, after: { seconds: "7200", nanos: 0 }, target_state: "WORKFLOW_STATE_FAILED", reason: "too slow" };
const later = { after: { seconds: 7_200 }, target_state: "WORKFLOW_STATE_FAILED", reason: "too slow" };
const terms = { deadlines: [slow], recovery: { max_attempts: 3, initial_backoff: { seconds: "60", nanos: 0 } } };
const payload = Buffer.from("two tubes");

type Sample = {
  readonly good: Message;
  readonly answer: Message;
  readonly bad: Message;
  readonly failure: Partial<Failure>;
};

const invalid = (...fields: readonly string[]) => ({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields });

const unary: Readonly<Record<string, Sample>> = {
  "WorkflowService/CreateWorkflow": {
    good: { workflow_id: "new", metadata: struct({ site: "B" }), ...by },
    answer: {
      workflow: { workflow_id: "new", state: "WORKFLOW_STATE_CREATED", version: "1" },
      event: { type: "WORKFLOW_EVENT_TYPE_CREATED", version: "1", ...by },
    },
    bad: { workflow_id: "fresh", ...by },
    failure: { code: "ALREADY_EXISTS", reason: "WORKFLOW_ALREADY_EXISTS", metadata: { workflow_id: "fresh" } },
  },
  "WorkflowService/GetWorkflow": {
    good: { workflow_id: "failed" },
    answer: { workflow: { state: "WORKFLOW_STATE_FAILED", previous_state: ACTIVE, version: "3", in_transition: null } },
    bad: { workflow_id: "nobody" },
    failure: { code: "NOT_FOUND", reason: "WORKFLOW_NOT_FOUND", metadata: { workflow_id: "nobody" } },
  },
  "WorkflowService/WaitForWorkflow": {
    good: { workflow_id: "failed", states: ["WORKFLOW_STATE_FAILED"] },
    answer: { workflow: { workflow_id: "failed", version: "3" }, reached: true, event: null },
    bad: { workflow_id: "nobody" },
    failure: { code: "NOT_FOUND", reason: "WORKFLOW_NOT_FOUND", metadata: { workflow_id: "nobody" } },
  },
  "WorkflowService/ListWorkflows": {
    good: { filter: 'workflow.state == "FAILED"' },
    answer: { workflows: [{ workflow_id: "failed" }], next_page_token: "" },
    bad: { filter: "workflow.nothing" },
    failure: invalid("filter"),
  },
  "WorkflowService/CountWorkflows": {
    good: { filter: 'workflow.state == "FAILED"', group_by: ["state"] },
    answer: { total: "1", groups: [{ state: "WORKFLOW_STATE_FAILED", count: "1" }], from_counters: true },
    bad: { group_by: ["state", "site"] },
    failure: invalid("group_by[1]"),
  },
  "WorkflowService/TransitionWorkflow": {
    good: { workflow_id: "fresh", target_state: ACTIVE, expected_version: 1, event_metadata: struct({ shift: 2 }), ...by },
    answer: {
      workflow: { state: ACTIVE, version: "2" },
      event: {
        type: "WORKFLOW_EVENT_TYPE_TRANSITION",
        version: "2",
        rule_set_revision: "1",
        metadata: struct({ shift: 2 }),
        transaction_id: "",
        ...by,
      },
    },
    bad: { workflow_id: "active", target_state: COMPLETED, ...by },
    failure: {
      code: "FAILED_PRECONDITION",
      reason: "RULE_DENIED",
      metadata: { workflow_id: "active", rule_set_revision: "1" },
      preconditions: [{ type: "RULE", subject: "cold", description: "too warm: 9.5" }],
    },
  },
  "WorkflowService/BatchTransitionWorkflows": {
    good: {
      mode: "BATCH_MODE_INDEPENDENT",
      items: [
        { workflow_id: "fresh", target_state: "WORKFLOW_STATE_PAUSED" },
        { workflow_id: "active", target_state: COMPLETED },
      ],
      ...by,
    },
    answer: {
      results: [
        { workflow_id: "fresh", result: "moved", moved: { from_state: ACTIVE, version: "3", transaction_id: "" } },
        {
          workflow_id: "active",
          result: "failure",
          failure: { code: 9, reason: "RULE_DENIED", message: "cold: too warm: 9.5", metadata: { rule_set_revision: "1" } },
        },
      ],
      applied: false,
    },
    bad: {
      mode: "BATCH_MODE_ALL_OR_NOTHING",
      items: [
        { workflow_id: "fresh", target_state: ACTIVE },
        { workflow_id: "fresh", target_state: ACTIVE },
      ],
      ...by,
    },
    failure: invalid("items[1].workflow_id"),
  },
  "WorkflowService/StartBulkOperation": {
    good: {
      filter: 'workflow.id == "nobody"',
      action: { transition: { target_state: "WORKFLOW_STATE_CANCELLED" } },
      dry_run: true,
      request_id: "bulk",
      ...by,
    },
    answer: { operation: { state: "BULK_OPERATION_STATE_RUNNING", dry_run: true, rate_per_second: 100, done_count: "0", ...by } },
    bad: { filter: "workflow.nothing", action: { recovery: {} }, ...by },
    failure: invalid("filter"),
  },
  "WorkflowService/ListBulkOperations": {
    good: {},
    answer: { operations: [{ filter: 'workflow.id == "nobody"' }], next_page_token: "" },
    bad: { page_size: -1 },
    failure: invalid("page_size"),
  },
  "WorkflowService/UpdateWorkflowMetadata": {
    good: { workflow_id: "active", metadata_patch: struct({ site: "B" }), event_metadata: struct({ shift: 2 }), ...by },
    answer: {
      workflow: { state: ACTIVE, version: "3", metadata: struct({ celsius: 9.5, site: "B" }), updated_by: "ada" },
      event: {
        type: "WORKFLOW_EVENT_TYPE_UPDATED",
        from_state: ACTIVE,
        to_state: ACTIVE,
        version: "3",
        metadata: struct({ shift: 2 }),
        metadata_patch: struct({ site: "B" }),
        ...by,
      },
    },
    bad: { workflow_id: "active", metadata_patch: struct({}), ...by },
    failure: invalid("metadata_patch"),
  },
  "WorkflowService/PurgeWorkflows": {
    good: { older_than: { seconds: 0 }, dry_run: true, ...by },
    answer: { workflow_ids: [], purged_events: "0", kept: [], next_page_token: "", oldest_sequence: "1" },
    bad: { ...by },
    failure: invalid("older_than"),
  },
  "WorkflowService/RecoverWorkflow": {
    good: { workflow_id: "failed", ...by },
    answer: {
      workflow: { state: ACTIVE, retry_count: 1, version: "4" },
      event: { type: "WORKFLOW_EVENT_TYPE_RECOVERED", retry_count: 1 },
    },
    bad: { workflow_id: "active", ...by },
    failure: { code: "FAILED_PRECONDITION", reason: "NOT_FAILED", metadata: { workflow_id: "active", state: "ACTIVE" } },
  },
  "WorkflowService/SetWorkflowDeadline": {
    good: { workflow_id: "active", deadline: later, expected_version: 3, ...by },
    answer: {
      workflow: {
        workflow_id: "active",
        state: ACTIVE,
        version: "4",
        deadline: { target_state: "WORKFLOW_STATE_FAILED", set_by: "ada" },
      },
      event: {
        ...{ type: "WORKFLOW_EVENT_TYPE_DEADLINE_SET", from_state: ACTIVE, to_state: ACTIVE, version: "4", ...by },
        deadline: { target_state: "WORKFLOW_STATE_FAILED", reason: "too slow" },
      },
    },
    bad: { workflow_id: "active", deadline: { ...later, target_state: ACTIVE }, ...by },
    failure: invalid("deadline.target_state"),
  },
  "WorkflowService/ListAllowedTransitions": {
    good: { workflow_id: "active", requested_by: "ada" },
    answer: {
      workflow_id: "active",
      version: "4",
      state: ACTIVE,
      in_transition: null,
      transitions: [
        { target_state: "WORKFLOW_STATE_PAUSED", allowed: true, violations: [] },
        { target_state: COMPLETED, allowed: false, violations: [{ rule_id: "cold", rule_version: 1, message: "too warm: 9.5" }] },
        { target_state: "WORKFLOW_STATE_FAILED", allowed: true },
        { target_state: "WORKFLOW_STATE_CANCELLED", allowed: true },
      ],
      rule_set_revision: "1",
    },
    bad: { workflow_id: "nobody" },
    failure: { code: "NOT_FOUND", reason: "WORKFLOW_NOT_FOUND", metadata: { workflow_id: "nobody" } },
  },
  "WorkflowService/ResolveTransition": {
    good: { workflow_id: "held", transaction_id: "gone", outcome: "OUTCOME_COMMITTED", ...by },
    answer: {
      workflow: { workflow_id: "held", state: ACTIVE, version: "2", in_transition: null },
      event: { type: "WORKFLOW_EVENT_TYPE_TRANSITION", transaction_id: "gone", reason: "held", requested_by: "grace" },
    },
    bad: { workflow_id: "active", transaction_id: "gone", outcome: "OUTCOME_ABORTED", ...by },
    failure: {
      code: "FAILED_PRECONDITION",
      reason: "TRANSACTION_STATE",
      metadata: { workflow_id: "active", transaction_id: "gone" },
    },
  },
  "WorkflowService/SetWorkflowTypePolicy": {
    good: { workflow_type: "sample", terms, expected_revision: 0, ...by },
    answer: {
      policy: {
        workflow_type: "sample",
        revision: "1",
        terms: { ...terms, recovery: { max_attempts: 3, multiplier: 2, max_backoff: { seconds: "86400", nanos: 0 } } },
        updated_by: "ada",
        reason: by.reason,
      },
    },
    bad: { workflow_type: "sample", terms: { deadlines: [{ ...slow, target_state: ACTIVE }] }, ...by },
    failure: invalid("terms.deadlines[0].target_state"),
  },
  "WorkflowService/GetWorkflowTypePolicy": {
    good: { workflow_type: "sample" },
    answer: { policy: { workflow_type: "sample", revision: "1", terms: { deadlines: [slow] } } },
    bad: {},
    failure: { code: "NOT_FOUND", reason: "POLICY_NOT_FOUND", metadata: { workflow_type: "" } },
  },
  "WorkflowService/ListWorkflowTypePolicies": {
    good: {},
    answer: { policies: [{ workflow_type: "sample" }], next_page_token: "" },
    bad: { page_token: "bm9uc2Vuc2U" },
    failure: invalid("page_token"),
  },
  "WorkflowService/DeleteWorkflowTypePolicy": {
    good: { workflow_type: "sample", expected_revision: 1, ...by },
    answer: { policy: { workflow_type: "sample", revision: "1" } },
    bad: { workflow_type: "sample", expected_revision: 7, ...by },
    failure: {
      code: "ABORTED",
      reason: "POLICY_REVISION_MISMATCH",
      metadata: { workflow_type: "sample", expected: "7", current: "1" },
    },
  },
  "WorkflowService/ListWorkflowEvents": {
    good: { workflow_id: "active" },
    answer: { events: [{ version: "1" }, { version: "2" }, { version: "3" }, { version: "4" }], next_page_token: "" },
    bad: { workflow_id: "active", page_token: "bm9uc2Vuc2U" },
    failure: invalid("page_token"),
  },
  "WorkflowService/GetServerInfo": {
    good: {},
    answer: { services: expect.arrayContaining(["concord.workflow.v1.WorkflowService"]), limits: { workflows: "1000000" } },
    bad: Buffer.from([0x0a]),
    failure: invalid(""),
  },
  "ServerStatus/GetServerStatus": {
    good: {},
    answer: {
      services: expect.arrayContaining([
        expect.objectContaining({ name: "concord.commit.v1.TwoPhaseCommit", serving: true, reason: "" }),
      ]),
      coordinator: { coordinator_id: expect.stringMatching(/^[0-9a-f-]{36}$/), coordinator_epoch: "1" },
    },
    bad: Buffer.from([0x0a]),
    failure: invalid(""),
  },
  "WorkflowService/ListSinks": {
    good: {},
    answer: { sinks: [{ name: "hook", kind: "SINK_KIND_WEBHOOK", state: "SINK_STATE_PAUSED", cursor: "0", dead_letters: 3 }] },
    bad: Buffer.from([0x0a]),
    failure: invalid(""),
  },
  "WorkflowService/ListDeadLetters": {
    good: { sink: "hook", page_size: 1 },
    answer: { dead_letters: [{ sink: "hook", sequence: "1", cause: "HTTP 422", tries: 3, event: { event_id: "e-1" } }] },
    bad: { sink: "nobody" },
    failure: { code: "NOT_FOUND", reason: "SINK_NOT_FOUND", metadata: { sink: "nobody", known: "hook" } },
  },
  "WorkflowService/RetryDeadLetters": {
    good: { sink: "hook", from_sequence: 1, to_sequence: 1, ...by },
    answer: { published: 0, remaining: 3 },
    bad: { sink: "hook", ...by, requested_by: "" },
    failure: invalid("requested_by"),
  },
  "WorkflowService/DiscardDeadLetters": {
    good: { sink: "hook", from_sequence: 2, to_sequence: 3, ...by },
    answer: { discarded: 2, remaining: 1 },
    bad: { sink: "hook", to_sequence: 3, ...by },
    failure: invalid("from_sequence"),
  },
  "WorkflowService/ResetSink": {
    good: { sink: "hook", position: "SINK_POSITION_OLDEST_AVAILABLE", ...by },
    answer: { cursor_before: "0", cursor: "0" },
    bad: { sink: "hook", after_sequence: 1_000_000, ...by },
    failure: invalid("after_sequence"),
  },
  "WorkflowService/PauseSink": {
    good: { sink: "hook", ...by },
    answer: { cursor: "0" },
    bad: { sink: "nobody", ...by },
    failure: { code: "NOT_FOUND", reason: "SINK_NOT_FOUND" },
  },
  "WorkflowService/ResumeSink": {
    good: { sink: "hook", ...by },
    answer: { cursor: "0" },
    bad: { sink: "hook", ...by, reason: "" },
    failure: invalid("reason"),
  },
  "WorkflowService/GetSystemStats": {
    good: {},
    answer: { in_transition: "0", recoveries_in_progress: "0", workflow_limit: "1000000" },
    bad: Buffer.from([0x0a]),
    failure: invalid(""),
  },
  "PredicateLogic/ValidateTransition": {
    good: { check },
    answer: {
      verdict: {
        judgement: "JUDGEMENT_RULE_DENIED",
        rule_set_revision: "1",
        violations: [{ rule_id: "cold", rule_version: 1, evaluation_failed: false }],
      },
    },
    bad: {},
    failure: invalid("check"),
  },
  "PredicateLogic/BatchValidateTransitions": {
    good: {
      checks: [
        { ...check, target_state: "WORKFLOW_STATE_PAUSED" },
        { ...check, target_state: ACTIVE },
      ],
    },
    answer: { verdicts: [{ judgement: "JUDGEMENT_ALLOWED" }, { judgement: "JUDGEMENT_INVALID_TRANSITION" }] },
    bad: { checks: [check, { ...check, target_state: 0 }] },
    failure: invalid("checks[1].target_state"),
  },
  "PredicateLogic/ExplainTransition": {
    good: { check, rule_ids: ["cold"], min_revision: 1 },
    answer: {
      verdict: { judgement: "JUDGEMENT_RULE_DENIED", rule_set_revision: "1" },
      rules: [
        {
          rule_id: "cold",
          rule_version: 1,
          condition: null,
          expression: {
            source: cold.expression,
            outcome: { outcome: "value", value: { type: "bool", text: "false" } },
            inputs: [{ path: "workflow.metadata.celsius", value: "9.5", absent: false }],
          },
          message: { outcome: { value: { type: "string", text: '"too warm: 9.5"' } } },
        },
      ],
      omitted: 0,
    },
    bad: { check, rule_ids: ["draft"] },
    failure: { code: "NOT_FOUND", reason: "RULE_NOT_FOUND", metadata: { rule_id: "draft" } },
  },
  "PredicateLogic/ListAllowedTransitions": {
    good: { workflow: check.workflow, ...by },
    answer: {
      moves: [
        { target_state: "WORKFLOW_STATE_PAUSED", verdict: { judgement: "JUDGEMENT_ALLOWED" } },
        {
          target_state: COMPLETED,
          verdict: { judgement: "JUDGEMENT_RULE_DENIED", violations: [{ rule_id: "cold", message: "too warm: 9.5" }] },
        },
        { target_state: "WORKFLOW_STATE_FAILED", verdict: { judgement: "JUDGEMENT_ALLOWED" } },
        { target_state: "WORKFLOW_STATE_CANCELLED", verdict: { judgement: "JUDGEMENT_ALLOWED" } },
      ],
      rule_set_revision: "1",
    },
    bad: { workflow: check.workflow, min_revision: 99 },
    failure: { code: "FAILED_PRECONDITION", reason: "REVISION_NOT_REACHED", metadata: { min_revision: "99", newest: "1" } },
  },
  "PredicateLogic/AssessImpact": {
    good: { deactivate_rule_id: "cold", checks: [{ ...check, target_state: "WORKFLOW_STATE_PAUSED" }, check] },
    answer: {
      rule_set_revision: "1",
      differences: [
        {
          check_index: 1,
          kind: "IMPACT_KIND_NEWLY_ALLOWED",
          before: { judgement: "JUDGEMENT_RULE_DENIED", rule_set_revision: "1" },
          after: { judgement: "JUDGEMENT_ALLOWED", rule_set_revision: "2" },
        },
      ],
    },
    bad: { activate: { rule_id: "nothing" }, checks: [check] },
    failure: { code: "NOT_FOUND", reason: "RULE_NOT_FOUND", metadata: { rule_id: "nothing" } },
  },
  "PredicateLogic/LintRuleSet": {
    good: {},
    answer: { diagnostics: [], omitted: 0, rule_set_revision: "1" },
    bad: Buffer.from([0x0a]),
    failure: invalid(""),
  },
  "PredicateLogic/CreateRule": {
    good: { ...cold, rule_id: "second", priority: 7, ...by },
    answer: { rule: { rule_id: "second", version: 1, state: "RULE_STATE_DRAFT", priority: 7, ...by } },
    bad: { rule_id: "broken", expression: "workflow.state ==", ...by },
    failure: {
      code: "INVALID_ARGUMENT",
      reason: "RULE_INVALID",
      fields: ["expression"],
      metadata: { rule_id: "broken", line: "1", column: "18" },
    },
  },
  "PredicateLogic/GetRule": {
    good: { rule_id: "cold" },
    answer: { rule: { ...cold, state: "RULE_STATE_ACTIVE" } },
    bad: { rule_id: "nothing" },
    failure: { code: "NOT_FOUND", reason: "RULE_NOT_FOUND", metadata: { rule_id: "nothing" } },
  },
  "PredicateLogic/ListRules": {
    good: { filter: 'rule.state == "ACTIVE"' },
    answer: { rules: [{ rule_id: "cold" }], next_page_token: "", rule_set_revision: "1" },
    bad: { page_size: -1 },
    failure: invalid("page_size"),
  },
  "PredicateLogic/ActivateRule": {
    good: { rule_id: "cold", ...by },
    answer: { rule: { state: "RULE_STATE_ACTIVE" }, rule_set_revision: "1" },
    bad: { rule_id: "nothing", ...by },
    failure: { code: "NOT_FOUND", reason: "RULE_NOT_FOUND" },
  },
  "PredicateLogic/UpdateRule": {
    good: { ...cold, rule_id: "draft", expression: "1 == 1", expected_version: 1, ...by },
    answer: { rule: { rule_id: "draft", version: 2, latest_version: 2, active_version: 0, state: "RULE_STATE_DRAFT" } },
    bad: { ...cold, expected_version: 7, ...by },
    failure: {
      code: "ABORTED",
      reason: "RULE_VERSION_MISMATCH",
      metadata: { rule_id: "cold", expected: "7", current: "1" },
    },
  },
  "PredicateLogic/ListRuleVersions": {
    good: { rule_id: "draft" },
    answer: { rules: [{ version: 2 }, { version: 1 }], next_page_token: "" },
    bad: { rule_id: "nothing" },
    failure: { code: "NOT_FOUND", reason: "RULE_NOT_FOUND" },
  },
  "PredicateLogic/CheckRule": {
    good: { rule: { rule_id: "new", expression: "workflow.stat == 1" } },
    answer: { diagnostics: [{ severity: "DIAGNOSTIC_SEVERITY_ERROR", field: "expression", line: 1, column: 10 }] },
    bad: {},
    failure: invalid("rule"),
  },
  "PredicateLogic/ShadowRule": {
    good: { rule_id: "draft", version: 1, ...by },
    answer: { rule: { version: 1, shadow_version: 1, state: "RULE_STATE_SHADOW" }, rule_set_revision: "2" },
    bad: { rule_id: "cold", version: 1, ...by },
    failure: { code: "FAILED_PRECONDITION", reason: "RULE_STATE", metadata: { rule_id: "cold", state: "ACTIVE" } },
  },
  "PredicateLogic/DeleteRule": {
    good: { rule_id: "second", ...by },
    answer: {},
    bad: { rule_id: "cold", ...by },
    failure: { code: "FAILED_PRECONDITION", reason: "RULE_STATE", metadata: { rule_id: "cold", state: "ACTIVE" } },
  },
  "PredicateLogic/SetRuleSetItem": {
    good: { workflow_type: { name: "sample", metadata_schema: struct({ properties: { celsius: { type: "number" } } }) }, ...by },
    answer: { item: { item: "workflow_type", workflow_type: { name: "sample", version: 1 } }, rule_set_revision: "3" },
    bad: { fact: { name: "broken", expression: "workflow.stat" }, ...by },
    failure: { code: "INVALID_ARGUMENT", reason: "RULE_INVALID", fields: ["expression"], metadata: { name: "broken" } },
  },
  "PredicateLogic/ValidateMetadata": {
    good: { workflow_type: "sample", metadata: struct({ celsius: "warm" }) },
    answer: { violations: [{ path: "metadata.celsius" }], rule_set_revision: "3" },
    bad: { workflow_type: "sample", min_revision: 99 },
    failure: { code: "FAILED_PRECONDITION", reason: "REVISION_NOT_REACHED", metadata: { min_revision: "99", newest: "3" } },
  },
  "PredicateLogic/DeleteRuleSetItem": {
    good: { kind: "RULE_SET_ITEM_KIND_WORKFLOW_TYPE", name: "sample", ...by },
    answer: { rule_set_revision: "4" },
    bad: { kind: "RULE_SET_ITEM_KIND_FACT", name: "nothing", ...by },
    failure: { code: "NOT_FOUND", reason: "RULE_SET_ITEM_NOT_FOUND", metadata: { kind: "FACT", name: "nothing" } },
  },
  "PredicateLogic/ApplyRuleSet": {
    good: { rules: [{ ...cold, moves: [{ to_state: "WORKFLOW_STATE_COMPLETED" }] }], dry_run: true, ...by },
    answer: {
      change: {
        sequence: "0",
        kind: "RULE_SET_CHANGE_KIND_APPLIED",
        differences: [{ kind: "RULE_SET_ITEM_KIND_RULE", name: "draft", after: null }],
      },
    },
    bad: { expected_revision: 99, ...by },
    failure: { code: "ABORTED", reason: "RULE_VERSION_MISMATCH", metadata: { expected: "99", current: "4" } },
  },
  "PredicateLogic/RollbackRuleSet": {
    good: { revision: 1, ...by },
    answer: { change: { kind: "RULE_SET_CHANGE_KIND_ROLLED_BACK", rule_set_revision: "5", ...by } },
    bad: { revision: 99, ...by },
    failure: { code: "NOT_FOUND", reason: "REVISION_NOT_FOUND", metadata: { revision: "99", newest: "4" } },
  },
  "PredicateLogic/GetRuleSet": {
    good: { revision: 1 },
    answer: { items: [{ item: "rule", rule: { rule_id: "cold", version: 1 } }], rule_set_revision: "1", next_page_token: "" },
    bad: { revision: 99 },
    failure: { code: "NOT_FOUND", reason: "REVISION_NOT_FOUND" },
  },
  "PredicateLogic/ListRuleSetChanges": {
    good: { name: "cold" },
    answer: { changes: [{ kind: "RULE_SET_CHANGE_KIND_RULE_ACTIVATED" }, { kind: "RULE_SET_CHANGE_KIND_RULE_CREATED" }] },
    bad: { page_token: "bm9uc2Vuc2U" },
    failure: invalid("page_token"),
  },
  "PredicateLogic/ListVerdicts": {
    good: { workflow_id: "nobody", rule_id: "cold", filter: 'verdict.judgement == "RULE_DENIED"' },
    answer: { verdicts: [], next_page_token: "" },
    bad: { filter: "verdict.judgement = 1" },
    failure: invalid("filter"),
  },
  "PredicateLogic/DeactivateRule": {
    good: { rule_id: "cold", ...by },
    answer: { rule: { state: "RULE_STATE_INACTIVE" }, rule_set_revision: "6" },
    bad: { rule_id: "unused", ...by },
    failure: { code: "FAILED_PRECONDITION", reason: "RULE_STATE", metadata: { rule_id: "unused", state: "DRAFT" } },
  },
  "PredicateLogic/DeprecateRule": {
    good: { rule_id: "cold", ...by },
    answer: { rule: { state: "RULE_STATE_DEPRECATED" } },
    bad: { rule_id: "nothing", ...by },
    failure: { code: "NOT_FOUND", reason: "RULE_NOT_FOUND" },
  },
  "TwoPhaseCommit/ExecuteTransaction": {
    good: { participants: [{ participant_id: "inventory", payload }], ...by },
    answer: {
      transaction: {
        outcome: "OUTCOME_COMMITTED",
        participants: [{ participant_id: "inventory", vote: "VOTE_VALUE_COMMIT" }],
        ...by,
      },
    },
    bad: { participants: [{ participant_id: "inventory" }, { participant_id: "inventory" }], ...by },
    failure: invalid("participants"),
  },
  "TwoPhaseCommit/ListTransactions": {
    good: { filter: 'transaction.outcome == "COMMITTED" && "inventory" in transaction.participants' },
    answer: { transactions: [{ outcome: "OUTCOME_COMMITTED" }], next_page_token: "" },
    bad: { filter: "transaction.phase = 1" },
    failure: invalid("filter"),
  },
  "TwoPhaseCommit/ListParticipants": {
    good: {},
    answer: {
      participants: [
        { participant_id: "concord.workflow", connected: true },
        { participant_id: "inventory", connected: true, session_epoch: "1", instance_id: "i-inventory" },
      ],
    },
    bad: { page_token: "bm9uc2Vuc2U" },
    failure: invalid("page_token"),
  },
};

/** These have tests of their own below. */
const others: readonly RpcName[] = [
  "WorkflowService/WatchWorkflowEvents",
  // In purge.test.ts.
  "WorkflowService/ExportWorkflows",
  // In bulk.test.ts.
  "WorkflowService/GetBulkOperation",
  "WorkflowService/ListBulkOperationResults",
  "WorkflowService/PauseBulkOperation",
  "WorkflowService/ResumeBulkOperation",
  "WorkflowService/CancelBulkOperation",
  "PredicateLogic/StreamValidateTransitions",
  // In rule-life.test.ts.
  "PredicateLogic/WatchRuleSet",
  // In verdict-log.test.ts.
  "PredicateLogic/ReplayVerdicts",
  "TwoPhaseCommit/Participate",
  "TwoPhaseCommit/GetTransaction",
  "TwoPhaseCommit/WatchTransaction",
  // In commit-verbs.test.ts.
  "TwoPhaseCommit/BeginTransaction",
  "TwoPhaseCommit/EnlistParticipant",
  "TwoPhaseCommit/CommitTransaction",
  "TwoPhaseCommit/AbortTransaction",
  "TwoPhaseCommit/RetryTransaction",
  "TwoPhaseCommit/ResolveTransaction",
  "TwoPhaseCommit/ForgetTransaction",
  "TwoPhaseCommit/ForgetParticipant",
  "TwoPhaseCommit/WatchTransactions",
];

test("no RPC of the .proto files is left out here", () => {
  expect([...Object.keys(unary), ...others].toSorted()).toEqual(everyRpc().toSorted());
});

describe.each(Object.entries(unary) as readonly (readonly [RpcName, Sample])[])("%s", (rpc, { good, answer, bad, failure }) => {
  test("fails with the code, reason and details of the contract", async () => {
    const answered = bad instanceof Buffer ? await client.failureOfBytes(rpc, bad) : await client.failure(rpc, bad);
    expect(answered).toMatchObject(failure);
    expect(answered?.message).not.toBe("");
  });

  test("answers", async () => {
    expect(await client.call(rpc, good)).toMatchObject(answer);
  });
});

describe("WorkflowService/WatchWorkflowEvents", () => {
  test("answers", async () => {
    const watch = client.stream("WorkflowService/WatchWorkflowEvents", {
      position: "WATCH_POSITION_OLDEST_AVAILABLE",
      workflow_id: "active",
    });
    expect(await watch.next()).toMatchObject({ body: "progress", progress: { sequence: "0" } });
    expect(await watch.next()).toMatchObject({ body: "event", event: { workflow_id: "active", version: "1" } });
    watch.cancel();
  });

  test("fails: a sequence that is not reached yet", async () => {
    const watch = client.stream("WorkflowService/WatchWorkflowEvents", { after_sequence: 1_000_000 });
    expect(await watch.end()).toMatchObject(invalid("after_sequence"));
  });
});

describe("PredicateLogic/StreamValidateTransitions", () => {
  const rpc = "PredicateLogic/StreamValidateTransitions";

  const paused = { ...check, target_state: "WORKFLOW_STATE_PAUSED" };

  test("answers each question, in their order", async () => {
    const stream = client.converse(rpc);
    stream.send({ checks: [paused, { ...check, target_state: ACTIVE }], question: 7 });
    stream.send({ checks: [{ ...check, target_state: ACTIVE }] });
    expect(await stream.next()).toMatchObject({
      question: "7",
      verdicts: [{ judgement: "JUDGEMENT_ALLOWED" }, { judgement: "JUDGEMENT_INVALID_TRANSITION" }],
    });
    expect(await stream.next()).toMatchObject({ question: "0", verdicts: [{ judgement: "JUDGEMENT_INVALID_TRANSITION" }] });
    stream.endSending();
    expect(await stream.end()).toBeUndefined();
  });

  test("ends with the first question that is wrong; what was asked before it is answered", async () => {
    const stream = client.converse(rpc);
    stream.send({ checks: [paused] });
    stream.send({ checks: [paused, { ...check, target_state: 0 }] });
    stream.send({ checks: [paused], question: 3 });
    expect(await stream.next()).toMatchObject({ question: "0", verdicts: [{ judgement: "JUDGEMENT_ALLOWED" }] });
    expect(await stream.end()).toMatchObject(invalid("checks[1].target_state"));
    await expect(stream.next()).rejects.toThrow("has ended");
  });

  test("ends when the server does, also while nothing is asked", async () => {
    const folder = temporaryFolder();
    const leaving = await startServer({ dataDir: folder.path, services: "predicate" });
    const its = createProtoClient(leaving.address);
    const stream = its.converse(rpc);
    stream.send({ checks: [paused] });
    await stream.next();
    const stopped = leaving.stop();
    expect(await stream.end()).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
    await stopped;
    its.close();
    folder.remove();
  });

  test("ends with the first question that cannot be judged: a revision that is not reached", async () => {
    const stream = client.converse(rpc);
    stream.send({ checks: [check], min_revision: 1_000 });
    expect(await stream.end()).toMatchObject({ code: "FAILED_PRECONDITION", reason: "REVISION_NOT_REACHED" });
  });
});

describe("TwoPhaseCommit", () => {
  test("Participate, GetTransaction and WatchTransaction follow one transaction to its end", async () => {
    const left = await joinAs(client, "left");
    const right = await joinAs(client, "right");
    expect(left.welcome).toMatchObject({
      session_epoch: "1",
      coordinator_epoch: "1",
      version: 1,
      session_timeout: { seconds: "15" },
    });
    const parts = ["left", "right"].map((participant_id) => ({ participant_id, payload }));
    const executed = client.call("TwoPhaseCommit/ExecuteTransaction", { participants: parts, ...by });
    const prepare = await left.expect("prepare");
    const { transaction_id } = prepare;
    expect(prepare).toMatchObject({ attempt: 1, payload, one_phase: false });
    await right.expect("prepare");

    const watch = client.stream("TwoPhaseCommit/WatchTransaction", { transaction_id });
    expect((await watch.next()).transaction).toMatchObject({
      phase: "TRANSACTION_PHASE_PREPARING",
      outcome: "OUTCOME_UNSPECIFIED",
    });
    left.vote(transaction_id, "VOTE_VALUE_COMMIT");
    right.vote(transaction_id, "VOTE_VALUE_COMMIT");
    expect((await executed).transaction).toMatchObject({
      transaction_id,
      phase: "TRANSACTION_PHASE_COMMITTING",
      outcome: "OUTCOME_COMMITTED",
    });
    expect(await left.expect("decision")).toMatchObject({ transaction_id, outcome: "OUTCOME_COMMITTED", in_reply: false });
    await right.expect("decision");
    left.ack(transaction_id, "OUTCOME_COMMITTED");
    right.ack(transaction_id, "OUTCOME_COMMITTED");

    const phases: string[] = [];
    while (phases.at(-1) !== "TRANSACTION_PHASE_COMPLETED") phases.push((await watch.next()).transaction.phase);
    expect(phases).toContain("TRANSACTION_PHASE_COMMITTING");
    expect(await watch.end()).toBeUndefined();
    const { transaction } = await client.call("TwoPhaseCommit/GetTransaction", { transaction_id });
    const done = { vote: "VOTE_VALUE_COMMIT", done: true, prepares_sent: 1 };
    expect(transaction).toMatchObject({
      phase: "TRANSACTION_PHASE_COMPLETED",
      participants: [
        { participant_id: "left", ...done },
        { participant_id: "right", ...done },
      ],
    });
    left.leave();
    right.leave();
  });

  const unknown = { code: "NOT_FOUND", reason: "TRANSACTION_NOT_FOUND", metadata: { transaction_id: "none" } };

  test("GetTransaction fails: no such transaction", async () => {
    expect(await client.failure("TwoPhaseCommit/GetTransaction", { transaction_id: "none" })).toMatchObject(unknown);
  });

  test("WatchTransaction fails: no such transaction", async () => {
    expect(await client.stream("TwoPhaseCommit/WatchTransaction", { transaction_id: "none" }).end()).toMatchObject(unknown);
  });

  test("an abort is an answer: it names who voted so, and why", async () => {
    const left = await joinAs(client, "left");
    const right = await joinAs(client, "right");
    const executed = client.call("TwoPhaseCommit/ExecuteTransaction", {
      participants: [{ participant_id: "left" }, { participant_id: "right" }],
    });
    left.vote((await left.expect("prepare")).transaction_id, "VOTE_VALUE_ABORT", "out of stock");
    expect((await executed).transaction).toMatchObject({
      outcome: "OUTCOME_ABORTED",
      abort_reason: expect.stringContaining("out of stock"),
      participants: [{ vote: "VOTE_VALUE_ABORT", vote_reason: "out of stock", done: true }, { vote: "VOTE_VALUE_UNSPECIFIED" }],
    });
    left.leave();
    right.leave();
  });

  test("a participant that is not connected aborts at once, by name", async () => {
    const { transaction } = await client.call("TwoPhaseCommit/ExecuteTransaction", {
      participants: [{ participant_id: "ghost" }, { participant_id: "inventory" }],
    });
    expect(transaction).toMatchObject({
      outcome: "OUTCOME_ABORTED",
      phase: "TRANSACTION_PHASE_COMPLETED",
      abort_reason: expect.stringContaining('"ghost"'),
    });
  });

  describe("Participate ends", () => {
    test("when the first message is no Hello", async () => {
      const stream = client.converse("TwoPhaseCommit/Participate");
      stream.send({ sequence: 1, heartbeat: {} });
      expect(await stream.end()).toMatchObject({ code: "FAILED_PRECONDITION", reason: "PROTOCOL_VIOLATION" });
    });

    test("when a second Hello comes", async () => {
      const left = await joinAs(client, "left");
      left.send({ hello: { participant_id: "left", instance_id: "i", version_min: 1, version_max: 1, prepare_credit: 1 } });
      expect(await left.end()).toMatchObject({ code: "FAILED_PRECONDITION", reason: "PROTOCOL_VIOLATION" });
    });

    test("when no protocol version is common", async () => {
      const stream = client.converse("TwoPhaseCommit/Participate");
      stream.send({
        sequence: 1,
        hello: { participant_id: "left", instance_id: "i", version_min: 2, version_max: 3, prepare_credit: 1 },
      });
      expect(await stream.end()).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "PROTOCOL_VERSION",
        metadata: { version_min: "1", version_max: "1" },
      });
    });

    test("when a newer session of the same participant has begun", async () => {
      const older = await joinAs(client, "left");
      const newer = await joinAs(client, "left");
      expect(Number(newer.welcome.session_epoch)).toBe(Number(older.welcome.session_epoch) + 1);
      expect(await older.end()).toMatchObject({
        code: "ABORTED",
        reason: "SESSION_SUPERSEDED",
        metadata: { participant_id: "left", session_epoch: newer.welcome.session_epoch },
      });
      newer.leave();
    });
  });

  test("a message that makes no sense is answered with Nack, and the session goes on", async () => {
    const left = await joinAs(client, "left");
    left.vote("", "VOTE_VALUE_COMMIT");
    expect(await left.expect("nack")).toMatchObject({ reason: expect.stringContaining("vote.transaction_id") });
    // Field 99 of the oneof: a kind of message from the future.
    left.sendBytes(Uint8Array.of(0x08, 0x03, 0x9a, 0x06, 0x00));
    await left.expect("nack");
    left.sendBytes(Uint8Array.of(0x0a));
    expect(await left.expect("nack")).toMatchObject({ reason: "not a well-formed concord.commit.v1.ParticipateRequest" });
    left.send({ inquiry: { transaction_id: "none", coordinator_id: "another" } });
    expect(await left.expect("nack")).toMatchObject({ reason: 'the promise belongs to coordinator "another"' });
    left.send({ inquiry: { transaction_id: "none", coordinator_id: left.welcome.coordinator_id } });
    expect(await left.expect("decision")).toMatchObject({ transaction_id: "none", outcome: "OUTCOME_ABORTED", in_reply: true });
    left.leave();
  });
});

test("WORKFLOW_LIMIT_REACHED: --max-workflows is a limit, and names itself", async () => {
  const folder = temporaryFolder();
  const small = await startServer({ dataDir: folder.path, services: "workflow,predicate,commit", maxWorkflows: 1 });
  const its = createProtoClient(small.address);
  try {
    await its.call("WorkflowService/CreateWorkflow", {});
    const failure = await its.failure("WorkflowService/CreateWorkflow", {});
    expect(failure).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "WORKFLOW_LIMIT_REACHED", metadata: { limit: "1" } });
  } finally {
    its.close();
    await small.stop();
    folder.remove();
  }
});
