import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Judgement } from "../../src/gen/concord/predicate/v1/verdict.ts";
import { invalidField } from "../../src/rpc/errors.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { failWith, startFakePredicateLogic } from "../support/fake-predicate-logic.ts";
import { createProtoClient, type Message, type ProtoClient, struct } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

// Approvals and results are durable facts: changes of metadata that are versioned, recorded, judged, and seen by the rules of later moves.

const state = (name: string): string => `WORKFLOW_STATE_${name}`;
const UPDATE = "RULE_OPERATION_UPDATE";
const by = { reason: "a test", requested_by: "ada" };
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

const schema = {
  properties: { celsius: { type: "number" }, approvals: { type: "object" }, note: { type: "string" } },
  additionalProperties: false,
};

/** The approver is somebody else than who has reported what is approved; and who approves says so himself. */
const fourEyes = {
  rule_id: "four-eyes",
  operations: [UPDATE],
  workflow_types: ["sample"],
  condition: "has(proposed.metadata.approvals) && proposed.metadata.?approvals != workflow.metadata.?approvals",
  expression: "request.requested_by != workflow.created_by && request.requested_by in proposed.metadata.approvals",
  message: "'somebody else must approve than ' + workflow.created_by",
};

const approved = {
  rule_id: "approved",
  workflow_types: ["sample"],
  moves: [{ to_state: state("COMPLETED") }],
  expression: "has(workflow.metadata.approvals) && size(workflow.metadata.approvals) > 0",
  message: "'nobody has approved it'",
};

async function activate(rule: Message): Promise<void> {
  await client.call("PredicateLogic/CreateRule", { ...rule, ...by });
  await client.call("PredicateLogic/ActivateRule", { rule_id: rule.rule_id, ...by });
}

beforeAll(async () => {
  server = await startServer({ dataDir: data.path, verdictLog: "all", verdictLogInput: "whole" });
  client = createProtoClient(server.address);
  const sample = { name: "sample", metadata_schema: struct(schema) };
  await client.call("PredicateLogic/SetRuleSetItem", { workflow_type: sample, ...by });
  await activate(fourEyes);
  await activate(approved);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const create = (workflow_id: string, request: Message = {}) =>
  client.call("WorkflowService/CreateWorkflow", { workflow_id, initial_state: state("ACTIVE"), ...by, ...request });
const sample = (workflow_id: string) => create(workflow_id, { type: "sample", metadata: struct({ celsius: 4 }) });
const update = (workflow_id: string, patch: Record<string, unknown>, request: Message = {}) =>
  client.call("WorkflowService/UpdateWorkflowMetadata", { workflow_id, metadata_patch: struct(patch), ...by, ...request });
const refused = (workflow_id: string, patch: Record<string, unknown>, request: Message = {}) =>
  client.failure("WorkflowService/UpdateWorkflowMetadata", { workflow_id, metadata_patch: struct(patch), ...by, ...request });
const get = async (workflow_id: string) => (await client.call("WorkflowService/GetWorkflow", { workflow_id })).workflow;
const move = (workflow_id: string, target: string) => ({ workflow_id, target_state: state(target), ...by });

describe("an update", () => {
  test("is a version and an event, and nothing else of the workflow changes", async () => {
    const { workflow: before } = await create("plain", { metadata: struct({ a: { b: 1, c: 2 }, list: [1, 2], gone: true }) });
    const patch = { a: { b: 3, d: 4 }, list: [3], gone: null, new: "x" };
    const { workflow, event } = await update("plain", patch, { requested_by: "eve", event_metadata: struct({ shift: 2 }) });
    const { version, updated_at, updated_by, metadata, ...rest } = workflow;
    expect(rest).toEqual(Object.fromEntries(Object.keys(rest).map((key) => [key, before[key]])));
    expect([version, updated_by]).toEqual(["3", "eve"]);
    expect(metadata).toMatchObject(struct({ a: { b: 3, c: 2, d: 4 }, list: [3], new: "x" }));
    expect(Object.keys(metadata.fields).toSorted()).toEqual(["a", "list", "new"]);
    expect(event).toMatchObject({
      type: "WORKFLOW_EVENT_TYPE_UPDATED",
      from_state: state("ACTIVE"),
      to_state: state("ACTIVE"),
      version: "3",
      occurred_at: updated_at,
      reason: "a test",
      requested_by: "eve",
      metadata: struct({ shift: 2 }),
      metadata_patch: struct({ a: patch.a, list: patch.list, new: "x" }),
    });
    expect(event.metadata_patch.fields.gone).toMatchObject({ nullValue: "NULL_VALUE" });
    expect(await get("plain")).toEqual(workflow);
    const { events } = await client.call("WorkflowService/ListWorkflowEvents", { workflow_id: "plain" });
    expect(events.map(({ type }: Message) => type)).toEqual(
      ["CREATED", "TRANSITION", "UPDATED"].map((type) => `WORKFLOW_EVENT_TYPE_${type}`),
    );
  });

  test("may be made before the workflow is started, and in each state that is not terminal", async () => {
    await client.call("WorkflowService/CreateWorkflow", { workflow_id: "states" });
    const steps = ["", "ACTIVE", "PAUSED", "ACTIVE", "FAILED"];
    for (const [index, step] of steps.entries()) {
      if (step !== "") await client.call("WorkflowService/TransitionWorkflow", move("states", step));
      const { workflow } = await update("states", { seen: index });
      expect(workflow).toMatchObject({ state: state(step || "CREATED"), version: String(2 * index + 2) });
    }
    await client.call("WorkflowService/TransitionWorkflow", move("states", "CANCELLED"));
    expect(await refused("states", { seen: 9 })).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "TERMINAL_STATE",
      metadata: { state: "CANCELLED" },
    });
  });

  test("that leaves the metadata as it was is a fact, too", async () => {
    await create("same", { metadata: struct({ a: 1 }) });
    expect(await update("same", { a: 1 })).toMatchObject({ workflow: { version: "3", metadata: struct({ a: 1 }) } });
  });

  test("of one version wins, and the other is told; without a version both are applied", async () => {
    await create("race");
    const both = [update("race", { a: 1 }, { expected_version: 2 }), update("race", { b: 1 }, { expected_version: 2 })];
    const ended = await Promise.allSettled(both);
    expect(ended.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await refused("race", { c: 1 }, { expected_version: 2 })).toMatchObject({
      reason: "VERSION_MISMATCH",
      metadata: { current_version: "3" },
    });
    await Promise.all(Array.from({ length: 10 }, (_, index) => update("race", { [`k${index}`]: index })));
    const { metadata, version } = await get("race");
    expect(Object.keys(metadata.fields).filter((key) => key.startsWith("k"))).toHaveLength(10);
    expect(version).toBe("13");
  });

  test("is found by the filters of events, and told to watches", async () => {
    await create("told");
    const filter = 'event.type == "UPDATED" && event.metadata_patch.approved == true';
    const watch = client.stream("WorkflowService/WatchWorkflowEvents", { workflow_id: "told", filter });
    await watch.next();
    const { event } = await update("told", { approved: true });
    expect((await watch.next()).event).toEqual(event);
    watch.cancel();
    const { events } = await client.call("WorkflowService/ListWorkflowEvents", { workflow_id: "told", filter });
    expect(events).toEqual([event]);
  });

  test("of a workflow that a transaction holds is refused", async () => {
    await create("held");
    const silent = await joinAs(client, "silent");
    const together = { ...move("held", "PAUSED"), enlist: [{ participant_id: "silent" }], timeout: { seconds: 30 } };
    const moved = client.call("WorkflowService/TransitionWorkflow", together);
    const { transaction_id } = await silent.expect("prepare");
    await until(async () => (await get("held")).in_transition !== null, "the workflow is held");
    expect(await refused("held", { a: 1 })).toMatchObject({ reason: "IN_TRANSITION", metadata: { transaction_id } });
    silent.vote(transaction_id, "VOTE_VALUE_COMMIT");
    await silent.expect("decision");
    silent.ack(transaction_id, "OUTCOME_COMMITTED");
    await moved;
    silent.leave();
  });
});

describe("what is checked", () => {
  test.each([
    ["no patch", { metadata_patch: null }, "metadata_patch"],
    ["an empty patch", { metadata_patch: struct({}) }, "metadata_patch"],
    ["no reason", { reason: "" }, "reason"],
    ["nobody who asks", { requested_by: "" }, "requested_by"],
    ["version 0", { expected_version: 0 }, "expected_version"],
  ])("%s", async (_, request, field) => {
    expect(await refused("plain", { a: 1 }, request)).toMatchObject({ reason: "INVALID_REQUEST", fields: [field] });
  });

  test("there is such a workflow", async () => {
    expect(await refused("nobody", { a: 1 })).toMatchObject({ reason: "WORKFLOW_NOT_FOUND" });
  });

  test.each([
    ["bytes", { text: "x".repeat(60_000) }, { more: "x".repeat(60_000) }, /has 1200\d\d bytes as JSON; at most 65536/],
    [
      "values",
      { list: Array.from({ length: 4_000 }, () => 1) },
      { more: Array.from({ length: 4_000 }, () => 1) },
      /has 8002 values; at most 5000/,
    ],
  ])("the metadata after it is not too large: %s", async (what, metadata, patch, message) => {
    const id = `large-${what}`;
    await create(id, { metadata: struct(metadata) });
    const failure = await refused(id, patch);
    expect(failure).toMatchObject({ reason: "INVALID_REQUEST", fields: ["metadata_patch"] });
    expect(failure.message).toMatch(message);
    expect(await get(id)).toMatchObject({ version: "2" });
  });

  test("it meets the schema of the type, whole: each violation has its path", async () => {
    await sample("schema");
    const failure = await refused("schema", { celsius: "warm", sight: 1 });
    expect(failure).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "METADATA_INVALID",
      metadata: { workflow_type: "sample" },
    });
    expect(failure.fields.toSorted()).toEqual(["metadata.celsius", "metadata.sight"]);
    expect(await get("schema")).toMatchObject({ version: "2" });
  });

  test("the schema comes before the rules, and both are of one revision", async () => {
    await sample("order");
    expect(await refused("order", { approvals: 1 })).toMatchObject({ reason: "METADATA_INVALID" });
    const denied = await refused("order", { approvals: { ada: true } });
    expect(denied).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "RULE_DENIED",
      preconditions: [{ type: "RULE", subject: "four-eyes", description: "somebody else must approve than ada" }],
    });
  });
});

test("an approval by somebody else is a durable fact that lets the work be completed", async () => {
  await sample("approval");
  const complete = move("approval", "COMPLETED");
  expect(await client.failure("WorkflowService/TransitionWorkflow", complete)).toMatchObject({
    preconditions: [{ subject: "approved" }],
  });
  expect(await refused("approval", { approvals: { eve: true } })).toMatchObject({ reason: "RULE_DENIED" });
  await update("approval", { approvals: { eve: true } }, { requested_by: "eve" });
  expect(await client.call("WorkflowService/TransitionWorkflow", complete)).toMatchObject({
    workflow: { state: state("COMPLETED"), metadata: struct({ celsius: 4, approvals: { eve: true } }) },
  });
});

describe("rules for updates", () => {
  test("judge no moves, and rules for moves no updates", async () => {
    await sample("apart");
    await update("apart", { note: "warm" });
    await client.call("WorkflowService/TransitionWorkflow", move("apart", "PAUSED"));
  });

  test("see the metadata before and after, the state as both ends, and which operation it is", async () => {
    await activate({
      rule_id: "seen",
      operations: [UPDATE, "RULE_OPERATION_TRANSITION"],
      workflow_types: ["seen"],
      action: "RULE_ACTION_WARN",
      expression: "false",
      message: "operation + ' ' + from + ' ' + to + ' ' + string(workflow.metadata.n) + ' ' + string(proposed.metadata.n)",
    });
    await create("seen", { type: "seen", metadata: struct({ n: 1 }) });
    const { warnings, event } = await update("seen", { n: 2 });
    expect(warnings).toMatchObject([{ rule_id: "seen", message: "UPDATE ACTIVE ACTIVE 1 2" }]);
    expect(event.warnings).toEqual(warnings);
    const { workflow } = await client.call("WorkflowService/TransitionWorkflow", move("seen", "PAUSED"));
    expect(workflow.version).toBe("4");
    const { events } = await client.call("WorkflowService/ListWorkflowEvents", { workflow_id: "seen" });
    expect(events.at(-1).warnings).toMatchObject([{ message: "TRANSITION ACTIVE PAUSED 2 2" }]);
  });

  test("have no moves unless they judge moves, too", async () => {
    const rule = { rule_id: "moves", expression: "true", operations: [UPDATE], moves: [{ to_state: state("COMPLETED") }], ...by };
    expect(await client.failure("PredicateLogic/CreateRule", rule)).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["moves[0]"],
    });
  });

  test("are written with names that exist, of the types that the schema says", async () => {
    const rule = { rule_id: "typed", operations: [UPDATE], workflow_types: ["sample"], ...by };
    const failure = (expression: string) => client.failure("PredicateLogic/CreateRule", { ...rule, expression });
    expect(await failure("proposed.metadata.celsius == 'warm'")).toMatchObject({ reason: "RULE_INVALID" });
    expect(await failure("proposed.meta == 1")).toMatchObject({ reason: "RULE_INVALID" });
    expect(await failure("operation == 'CREATE'")).toMatchObject({ reason: "RULE_INVALID" });
  });

  const check = {
    workflow: {
      workflow_id: "w",
      type: "sample",
      state: state("ACTIVE"),
      version: 2,
      created_by: "ada",
      metadata: struct({ celsius: 4 }),
    },
    target_state: state("ACTIVE"),
    requested_by: "ada",
    proposed_metadata: struct({ celsius: 4, approvals: { ada: true } }),
  };

  test("are asked with ValidateTransition, and explained", async () => {
    const denied = { judgement: "JUDGEMENT_RULE_DENIED", violations: [{ rule_id: "four-eyes" }] };
    expect(await client.call("PredicateLogic/ValidateTransition", { check })).toMatchObject({ verdict: denied });
    const explained = await client.call("PredicateLogic/ExplainTransition", { check });
    expect(explained).toMatchObject({ verdict: denied, rules: [{ rule_id: "four-eyes" }] });
    const inputs = explained.rules[0].expression.inputs.map(({ path }: Message) => path);
    expect(inputs).toContain("workflow.created_by");
    const wrong = { ...check, proposed_metadata: struct({ celsius: "warm" }) };
    expect(await client.call("PredicateLogic/ValidateTransition", { check: wrong })).toMatchObject({
      verdict: { judgement: "JUDGEMENT_METADATA_INVALID", metadata_violations: [{ path: "metadata.celsius" }], violations: [] },
    });
    const ended = { ...check, workflow: { ...check.workflow, state: state("COMPLETED") }, target_state: state("COMPLETED") };
    expect(await client.call("PredicateLogic/ValidateTransition", { check: ended })).toMatchObject({
      verdict: { judgement: "JUDGEMENT_INVALID_TRANSITION" },
    });
  });

  test("an update that moves is no question", async () => {
    const moves = { ...check, target_state: state("PAUSED") };
    expect(await client.failure("PredicateLogic/ValidateTransition", { check: moves })).toMatchObject({
      fields: ["check.target_state"],
    });
  });

  test("have tests that block a change of the rules", async () => {
    const expectation = { judgement: "JUDGEMENT_RULE_DENIED", violations: [{ rule_id: "four-eyes" }] };
    const item = { test: { name: "own approval", check, expect: expectation } };
    await client.call("PredicateLogic/SetRuleSetItem", { ...item, ...by });
    const change = { rule_id: "four-eyes", ...by };
    expect(await client.failure("PredicateLogic/DeactivateRule", change)).toMatchObject({
      reason: "RULE_TESTS_FAILED",
      preconditions: [{ subject: "own approval" }],
    });
    await client.call("PredicateLogic/DeleteRuleSetItem", { kind: "RULE_SET_ITEM_KIND_TEST", name: "own approval", ...by });
  });

  test("their impact is assessed", async () => {
    const impact = await client.call("PredicateLogic/AssessImpact", { deactivate_rule_id: "four-eyes", checks: [check] });
    expect(impact.differences).toMatchObject([{ kind: "IMPACT_KIND_NEWLY_ALLOWED" }]);
  });

  test("their verdicts are written down, and can be judged again", async () => {
    await sample("logged");
    await refused("logged", { approvals: { ada: true } });
    await refused("logged", { celsius: "warm" });
    const wanted = { workflow_id: "logged", filter: "verdict.from == verdict.to" };
    const found = await until(async () => {
      const { verdicts } = await client.call("PredicateLogic/ListVerdicts", wanted);
      return verdicts.length === 2 ? verdicts : undefined;
    }, "both are written down");
    expect(found.map(({ verdict }: Message) => verdict.judgement)).toEqual([
      "JUDGEMENT_METADATA_INVALID",
      "JUDGEMENT_RULE_DENIED",
    ]);
    expect(found[1].input.proposed_metadata).toMatchObject(struct({ celsius: 4, approvals: { ada: true } }));
    const replay = client.stream("PredicateLogic/ReplayVerdicts", { workflow_id: "logged" });
    let last = await replay.next();
    while (last.progress?.complete !== true) last = await replay.next();
    expect(last.progress).toMatchObject({ different: "0", skipped: "0" });
  });
});

describe("an engine that is elsewhere", () => {
  const folder = temporaryFolder();
  let fake: Awaited<ReturnType<typeof startFakePredicateLogic>>;
  let manager: TestServer;
  let its: ProtoClient;

  beforeAll(async () => {
    fake = await startFakePredicateLogic();
    manager = await startServer({ dataDir: folder.path, services: "workflow,commit", predicateAddress: fake.address });
    its = createProtoClient(manager.address);
    await its.call("WorkflowService/CreateWorkflow", { workflow_id: "w" });
  });

  afterAll(async () => {
    its.close();
    await manager.stop();
    fake.stop();
    folder.remove();
  });

  const request = { workflow_id: "w", metadata_patch: struct({ a: 1 }), ...by };

  test("and is older, takes it for a move that there is not: nothing changes, and the failure says why", async () => {
    fake.answer = async (checks) => checks.map(() => ({ judgement: Judgement.INVALID_TRANSITION, ruleSetRevision: 1n }));
    const failure = await its.failure("WorkflowService/UpdateWorkflowMetadata", request);
    expect(failure).toMatchObject({ code: "UNAVAILABLE", reason: "PREDICATE_LOGIC_UNAVAILABLE", metadata: { workflow_id: "w" } });
    expect(failure.message).toContain("older than this server and judges no updates");
    expect((await its.call("WorkflowService/GetWorkflow", { workflow_id: "w" })).workflow.version).toBe("1");
  });

  test("and has narrower bounds: what is wrong with the question is told of the field of the request", async () => {
    fake.answer = failWith(invalidField("checks[0].proposed_metadata", "is bad"));
    expect(await its.failure("WorkflowService/UpdateWorkflowMetadata", request)).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["metadata_patch"],
    });
  });

  test("and is away: nothing changes", async () => {
    fake.stop();
    expect(await its.failure("WorkflowService/UpdateWorkflowMetadata", request)).toMatchObject({
      reason: "PREDICATE_LOGIC_UNAVAILABLE",
      retryAfterMs: 1000,
    });
  });
});
