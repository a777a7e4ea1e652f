import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

// What the policy of a type says holds whichever way a workflow comes into a state.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

const by = { reason: "a test", requested_by: "ada" };
const state = (name: string): string => `WORKFLOW_STATE_${name}`;
const to = (name: string) => ({ target_state: state(name) });
const enlist = [{ participant_id: "stock", payload: Buffer.from("2") }];

const terms: Readonly<Record<string, Message>> = {
  patient: { recovery: { initial_backoff: { seconds: 3_600 } } },
  spent: { recovery: { max_attempts: 0 } },
  free: { recovery: { max_attempts: 1 } },
  watched: {
    deadlines: [{ state: state("ACTIVE"), after: { seconds: 3_600 }, ...to("FAILED"), reason: "too slow" }],
  },
};

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
  void (await joinAs(client, "stock")).agreeToAll();
  for (const [workflow_type, each] of Object.entries(terms))
    await client.call("WorkflowService/SetWorkflowTypePolicy", { workflow_type, terms: each, ...by });
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const call = (rpc: string, request: Message) => client.call(`WorkflowService/${rpc}`, { ...by, ...request });
const get = async (workflow_id: string): Promise<Message> => (await call("GetWorkflow", { workflow_id })).workflow;
const lastEvent = async (workflow_id: string): Promise<Message> =>
  (await call("ListWorkflowEvents", { workflow_id })).events.at(-1);

let count = 0;
async function create(type: string, ...states: readonly string[]): Promise<string> {
  count += 1;
  const workflow_id = `${type}-${count}`;
  await call("CreateWorkflow", { workflow_id, type });
  for (const name of states) await call("TransitionWorkflow", { workflow_id, ...to(name) });
  return workflow_id;
}

type Refused = { readonly reason: string; readonly metadata: Message } | undefined;

async function single(rpc: string, request: Message): Promise<Refused> {
  const done = await call(rpc, request).catch(() => undefined);
  return done === undefined ? client.failure(`WorkflowService/${rpc}`, { ...by, ...request }).then(refusedAs) : undefined;
}

const refusedAs = ({ reason, metadata }: Message): Refused => ({ reason, metadata });

/** Beside another one, which could go: with all or nothing it stays where it is. */
async function batch(workflow_id: string, mode: string, fields: Message = {}): Promise<Refused> {
  const beside = await create("other", "ACTIVE", "PAUSED");
  const items = [beside, workflow_id].map((id) => ({ workflow_id: id, ...to("ACTIVE") }));
  const { results, applied } = await call("BatchTransitionWorkflows", { mode: `BATCH_MODE_${mode}`, items, ...fields });
  const { failure } = results[1];
  expect(applied).toBe(failure === null || failure === undefined);
  expect((await get(beside))["state"]).toBe(state(applied || mode === "INDEPENDENT" ? "ACTIVE" : "PAUSED"));
  return applied ? undefined : refusedAs(failure);
}

async function bulk(workflow_id: string, action: Message): Promise<Refused> {
  const { operation } = await call("StartBulkOperation", { filter: `workflow.id == "${workflow_id}"`, action });
  const { bulk_operation_id } = operation;
  await until(async () => {
    const found = (await call("GetBulkOperation", { bulk_operation_id })).operation;
    return found.state === "BULK_OPERATION_STATE_COMPLETED";
  }, "it is complete");
  const [{ failure }] = (await call("ListBulkOperationResults", { bulk_operation_id })).results;
  return failure === null || failure === undefined ? undefined : refusedAs(failure);
}

/** Each way to ACTIVE from where a workflow is. */
const ways: readonly { readonly way: string; readonly go: (workflow_id: string) => Promise<Refused> }[] = [
  { way: "TransitionWorkflow", go: (workflow_id) => single("TransitionWorkflow", { workflow_id, ...to("ACTIVE") }) },
  {
    way: "TransitionWorkflow with enlist",
    go: (workflow_id) => single("TransitionWorkflow", { workflow_id, ...to("ACTIVE"), enlist }),
  },
  { way: "a batch of independent moves", go: (workflow_id) => batch(workflow_id, "INDEPENDENT") },
  { way: "a batch of all or nothing", go: (workflow_id) => batch(workflow_id, "ALL_OR_NOTHING") },
  { way: "such a batch with enlist", go: (workflow_id) => batch(workflow_id, "ALL_OR_NOTHING", { enlist }) },
  { way: "a bulk transition", go: (workflow_id) => bulk(workflow_id, { transition: to("ACTIVE") }) },
];

const recoveries: typeof ways = [
  ...ways,
  { way: "RecoverWorkflow", go: (workflow_id) => single("RecoverWorkflow", { workflow_id }) },
  { way: "a bulk recovery", go: (workflow_id) => bulk(workflow_id, { recovery: {} }) },
];

describe.each(recoveries)("what has failed, recovered by $way,", ({ go }) => {
  test("is told that it is too early, and stays as it is", async () => {
    const id = await create("patient", "ACTIVE", "FAILED");
    const before = await get(id);
    const { seconds, nanos } = before["recoverable_at"];
    const recoverable_at = new Date(Number(seconds) * 1_000 + nanos / 1e6).toISOString();
    expect(await go(id)).toMatchObject({ reason: "RECOVERY_TOO_EARLY", metadata: { workflow_id: id, recoverable_at } });
    expect(await get(id)).toEqual(before);
  });

  test("is told that its recoveries are used up, and stays as it is", async () => {
    const id = await create("spent", "ACTIVE", "FAILED");
    const before = await get(id);
    const metadata = { workflow_id: id, retry_count: "0", max_attempts: "0" };
    expect(await go(id)).toMatchObject({ reason: "RECOVERIES_EXHAUSTED", metadata });
    expect(await get(id)).toEqual(before);
  });

  test("is recovered as often as its policy has it, and each counts", async () => {
    const id = await create("free", "ACTIVE", "FAILED");
    expect(await go(id)).toBeUndefined();
    expect(await get(id)).toMatchObject({ state: state("ACTIVE"), retry_count: 1, recoverable_at: null });
    expect(await lastEvent(id)).toMatchObject({ type: "WORKFLOW_EVENT_TYPE_RECOVERED", retry_count: 1 });
    await call("TransitionWorkflow", { workflow_id: id, ...to("FAILED") });
    expect(await go(id)).toMatchObject({ reason: "RECOVERIES_EXHAUSTED", metadata: { retry_count: "1", max_attempts: "1" } });
  });
});

describe("what has failed, with a deadline that would recover it,", () => {
  const set = (workflow_id: string) =>
    call("SetWorkflowDeadline", { workflow_id, deadline: { after: { nanos: 1_000_000 }, ...to("ACTIVE"), reason: "again" } });

  test("is not recovered before it may be", async () => {
    const id = await create("patient", "ACTIVE", "FAILED");
    const { workflow } = await set(id);
    expect(workflow.deadline.at).toEqual(workflow.recoverable_at);
    expect(await get(id)).toMatchObject({ state: state("FAILED"), version: "4" });
  });

  test("is not recovered more often than it may be, and an event says so", async () => {
    const id = await create("spent", "ACTIVE", "FAILED");
    await set(id);
    await until(async () => (await get(id))["deadline"] === null, "the deadline is dropped");
    expect(await get(id)).toMatchObject({ state: state("FAILED"), retry_count: 0 });
    const refused = { type: "WORKFLOW_EVENT_TYPE_DEADLINE_REFUSED", requested_by: "system:deadline" };
    expect(await lastEvent(id)).toMatchObject({ ...refused, reason: expect.stringContaining("RECOVERIES_EXHAUSTED") });
  });

  test("is recovered by it, and that counts", async () => {
    const id = await create("free", "ACTIVE", "FAILED");
    await set(id);
    await until(async () => (await get(id))["state"] === state("ACTIVE"), "it is recovered");
    expect(await lastEvent(id)).toMatchObject({ type: "WORKFLOW_EVENT_TYPE_RECOVERED", retry_count: 1 });
  });
});

describe("a state for which the policy has a deadline, reached", () => {
  async function expectDeadline(id: string): Promise<void> {
    const { deadline, state_entered_at, state: now } = await get(id);
    expect(now).toBe(state("ACTIVE"));
    const at = { seconds: String(Number(state_entered_at.seconds) + 3_600), nanos: state_entered_at.nanos };
    expect(deadline).toMatchObject({ at, ...to("FAILED"), reason: "too slow", set_by: "system:policy" });
    expect((await lastEvent(id))["deadline"]).toEqual(deadline);
  }

  test.each(ways)("by $way", async ({ go }) => {
    for (const before of [[], ["ACTIVE", "PAUSED"], ["ACTIVE", "FAILED"]]) {
      const id = await create("watched", ...before);
      expect((await get(id))["deadline"]).toBeNull();
      expect(await go(id)).toBeUndefined();
      await expectDeadline(id);
    }
  });

  test.each(recoveries.slice(ways.length))("by $way", async ({ go }) => {
    const id = await create("watched", "ACTIVE", "FAILED");
    expect(await go(id)).toBeUndefined();
    await expectDeadline(id);
  });

  test("by its creation", async () => {
    const { workflow } = await call("CreateWorkflow", { type: "watched", initial_state: state("ACTIVE") });
    await expectDeadline(workflow.workflow_id);
  });

  test("by another deadline", async () => {
    const deadline = { after: { nanos: 1_000_000 }, ...to("ACTIVE"), reason: "begin" };
    const { workflow } = await call("CreateWorkflow", { type: "watched", deadline });
    const id = workflow.workflow_id;
    await until(async () => (await get(id))["state"] === state("ACTIVE"), "it has begun");
    await expectDeadline(id);
  });
});
