import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, struct } from "../support/proto-client.ts";

// A workflow is created and started in one change, and a creation can be repeated: Zeebe's users lose, or double, what they create when the
// answer to it is lost (camunda 17333).

const ACTIVE = "WORKFLOW_STATE_ACTIVE";
const RETURN = "IF_EXISTS_RETURN";
const by = { reason: "a test", requested_by: "ada" };
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

beforeAll(async () => {
  await start();
  const cold = { rule_id: "cold", expression: "workflow.metadata.celsius < 8.0", moves: [{ to_state: ACTIVE }] };
  await client.call("PredicateLogic/CreateRule", { ...cold, workflow_types: ["sample"], message: "'too warm'", ...by });
  await client.call("PredicateLogic/ActivateRule", { rule_id: "cold", ...by });
  const described = { name: "sample", metadata_schema: struct({ properties: { celsius: { type: "number" } } }) };
  await client.call("PredicateLogic/SetRuleSetItem", { workflow_type: described, ...by });
});

afterAll(async () => {
  await stop();
  data.remove();
});

const create = (request: Message) => client.call("WorkflowService/CreateWorkflow", { ...by, ...request });
const refused = (request: Message) => client.failure("WorkflowService/CreateWorkflow", { ...by, ...request });
const get = (workflow_id: string) => client.call("WorkflowService/GetWorkflow", { workflow_id });
const eventsOf = async (workflow_id: string) =>
  (await client.call("WorkflowService/ListWorkflowEvents", { workflow_id })).events as readonly Message[];

const sample = { type: "sample", metadata: struct({ celsius: 4 }) };

describe("initial_state ACTIVE", () => {
  test("is a creation and a move, with both events next to each other, and both in the answer", async () => {
    const answer = await create({ workflow_id: "started", ...sample, initial_state: ACTIVE });
    expect(answer).toMatchObject({
      workflow: { state: ACTIVE, previous_state: "WORKFLOW_STATE_CREATED", version: "2", created_by: "ada", updated_by: "ada" },
      created_event: { type: "WORKFLOW_EVENT_TYPE_CREATED", version: "1", metadata: sample.metadata },
      event: { type: "WORKFLOW_EVENT_TYPE_TRANSITION", version: "2", from_state: "WORKFLOW_STATE_CREATED", ...by },
      already_existed: false,
    });
    expect(await eventsOf("started")).toEqual([answer.created_event, answer.event]);
    expect(Number(answer.event.sequence)).toBe(Number(answer.created_event.sequence) + 1);
    expect((await get("started")).workflow).toEqual(answer.workflow);
  });

  test("is judged by the rules of the move; what they deny is not created either", async () => {
    const warm = { workflow_id: "warm", type: "sample", metadata: struct({ celsius: 9 }) };
    expect(await refused({ ...warm, initial_state: ACTIVE })).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "RULE_DENIED",
      metadata: { workflow_id: "warm" },
      preconditions: [{ type: "RULE", subject: "cold", description: "too warm" }],
    });
    expect(await client.failure("WorkflowService/GetWorkflow", { workflow_id: "warm" })).toMatchObject({
      reason: "WORKFLOW_NOT_FOUND",
    });
    expect(await create(warm)).toMatchObject({ workflow: { version: "1" } });
  });

  test("the metadata is checked before the rules", async () => {
    const request = { ...sample, metadata: struct({ celsius: "warm" }), initial_state: ACTIVE };
    expect(await refused(request)).toMatchObject({ reason: "METADATA_INVALID", fields: ["metadata.celsius"] });
  });

  test.each(["PAUSED", "COMPLETED", "FAILED", "CANCELLED"])("%s is no state to begin in", async (state) => {
    expect(await refused({ initial_state: `WORKFLOW_STATE_${state}` })).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["initial_state"],
      message: "initial_state: must be one of WORKFLOW_STATE_CREATED, WORKFLOW_STATE_ACTIVE",
    });
  });

  test("a move has a reason and somebody who asks for it", async () => {
    const bare = { reason: "", requested_by: "" };
    expect(await refused({ initial_state: ACTIVE, ...bare })).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["reason", "requested_by"],
    });
    await create(bare);
  });

  test("a retry gets both events again, also after a restart and when it has moved on", async () => {
    const request = { ...sample, workflow_id: "again", initial_state: ACTIVE, request_id: "start again" };
    const first = await create(request);
    const pause = { workflow_id: "again", target_state: "WORKFLOW_STATE_PAUSED", ...by };
    await client.call("WorkflowService/TransitionWorkflow", pause);
    expect(await create(request)).toEqual(first);
    await stop();
    await start();
    expect(await create(request)).toEqual(first);
    expect(await eventsOf("again")).toHaveLength(3);
  });
});

describe("if_exists", () => {
  test("FAIL, which counts if it is unset: refused, whatever is there", async () => {
    await create({ workflow_id: "taken" });
    for (const if_exists of ["IF_EXISTS_UNSPECIFIED", "IF_EXISTS_FAIL"]) {
      const failure = await refused({ workflow_id: "taken", if_exists });
      expect(failure).toMatchObject({ code: "ALREADY_EXISTS", metadata: { workflow_id: "taken" } });
      expect(failure.metadata["different"]).toBeUndefined();
    }
  });

  test("RETURN: who repeats a creation, without a request id, has the workflow that is there, and nothing is written", async () => {
    const request = { workflow_id: "safe", ...sample, if_exists: RETURN };
    const first = await create(request);
    expect(first).toMatchObject({ already_existed: false });
    const again = await create({ ...request, reason: "another", requested_by: "eve" });
    expect(again).toEqual({ ...first, already_existed: true });
    expect(await eventsOf("safe")).toHaveLength(1);
  });

  test("RETURN: of many at once, one creates", async () => {
    const request = { workflow_id: "crowd", ...sample, initial_state: ACTIVE, if_exists: RETURN };
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(request)));
    expect(answers.filter(({ already_existed }) => !already_existed)).toHaveLength(1);
    expect(new Set(answers.map(({ created_event }) => created_event.event_id)).size).toBe(1);
    expect(await eventsOf("crowd")).toHaveLength(2);
  });

  test("RETURN: it is the same whatever has become of it", async () => {
    const request = { workflow_id: "moved on", ...sample, initial_state: ACTIVE, if_exists: RETURN };
    const moved = { ...request, workflow_id: "moved-on" };
    const { created_event } = await create(moved);
    const fail = { workflow_id: "moved-on", target_state: "WORKFLOW_STATE_FAILED", ...by };
    await client.call("WorkflowService/TransitionWorkflow", fail);
    expect(await create(moved)).toMatchObject({
      already_existed: true,
      workflow: { state: "WORKFLOW_STATE_FAILED", version: "3" },
      event: created_event,
      created_event,
    });
  });

  test.each([
    ["type", { type: "batch" }, "type"],
    ["metadata", { metadata: struct({ celsius: 5 }) }, "metadata"],
    ["state", { initial_state: ACTIVE }, "state"],
    ["type, metadata and state", { type: "", metadata: null, initial_state: ACTIVE }, "type,metadata,state"],
  ])("RETURN: another %s is another workflow, and the failure says so", async (_, other, different) => {
    const request = { workflow_id: "one", ...sample, if_exists: RETURN };
    await create(request);
    expect(await refused({ ...request, ...other })).toMatchObject({
      code: "ALREADY_EXISTS",
      reason: "WORKFLOW_ALREADY_EXISTS",
      metadata: { workflow_id: "one", different },
    });
  });

  test("RETURN: metadata is the same in any order of its keys", async () => {
    const metadata = [struct({ a: 1, b: { c: [1, null], d: "x" } }), struct({ b: { d: "x", c: [1, null] }, a: 1 })];
    const [first, again] = [await create({ workflow_id: "keys", metadata: metadata[0], if_exists: RETURN }), metadata[1]];
    expect(first.already_existed).toBe(false);
    expect(await create({ workflow_id: "keys", metadata: again, if_exists: RETURN })).toMatchObject({ already_existed: true });
  });
});

test("RETURN needs no engine to find what is there", async () => {
  const folder = temporaryFolder();
  const request = { workflow_id: "there", type: "sample", initial_state: ACTIVE, if_exists: RETURN, ...by };
  const all = await startServer({ dataDir: folder.path });
  const first = createProtoClient(all.address);
  await first.call("WorkflowService/CreateWorkflow", request);
  first.close();
  await all.stop();
  // Nobody listens at the discard port.
  const alone = await startServer({ dataDir: folder.path, services: "workflow,commit", predicateAddress: "127.0.0.1:9" });
  const second = createProtoClient(alone.address);
  try {
    expect(await second.call("WorkflowService/CreateWorkflow", request)).toMatchObject({ already_existed: true });
    const other = { ...request, workflow_id: "other" };
    expect(await second.failure("WorkflowService/CreateWorkflow", other)).toMatchObject({
      reason: "PREDICATE_LOGIC_UNAVAILABLE",
    });
  } finally {
    second.close();
    await alone.stop();
    folder.remove();
  }
});
