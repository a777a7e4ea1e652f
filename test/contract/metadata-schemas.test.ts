import { Status } from "nice-grpc-common";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { invalidField, rpcError } from "../../src/rpc/errors.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { failWith, startFakePredicateLogic } from "../support/fake-predicate-logic.ts";
import { createProtoClient, type Message, type ProtoClient, struct } from "../support/proto-client.ts";

// The metadata of a workflow meets the schema of its type, or there is no such workflow.

const by = { reason: "a test", requested_by: "ada" };

const schema = {
  type: "object",
  required: ["site"],
  properties: {
    site: { type: "string" },
    celsius: { type: "number", maximum: 8 },
    tags: { type: "array", items: { type: "string" } },
  },
  additionalProperties: false,
};

const sample = { name: "sample", metadata_schema: struct(schema) };

describe("with an engine elsewhere", () => {
  const folders = [temporaryFolder(), temporaryFolder()] as const;
  let engine: TestServer;
  let manager: TestServer;
  let rules: ProtoClient;
  let client: ProtoClient;

  beforeAll(async () => {
    engine = await startServer({ dataDir: folders[0].path, services: "predicate" });
    manager = await startServer({ dataDir: folders[1].path, services: "workflow,commit", predicateAddress: engine.address });
    rules = createProtoClient(engine.address);
    client = createProtoClient(manager.address);
    await rules.call("PredicateLogic/SetRuleSetItem", { workflow_type: sample, ...by });
  });

  afterAll(async () => {
    rules.close();
    client.close();
    await manager.stop();
    for (const folder of folders) folder.remove();
  });

  const create = (request: Message) => client.call("WorkflowService/CreateWorkflow", { ...by, ...request });
  const refused = (request: Message) => client.failure("WorkflowService/CreateWorkflow", { ...by, ...request });

  test("a workflow whose metadata meets the schema is created, and its event says under which rule set", async () => {
    const { event } = await create({ workflow_id: "right", type: "sample", metadata: struct({ site: "B", celsius: 7.5 }) });
    expect(event).toMatchObject({ type: "WORKFLOW_EVENT_TYPE_CREATED", rule_set_revision: "1", warnings: [] });
  });

  test("another is not: each violation has its field, and the failure the type and the revision", async () => {
    const metadata = struct({ celsius: 9.5, tags: ["a", "b", 3], sight: "B" });
    const failure = await refused({ workflow_id: "wrong", type: "sample", metadata });
    expect(failure).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "METADATA_INVALID",
      metadata: { workflow_type: "sample", rule_set_revision: "1" },
    });
    expect(failure.fields?.toSorted()).toEqual(["metadata.celsius", "metadata.sight", "metadata.site", "metadata.tags[2]"]);
    expect(await client.failure("WorkflowService/GetWorkflow", { workflow_id: "wrong" })).toMatchObject({
      reason: "WORKFLOW_NOT_FOUND",
    });
  });

  test.each([
    ["a type that the rule set does not have", "batch", "1"],
    ["no type", "", "0"],
  ])("with %s, any metadata will do", async (_, type, rule_set_revision) => {
    const { event } = await create({ type, metadata: struct({ celsius: "warm" }) });
    expect(event).toMatchObject({ rule_set_revision });
  });

  test("the id is looked at after the metadata, and a retry before both", async () => {
    const right = { workflow_id: "first", type: "sample", metadata: struct({ site: "B" }), request_id: "r" };
    const created = await create(right);
    expect(await refused({ ...right, request_id: "", metadata: struct({}) })).toMatchObject({ reason: "METADATA_INVALID" });
    expect(await refused({ ...right, request_id: "" })).toMatchObject({ reason: "WORKFLOW_ALREADY_EXISTS" });
    expect(await refused({ ...right, metadata: struct({}) })).toMatchObject({ reason: "REQUEST_ID_REUSED" });
    const strict = { ...sample, metadata_schema: struct({ ...schema, required: ["site", "celsius"] }) };
    await rules.call("PredicateLogic/SetRuleSetItem", { workflow_type: strict, ...by });
    expect(await create(right)).toEqual(created);
    expect(await refused({ ...right, request_id: "", workflow_id: "second" })).toMatchObject({
      fields: ["metadata.celsius"],
      metadata: { rule_set_revision: "2" },
    });
    await rules.call("PredicateLogic/SetRuleSetItem", { workflow_type: sample, ...by });
  });

  test("the engine bounds what it is asked, whoever asks", async () => {
    let deep: Record<string, unknown> = {};
    for (let level = 1; level < 33; level += 1) deep = { deep };
    const request = { workflow_type: "sample", metadata: struct(deep) };
    expect(await rules.failure("PredicateLogic/ValidateMetadata", request)).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["metadata"],
    });
  });

  test("without the engine, a workflow with a type is not created, and one without is", async () => {
    rules.close();
    await engine.stop();
    const right = { workflow_id: "later", type: "sample", metadata: struct({ site: "B" }) };
    expect(await refused(right)).toMatchObject({
      code: "UNAVAILABLE",
      reason: "PREDICATE_LOGIC_UNAVAILABLE",
      metadata: { workflow_id: "later" },
      retryAfterMs: 1000,
    });
    expect(await create({ workflow_id: "untyped" })).toMatchObject({ workflow: { version: "1" } });
  });
});

describe("an engine that does not take a question", () => {
  const data = temporaryFolder();
  let fake: Awaited<ReturnType<typeof startFakePredicateLogic>>;
  let manager: TestServer;
  let client: ProtoClient;
  let counter = 0;

  beforeAll(async () => {
    fake = await startFakePredicateLogic();
    manager = await startServer({ dataDir: data.path, services: "workflow,commit", predicateAddress: fake.address });
    client = createProtoClient(manager.address);
  });

  afterAll(async () => {
    client.close();
    await manager.stop();
    fake.stop();
    data.remove();
  });

  const limit = { limit: "7" };
  const code = Status.RESOURCE_EXHAUSTED;
  const refusals = [
    {
      error: invalidField("checks[0].context", "is bad"),
      failure: { code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: ["context"] },
    },
    {
      error: rpcError({ code, reason: "MESSAGE_TOO_LARGE", message: "too much", metadata: limit }),
      failure: { code: "RESOURCE_EXHAUSTED", reason: "MESSAGE_TOO_LARGE", metadata: limit },
    },
    {
      error: rpcError({ code, reason: "CHECKS_TOO_EXPENSIVE", message: "too dear", metadata: limit }),
      failure: { code: "RESOURCE_EXHAUSTED", reason: "CHECKS_TOO_EXPENSIVE", metadata: limit },
    },
  ];

  test.each(refusals)("is told of with $failure.reason, and no retry is offered", async ({ error, failure }) => {
    counter += 1;
    const workflow_id = `wf-${counter}`;
    fake.answer = failWith(error);
    fake.answerOfMetadata = failWith(error);
    const create = { workflow_id, type: "sample", ...by };
    expect(await client.failure("WorkflowService/CreateWorkflow", create)).toMatchObject({ ...failure, retryAfterMs: undefined });
    await client.call("WorkflowService/CreateWorkflow", { ...create, type: "" });
    const move = { workflow_id, target_state: "WORKFLOW_STATE_ACTIVE", ...by };
    expect(await client.failure("WorkflowService/TransitionWorkflow", move)).toMatchObject({
      ...failure,
      retryAfterMs: undefined,
    });
  });
});
