import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { registry } from "../../src/rpc/descriptors.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, type RpcName } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

// Deadlines and recovery as callers see them, with real clocks: what happens, and not how soon.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

async function start(): Promise<void> {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
}

async function stop(): Promise<void> {
  client.close();
  await server.stop();
}

beforeAll(start);

afterAll(async () => {
  await stop();
  data.remove();
});

const by = { reason: "a test", requested_by: "ada" };
const state = (name: string): string => `WORKFLOW_STATE_${name}`;
const within = (ms: number, target: string, reason = "too slow") => ({
  after: { seconds: Math.floor(ms / 1_000), nanos: (ms % 1_000) * 1_000_000 },
  target_state: state(target),
  reason,
});

const create = (workflow_id: string, fields: Message = {}) =>
  client.call("WorkflowService/CreateWorkflow", { workflow_id, ...by, ...fields });
const move = (workflow_id: string, target: string, fields: Message = {}) =>
  client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: state(target), ...by, ...fields });
const get = async (workflow_id: string): Promise<Message> =>
  (await client.call("WorkflowService/GetWorkflow", { workflow_id })).workflow;
const events = async (workflow_id: string): Promise<readonly Message[]> =>
  (await client.call("WorkflowService/ListWorkflowEvents", { workflow_id })).events;

const comesTo = (workflow_id: string, name: string) =>
  until(async () => (await get(workflow_id))["state"] === state(name), `${workflow_id} is ${name}`);

test("a deadline passes by itself: there is nobody who looks for workflows that are stuck", async () => {
  const { workflow, event } = await create("stuck", { initial_state: state("ACTIVE"), deadline: within(50, "FAILED") });
  expect(workflow.deadline).toMatchObject({ target_state: state("FAILED"), reason: "too slow", set_by: "ada" });
  expect(event.deadline).toEqual(workflow.deadline);
  await comesTo("stuck", "FAILED");
  expect((await events("stuck")).at(-1)).toMatchObject({
    ...{ type: "WORKFLOW_EVENT_TYPE_FAILED", reason: "too slow", requested_by: "system:deadline" },
    ...{ from_state: state("ACTIVE"), deadline: null },
  });
  expect((await get("stuck"))["deadline"]).toBeNull();
});

test("one that falls due while the server is down is made when it is back, once", async () => {
  await create("asleep", { deadline: within(600_000, "ACTIVE") });
  await stop();
  // As if the clock had gone on: the deadline is brought forward in a process that does not look after it.
  const { openSqliteWorkflowStore } = await import("../../src/storage/sqlite/workflow-store.ts");
  const opened = await openSqliteWorkflowStore({ path: `${data.path}/workflow.sqlite` });
  if (!opened.ok) throw new Error(opened.error.message);
  const workflow = await opened.value.get("asleep" as never);
  if (workflow?.deadline === undefined) throw new Error("it has no deadline");
  const due = { ...workflow, deadline: { ...workflow.deadline, atMs: Date.now() - 60_000 } };
  await opened.value.apply({ puts: [{ workflow: due, expected: { version: 1, heldBy: undefined } }], events: [] });
  await opened.value.close();
  await start();
  await comesTo("asleep", "ACTIVE");
  expect((await events("asleep")).map(({ requested_by }) => requested_by)).toEqual(["ada", "system:deadline"]);
});

test("a deadline is seen, found, changed and cancelled", async () => {
  await create("watched", { initial_state: state("ACTIVE"), deadline: within(3_600_000, "FAILED") });
  const list = async (filter: string) =>
    (await client.call("WorkflowService/ListWorkflows", { filter })).workflows.map(({ workflow_id }: Message) => workflow_id);
  expect(await list('workflow.deadline.target_state == "FAILED" && workflow.deadline.set_by == "ada"')).toEqual(["watched"]);
  expect(await list('workflow.deadline.at < timestamp("2020-01-01T00:00:00Z")')).toEqual([]);
  expect(await list('has(workflow.deadline) && workflow.id == "watched"')).toEqual(["watched"]);
  expect(await list('!has(workflow.deadline) && workflow.id == "watched"')).toEqual([]);
  const set = (deadline: Message | undefined, fields: Message = {}) =>
    client.call("WorkflowService/SetWorkflowDeadline", {
      workflow_id: "watched",
      ...(deadline && { deadline }),
      ...by,
      ...fields,
    });
  const { workflow } = await set(within(7_200_000, "CANCELLED"));
  expect(workflow).toMatchObject({ version: "3", deadline: { target_state: state("CANCELLED") } });
  const stale = { workflow_id: "watched", deadline: within(1, "FAILED"), expected_version: 2, ...by };
  expect(await client.failure("WorkflowService/SetWorkflowDeadline", stale)).toMatchObject({ reason: "VERSION_MISMATCH" });
  expect((await set(undefined)).workflow).toMatchObject({ version: "4", deadline: null });
  expect(await client.failure("WorkflowService/SetWorkflowDeadline", { workflow_id: "watched", ...by })).toMatchObject({
    ...{ code: "FAILED_PRECONDITION", reason: "DEADLINE_NOT_SET" },
    metadata: { workflow_id: "watched", state: "ACTIVE" },
  });
  await move("watched", "COMPLETED");
  expect(await client.failure("WorkflowService/SetWorkflowDeadline", { ...stale, expected_version: 5 })).toMatchObject({
    reason: "TERMINAL_STATE",
  });
});

test("a rule sees who moves, and what it denies is dropped with an event that says so", async () => {
  const rule = { rule_id: "by-hand", expression: 'request.requested_by != "system:deadline"', message: "'only by hand'" };
  await client.call("PredicateLogic/CreateRule", { ...rule, moves: [{ to_state: state("PAUSED") }], ...by });
  await client.call("PredicateLogic/ActivateRule", { rule_id: "by-hand", ...by });
  await create("by-hand", { initial_state: state("ACTIVE"), deadline: within(20, "PAUSED") });
  await until(async () => (await get("by-hand"))["deadline"] === null, "the deadline is dropped");
  expect((await events("by-hand")).at(-1)).toMatchObject({
    ...{ type: "WORKFLOW_EVENT_TYPE_DEADLINE_REFUSED", requested_by: "system:deadline", version: "3" },
    reason: "RULE_DENIED: by-hand: only by hand",
  });
  expect((await move("by-hand", "PAUSED")).workflow.state).toBe(state("PAUSED"));
});

describe("a deadline that cannot be is refused, with what could be", () => {
  const past = { at: { seconds: 1_000_000_000 }, target_state: state("ACTIVE"), reason: "r" };
  test.each([
    ["WorkflowService/CreateWorkflow", { deadline: within(1, "FAILED") }, "target_state", "must be one of ACTIVE"],
    ["WorkflowService/CreateWorkflow", { deadline: past }, "at", "in the past"],
    ["WorkflowService/CreateWorkflow", { deadline: { ...past, at: { seconds: 9_000_000_000 } } }, "at", "ten years"],
    [
      "WorkflowService/TransitionWorkflow",
      { target_state: state("CANCELLED"), deadline: within(1, "ACTIVE") },
      "target_state",
      "no move",
    ],
    ["WorkflowService/RecoverWorkflow", { deadline: within(1, "ACTIVE") }, "target_state", "must be one of PAUSED"],
  ])("%s %j", async (rpc, fields, field, words) => {
    const failure = await client.failure(rpc as RpcName, { workflow_id: "nothing", ...by, ...fields });
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: [`deadline.${field}`] });
    expect(failure.message).toContain(words);
  });
});

const mutations = ["WorkflowService", "PredicateLogic", "TwoPhaseCommit"].flatMap((service) => {
  const name = service === "WorkflowService" ? "workflow" : service === "PredicateLogic" ? "predicate" : "commit";
  const methods = registry.getService(`concord.${name}.v1.${service}`)?.methods ?? [];
  const isMutation = ({ input, methodKind }: (typeof methods)[number]): boolean =>
    methodKind === "unary" && input.fields.some((field) => field.name === "request_id");
  return methods.filter(isMutation).map((method) => `${service}/${method.name}` as RpcName);
});

test.each(mutations)("%s: nobody calls itself the server", async (rpc) => {
  const failure = await client.failure(rpc, { reason: "r", requested_by: "system:deadline" });
  expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST" });
  expect(failure.fields).toContain("requested_by");
});

test("a question may be asked in the name of the server", async () => {
  await create("asked");
  const question = { workflow_id: "asked", requested_by: "system:deadline" };
  expect((await client.call("WorkflowService/ListAllowedTransitions", question)).transitions).toHaveLength(1);
});

test("the policy of a type gives deadlines, and says how often and how soon is recovered", async () => {
  const recovery = { max_attempts: 1, initial_backoff: { seconds: 3_600 } };
  const setPolicy = (terms: Message) =>
    client.call("WorkflowService/SetWorkflowTypePolicy", { workflow_type: "analysis", terms, ...by });
  await setPolicy({ deadlines: [{ state: state("ACTIVE"), ...within(40, "FAILED") }], recovery });
  await create("a-1", { type: "analysis" });
  expect((await get("a-1"))["deadline"]).toBeNull();
  expect((await move("a-1", "ACTIVE")).workflow.deadline).toMatchObject({ set_by: "system:policy" });
  await comesTo("a-1", "FAILED");
  const recover = { workflow_id: "a-1", ...by };
  const { recoverable_at } = await get("a-1");
  expect(await client.failure("WorkflowService/RecoverWorkflow", recover)).toMatchObject({
    ...{ code: "FAILED_PRECONDITION", reason: "RECOVERY_TOO_EARLY" },
    metadata: {
      workflow_id: "a-1",
      recoverable_at: new Date(Number(recoverable_at.seconds) * 1_000 + recoverable_at.nanos / 1e6).toISOString(),
    },
  });
  const { transitions } = await client.call("WorkflowService/ListAllowedTransitions", { workflow_id: "a-1" });
  expect(transitions).toMatchObject([
    { target_state: state("ACTIVE"), allowed: false, refusal: "RECOVERY_TOO_EARLY" },
    { target_state: state("CANCELLED"), allowed: true, refusal: "" },
  ]);
  // What is under way keeps its time. What fails from now on is under what the policy says now.
  await setPolicy({ recovery: { max_attempts: 1 } });
  expect(await client.failure("WorkflowService/RecoverWorkflow", recover)).toMatchObject({ reason: "RECOVERY_TOO_EARLY" });
  await create("a-2", { type: "analysis", initial_state: state("ACTIVE") });
  await move("a-2", "FAILED");
  const again = { ...recover, workflow_id: "a-2" };
  expect((await client.call("WorkflowService/RecoverWorkflow", again)).event).toMatchObject({
    ...{ type: "WORKFLOW_EVENT_TYPE_RECOVERED", retry_count: 1 },
  });
  await move("a-2", "FAILED");
  expect(await client.failure("WorkflowService/TransitionWorkflow", { ...again, target_state: state("ACTIVE") })).toMatchObject({
    ...{ code: "FAILED_PRECONDITION", reason: "RECOVERIES_EXHAUSTED" },
    metadata: { workflow_id: "a-2", retry_count: "1", max_attempts: "1" },
  });
});

test("rules read when a workflow may be recovered", async () => {
  const question = {
    rule_ids: [],
    check: {
      workflow: { workflow_id: "w", state: state("FAILED"), version: 3, recoverable_at: { seconds: 1_800_000_000 } },
      target_state: state("ACTIVE"),
      at: { seconds: 1_800_000_060 },
    },
  };
  const rule = { rule_id: "patient", expression: 'now - workflow.recoverable_at >= duration("1m")' };
  await client.call("PredicateLogic/CreateRule", { ...rule, moves: [{ to_state: state("ACTIVE") }], ...by });
  await client.call("PredicateLogic/ActivateRule", { rule_id: "patient", ...by });
  const verdictAt = async (seconds: number) => {
    const check = { ...question.check, at: { seconds } };
    return (await client.call("PredicateLogic/ValidateTransition", { check })).verdict.judgement;
  };
  expect(await verdictAt(1_800_000_060)).toBe("JUDGEMENT_ALLOWED");
  expect(await verdictAt(1_800_000_059)).toBe("JUDGEMENT_RULE_DENIED");
});

test("a policy whose deadlines lead round for ever is refused, unless that is slow or comes to an end", async () => {
  const rpc = "WorkflowService/SetWorkflowTypePolicy";
  const round = (ms: number, other: string) => [
    { state: state("ACTIVE"), ...within(ms, other) },
    { state: state(other), ...within(ms, "ACTIVE") },
  ];
  const policyOf = (terms: Message) => ({ workflow_type: "round", terms, ...by });
  for (const other of ["PAUSED", "FAILED"]) {
    const failure = await client.failure(rpc, policyOf({ deadlines: round(1, other) }));
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST" });
    expect(failure.fields).toEqual(["terms.deadlines[0].after"]);
    expect(failure.message).toContain(`ACTIVE → ${other} → ACTIVE`);
    await client.call(rpc, policyOf({ deadlines: round(30_000, other) }));
  }
  await client.call(rpc, policyOf({ deadlines: round(1, "FAILED"), recovery: { max_attempts: 3 } }));
});
