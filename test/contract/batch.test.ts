import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BatchMode } from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { joinAs } from "../support/scripted-participant.ts";
import { until } from "../support/until.ts";

const { ACTIVE, PAUSED, COMPLETED, CREATED } = WorkflowState;
const { INDEPENDENT, ALL_OR_NOTHING } = BatchMode;
const by = { reason: "a test", requestedBy: "ada" };
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;
let counter = 0;
/** Three workflows in CREATED. */
let ids: readonly [string, string, string];

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
  const rule = { ruleId: "cold", expression: "workflow.metadata.celsius < 8.0", message: "'too warm'", ...by };
  await server.clients.predicates.createRule({ ...rule, moves: [{ toState: COMPLETED }] });
  await server.clients.predicates.activateRule({ ruleId: "cold", ...by });
  const warning = { ruleId: "named", expression: "false", message: "'has no name'", action: "RULE_ACTION_WARN" as const, ...by };
  await server.clients.predicates.createRule({ ...warning, moves: [{ toState: PAUSED }] });
  await server.clients.predicates.activateRule({ ruleId: "named", ...by });
});

afterAll(async () => {
  await stop();
  data.remove();
});

beforeEach(async () => {
  counter += 1;
  ids = [`a-${counter}`, `b-${counter}`, `c-${counter}`];
  for (const workflowId of ids) await server.clients.workflows.createWorkflow({ workflowId, metadata: { celsius: 4.5 } });
});

type Item = { readonly workflowId?: string | undefined; readonly targetState?: WorkflowState; readonly [field: string]: unknown };

const batch = (mode: BatchMode, items: readonly Item[], more: object = {}) =>
  server.clients.workflows.batchTransitionWorkflows({
    mode,
    items: items.map((item, index) => ({ workflowId: ids[index], targetState: ACTIVE, ...item })) as never,
    ...by,
    ...more,
  });

const stateOf = async (workflowId = "") => (await server.clients.workflows.getWorkflow({ workflowId })).workflow?.state;
const states = () => Promise.all(ids.map(stateOf));
const eventsOf = async () => Number((await server.clients.workflows.getSystemStats({})).totalEvents);
const reasonsOf = ({ results }: Awaited<ReturnType<typeof batch>>) =>
  results.map(({ result }) => (result?.$case === "failure" ? result.value.reason : result?.$case));

describe("INDEPENDENT", () => {
  test("says of each move what became of it, in the order of the items", async () => {
    const answer = await batch(INDEPENDENT, [{}, { targetState: PAUSED }, {}, { workflowId: "nobody" }]);
    expect(answer.applied).toBe(false);
    expect(answer.results).toMatchObject([
      { workflowId: ids[0], result: { $case: "moved", value: { fromState: CREATED, toState: ACTIVE, version: 2n } } },
      {
        workflowId: ids[1],
        result: {
          value: {
            code: 9,
            reason: "INVALID_TRANSITION",
            message: `workflow "${ids[1]}" cannot go from CREATED to PAUSED; it can go to ACTIVE`,
            metadata: { from: "CREATED", to: "PAUSED", allowed: "ACTIVE" },
          },
        },
      },
      { workflowId: ids[2], result: { $case: "moved" } },
      { workflowId: "nobody", result: { value: { code: 5, reason: "WORKFLOW_NOT_FOUND" } } },
    ]);
    expect(await states()).toEqual([ACTIVE, CREATED, ACTIVE]);
  });

  test("a retry answers what was made as the first time, and tries the rest anew; also after a restart", async () => {
    const request = { requestId: `independent-${counter}` };
    const items = [{}, { expectedVersion: 2n }, {}];
    const first = await batch(INDEPENDENT, items, request);
    expect(reasonsOf(first)).toEqual(["moved", "VERSION_MISMATCH", "moved"]);
    await server.clients.workflows.transitionWorkflow({ workflowId: ids[0], targetState: PAUSED, ...by });
    await server.clients.workflows.transitionWorkflow({ workflowId: ids[1], targetState: ACTIVE, ...by });
    await server.clients.workflows.transitionWorkflow({ workflowId: ids[1], targetState: PAUSED, ...by });
    await stop();
    await start();
    const again = await batch(INDEPENDENT, items, request);
    expect(again.results[0]).toEqual(first.results[0]);
    expect(reasonsOf(again)).toEqual(["moved", "VERSION_MISMATCH", "moved"]);
    expect(await states()).toEqual([PAUSED, PAUSED, ACTIVE]);
    const other = batch(INDEPENDENT, [{}], request);
    expect(await failureOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED", metadata: { request_id: request.requestId } });
    const single = { workflowId: ids[2], targetState: PAUSED, ...by, ...request };
    expect((await failureOf(server.clients.workflows.transitionWorkflow(single))).reason).toBe("REQUEST_ID_REUSED");
  });

  test("takes no enlist", async () => {
    const enlist = [{ participantId: "stock", payload: Buffer.from("2") }];
    expect(await failureOf(batch(INDEPENDENT, [{}], { enlist }))).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: [{ field: "enlist", description: "is only for a batch with mode BATCH_MODE_ALL_OR_NOTHING" }],
    });
  });

  test("keeps the reason and metadata of each item in its event, or the batch's reason", async () => {
    await batch(INDEPENDENT, [{ reason: "its own", eventMetadata: { tray: 4 } }, {}]);
    const [own, batchs] = await Promise.all(
      ids.map(async (workflowId) => (await server.clients.workflows.listWorkflowEvents({ workflowId })).events[1]),
    );
    expect(own).toMatchObject({ reason: "its own", requestedBy: "ada", metadata: { tray: 4 } });
    expect(batchs).toMatchObject({ reason: "a test", requestedBy: "ada", metadata: {} });
  });
});

test("each move may set a deadline; one that is wrong is refused, as of a move by itself", async () => {
  const after = (seconds: number) => ({
    deadline: {
      targetState: WorkflowState.FAILED,
      reason: "too long",
      due: { $case: "after", value: { seconds: BigInt(seconds), nanos: 0 } },
    },
  });
  const wrong = { deadline: { ...after(60).deadline, targetState: CREATED } };
  const answer = await batch(INDEPENDENT, [after(3600), wrong, {}]);
  expect(reasonsOf(answer)).toEqual(["moved", "INVALID_REQUEST", "moved"]);
  const { workflow } = await server.clients.workflows.getWorkflow({ workflowId: ids[0] });
  expect(workflow?.deadline).toMatchObject({ targetState: WorkflowState.FAILED });
  expect(reasonsOf(await batch(ALL_OR_NOTHING, [{ targetState: PAUSED }, wrong]))).toEqual(["BATCH_ABORTED", "INVALID_REQUEST"]);
});

describe("ALL_OR_NOTHING", () => {
  test("makes all moves, under one revision, with events next to each other, in the order of the items", async () => {
    await batch(ALL_OR_NOTHING, [{}, {}, {}]);
    const answer = await batch(
      ALL_OR_NOTHING,
      [{}, {}, {}].map(() => ({ targetState: PAUSED })),
    );
    expect(answer.applied).toBe(true);
    const moved = answer.results.map(({ result }) => (result?.$case === "moved" ? result.value : undefined));
    expect(moved[0]?.warnings).toEqual([{ ruleId: "named", ruleVersion: 1, message: "has no name" }]);
    const sequences = moved.map((each) => Number(each?.sequence));
    expect(sequences).toEqual([0, 1, 2].map((place) => (sequences[0] ?? 0) + place));
    expect(new Set(moved.map((each) => each?.ruleSetRevision)).size).toBe(1);
    expect(await states()).toEqual([PAUSED, PAUSED, PAUSED]);
  });

  test("moves none if one is refused, and says which, and why", async () => {
    await batch(ALL_OR_NOTHING, [{}, {}, {}]);
    const warm = `warm-${counter}`;
    await server.clients.workflows.createWorkflow({ workflowId: warm, metadata: { celsius: 9.5 } });
    await server.clients.workflows.transitionWorkflow({ workflowId: warm, targetState: ACTIVE, ...by });
    const before = await eventsOf();
    const items = [{ targetState: COMPLETED }, { workflowId: warm, targetState: COMPLETED }, { targetState: CREATED }];
    const answer = await batch(ALL_OR_NOTHING, items);
    expect(answer.applied).toBe(false);
    expect(reasonsOf(answer)).toEqual(["BATCH_ABORTED", "RULE_DENIED", "INVALID_TRANSITION"]);
    expect(answer.results[1]).toMatchObject({ workflowId: warm, result: { value: { code: 9, message: "cold: too warm" } } });
    expect(answer.results[0]).toMatchObject({ result: { value: { code: 10, metadata: { workflow_id: ids[0] } } } });
    expect(await eventsOf()).toBe(before);
    expect(await states()).toEqual([ACTIVE, ACTIVE, ACTIVE]);
  });

  test("a retry has the first answer, also after a restart; what was refused is run anew with the same id", async () => {
    const request = { requestId: `all-${counter}` };
    expect(reasonsOf(await batch(ALL_OR_NOTHING, [{}, { expectedVersion: 3n }], request))).toEqual([
      "BATCH_ABORTED",
      "VERSION_MISMATCH",
    ]);
    for (const targetState of [ACTIVE, PAUSED]) {
      await server.clients.workflows.transitionWorkflow({ workflowId: ids[1], targetState, ...by });
    }
    const first = await batch(ALL_OR_NOTHING, [{}, { expectedVersion: 3n }], request);
    expect(first.applied).toBe(true);
    await stop();
    await start();
    expect(await batch(ALL_OR_NOTHING, [{}, { expectedVersion: 3n }], request)).toEqual(first);
    expect(await failureOf(batch(ALL_OR_NOTHING, [{}], request))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
    expect(await failureOf(batch(INDEPENDENT, [{}, { expectedVersion: 3n }], request))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
  });

  test("of two that want the same workflows, one moves them all and the other none", async () => {
    const [one, other] = await Promise.all(
      [1, 2].map(() =>
        batch(
          ALL_OR_NOTHING,
          [0, 1, 2].map(() => ({ expectedVersion: 1n })),
        ),
      ),
    );
    expect([one?.applied, other?.applied].toSorted()).toEqual([false, true]);
    const [, refused] = [one, other].toSorted((a, b) => Number(b?.applied) - Number(a?.applied));
    expect(refused?.results.map(({ result }) => result?.$case)).toEqual(["failure", "failure", "failure"]);
    expect(await states()).toEqual([ACTIVE, ACTIVE, ACTIVE]);
  });
});

describe("ALL_OR_NOTHING with enlist", () => {
  const enlist = [{ participantId: "stock", payload: Buffer.from("2") }];

  test("all workflows are held, and move with the transaction", async () => {
    const stock = await joinAs(client, "stock");
    const moved = batch(ALL_OR_NOTHING, [{}, {}, {}], { enlist, requestId: `together-${counter}` });
    const held = async () => Number((await server.clients.workflows.getSystemStats({})).inTransition);
    await until(async () => (await held()) === 3, "all are held");
    const { workflow } = await server.clients.workflows.getWorkflow({ workflowId: ids[1] });
    const transactionId = workflow?.inTransition?.transactionId ?? "";
    expect(
      (await failureOf(server.clients.workflows.transitionWorkflow({ workflowId: ids[2], targetState: ACTIVE, ...by }))).reason,
    ).toBe("IN_TRANSITION");
    stock.vote(transactionId, "VOTE_VALUE_COMMIT");
    const answer = await moved;
    expect(answer.applied).toBe(true);
    expect(answer.results.map(({ workflowId }) => workflowId)).toEqual(ids);
    expect(answer.results[0]).toMatchObject({ result: { value: { transactionId, toState: ACTIVE } } });
    stock.ack(transactionId, "OUTCOME_COMMITTED");
    expect(await states()).toEqual([ACTIVE, ACTIVE, ACTIVE]);
    expect(await held()).toBe(0);
    expect(await batch(ALL_OR_NOTHING, [{}, {}, {}], { enlist, requestId: `together-${counter}` })).toEqual(answer);
    const { workflow: after } = await server.clients.workflows.getWorkflow({ workflowId: ids[0] });
    expect(after?.metadata).toEqual({ celsius: 4.5 });
  });

  test("none moves if a participant refuses, and the call says so", async () => {
    const stock = await joinAs(client, "stock");
    const moved = batch(ALL_OR_NOTHING, [{}, {}], { enlist });
    const transactionId = await until(async () => {
      const { workflow } = await server.clients.workflows.getWorkflow({ workflowId: ids[0] });
      return workflow?.inTransition?.transactionId;
    }, "it is held");
    stock.vote(transactionId, "VOTE_VALUE_ABORT", "no tubes");
    const failure = await failureOf(moved);
    expect(failure).toMatchObject({
      reason: "TRANSACTION_ABORTED",
      metadata: { transaction_id: transactionId },
      preconditions: [{ subject: "stock", description: "no tubes" }],
    });
    expect(failure.message).toContain("each workflow is as it was");
    await until(async () => (await server.clients.workflows.getSystemStats({})).inTransition === 0n, "none is held");
    expect(await states()).toEqual([CREATED, CREATED, CREATED]);
  });

  test("a move that is refused begins no transaction", async () => {
    const answer = await batch(ALL_OR_NOTHING, [{}, { targetState: PAUSED }], { enlist });
    expect(reasonsOf(answer)).toEqual(["BATCH_ABORTED", "INVALID_TRANSITION"]);
  });
});

describe("is refused, with the field, if", () => {
  test.each([
    {
      what: "a workflow is named twice",
      change: () => ({ items: [{}, {}, { workflowId: ids[0] }] }),
      field: "items[2].workflow_id",
    },
    { what: "nothing is asked for", change: () => ({ items: [] }), field: "items" },
    {
      what: "a target is missing",
      change: () => ({ items: [{ targetState: WorkflowState.UNSPECIFIED }] }),
      field: "items[0].target_state",
    },
    { what: "it has no mode", change: () => ({ mode: BatchMode.UNSPECIFIED }), field: "mode" },
    { what: "it has no reason", change: () => ({ more: { reason: "" } }), field: "reason" },
    {
      what: "a timeout has nobody to wait for",
      change: () => ({ more: { timeout: { seconds: 1n, nanos: 0 } } }),
      field: "timeout",
    },
  ])("$what", async ({ change, field }) => {
    const { mode = ALL_OR_NOTHING, items = [{}], more = {} } = change() as { mode?: BatchMode; items?: Item[]; more?: object };
    const failure = await failureOf(batch(mode, items, more));
    expect(failure).toMatchObject({ reason: "INVALID_REQUEST", fields: [{ field }] });
    if (field === "items[2].workflow_id") {
      expect(failure.fields[0]?.description).toBe("is that of items[0] too; a batch may name a workflow once");
    }
  });

  test("it has more than 1,000 moves", async () => {
    const items = Array.from({ length: 1001 }, (_, index) => ({ workflowId: `w-${index}` }));
    expect(await failureOf(batch(INDEPENDENT, items))).toMatchObject({ reason: "INVALID_REQUEST", fields: [{ field: "items" }] });
  });
});

describe.each([INDEPENDENT, ALL_OR_NOTHING])("a batch of 1,000, %s,", (mode) => {
  test("is made, within an answer that every client reads", async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `many-${counter}-${index}`);
    await Promise.all(names.map((workflowId) => server.clients.workflows.createWorkflow({ workflowId })));
    const items = names.map((workflowId) => ({ workflowId, targetState: ACTIVE }));
    const answer = await batch(mode, items, { requestId: `many-${counter}` });
    expect(answer.applied).toBe(true);
    expect(answer.results.map(({ workflowId }) => workflowId)).toEqual(names);
    expect(await batch(mode, items, { requestId: `many-${counter}` })).toEqual(answer);
  });
});
