import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { registry } from "../../src/rpc/descriptors.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, type RpcName, struct } from "../support/proto-client.ts";

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

const by = { reason: "a test", requested_by: "ada" };
const count = 7;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
  for (let index = 0; index < count; index += 1) {
    const workflow_id = `wf-${index}`;
    await client.call("WorkflowService/CreateWorkflow", {
      workflow_id,
      metadata: struct({ index, site: index % 2 ? "B" : "A" }),
      ...by,
    });
    await client.call("PredicateLogic/CreateRule", { rule_id: `rule-${index}`, expression: "true", priority: index, ...by });
    await client.call("TwoPhaseCommit/ExecuteTransaction", { participants: [], requested_by: index % 2 ? "ada" : "eve" });
  }
  await client.call("WorkflowService/TransitionWorkflow", { workflow_id: "wf-3", target_state: "WORKFLOW_STATE_ACTIVE", ...by });
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

type List = {
  readonly rpc: RpcName;
  readonly items: string;
  readonly id: string;
  readonly filter: string;
  readonly matching: number;
};

const lists: readonly List[] = [
  {
    rpc: "WorkflowService/ListWorkflows",
    items: "workflows",
    id: "workflow_id",
    filter: 'workflow.metadata.site == "B"',
    matching: 3,
  },
  {
    rpc: "WorkflowService/ListWorkflowEvents",
    items: "events",
    id: "sequence",
    filter: 'event.type == "CREATED" && event.sequence > 2',
    matching: 5,
  },
  {
    rpc: "PredicateLogic/ListRules",
    items: "rules",
    id: "rule_id",
    filter: 'rule.state == "DRAFT" && rule.priority >= 4',
    matching: 3,
  },
  {
    rpc: "TwoPhaseCommit/ListTransactions",
    items: "transactions",
    id: "transaction_id",
    filter: 'transaction.requested_by == "ada"',
    matching: 3,
  },
];

describe.each(lists)("$rpc", ({ rpc, items, id, filter, matching }) => {
  async function pages(request: Message): Promise<readonly (readonly string[])[]> {
    const found: string[][] = [];
    let page_token = "";
    do {
      const page = await client.call(rpc, { ...request, page_token });
      found.push(page[items].map((item: Message) => item[id]));
      page_token = page.next_page_token;
    } while (page_token !== "");
    return found;
  }

  test("page by page it gives what it gives at once, in the same order, nothing twice", async () => {
    const [all, ...more] = await pages({});
    expect(more).toEqual([]);
    for (const page_size of [1, 2, 3, all?.length]) {
      const paged = await pages({ page_size });
      expect(paged.flat()).toEqual(all);
      expect(Math.max(...paged.map((page) => page.length))).toBe(page_size);
    }
    expect(new Set(all).size).toBe(all?.length);
  });

  test("more than 1,000 at once is taken as 1,000", async () => {
    expect((await pages({ page_size: 2_000_000_000 })).flat()).toEqual((await pages({})).flat());
  });

  test("its filter leaves out the rest, on every page", async () => {
    const found = (await pages({ filter, page_size: 2 })).flat();
    expect(found).toHaveLength(matching);
    expect((await pages({})).flat().filter((item) => found.includes(item))).toEqual(found);
  });

  test("a page token is bound to its filter, and to its list", async () => {
    const { next_page_token } = await client.call(rpc, { page_size: 1 });
    const invalid = { code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: ["page_token"] };
    expect(await client.failure(rpc, { page_token: next_page_token, filter })).toMatchObject(invalid);
    for (const other of lists.filter((list) => list.rpc !== rpc)) {
      expect(await client.failure(other.rpc, { page_token: next_page_token })).toMatchObject(invalid);
    }
  });

  test.each([
    { what: "that does not parse", bad: "1 +" },
    { what: "over a variable that does not exist", bad: "nothing == 1" },
    { what: "over a field that does not exist", bad: `${filter.split(".")[0]}.nothing == 1` },
  ])("a filter $what is refused", async ({ bad }) => {
    expect(await client.failure(rpc, { filter: bad })).toMatchObject({ code: "INVALID_ARGUMENT", fields: ["filter"] });
  });

  test("what a filter cannot be evaluated for is left out", async () => {
    expect((await pages({ filter: `${filter} && dyn(${filter.split(" ")[0]}).none == 1` })).flat()).toEqual([]);
  });
});

test("ListWorkflowEvents: a page token is bound to its workflow", async () => {
  const { next_page_token } = await client.call("WorkflowService/ListWorkflowEvents", { workflow_id: "wf-3", page_size: 1 });
  expect(next_page_token).not.toBe("");
  const failure = await client.failure("WorkflowService/ListWorkflowEvents", {
    workflow_id: "wf-4",
    page_token: next_page_token,
  });
  expect(failure).toMatchObject({ fields: ["page_token"] });
});

test("a filter of events may ask about their workflows, as they are", async () => {
  const events = async (filter: string): Promise<string> => {
    const answer = await client.call("WorkflowService/ListWorkflowEvents", { filter });
    return answer.events.map((event: Message) => `${event.workflow_id}@${event.version}`).join(" ");
  };
  expect(await events('workflow.state == "ACTIVE"')).toBe("wf-3@1 wf-3@2");
  expect(await events('event.version == 1 && workflow.metadata.site == "B"')).toBe("wf-1@1 wf-3@1 wf-5@1");
  expect(await events('workflow.id == "wf-3" && event.to == "ACTIVE"')).toBe("wf-3@2");
  expect(await events("workflow.metadata.none == 1")).toBe("");
});

describe("WorkflowService/WatchWorkflowEvents", () => {
  const watchFrom = (request: Message) => client.stream("WorkflowService/WatchWorkflowEvents", request);

  /** The sequences of the next events; progress between them is passed over. */
  async function sequences(watch: ReturnType<typeof watchFrom>, wanted: number): Promise<readonly number[]> {
    const found: number[] = [];
    while (found.length < wanted) {
      const message = await watch.next();
      if (message.body === "event") found.push(Number(message.event.sequence));
    }
    return found;
  }

  const create = (): Promise<Message> => client.call("WorkflowService/CreateWorkflow", { ...by });
  const newest = async (): Promise<number> => Number((await client.call("WorkflowService/GetSystemStats", {})).total_events);

  test("from OLDEST_AVAILABLE: every event, those of before and those to come, in order and once", async () => {
    const before = await newest();
    const watch = watchFrom({ position: "WATCH_POSITION_OLDEST_AVAILABLE" });
    expect(await sequences(watch, 3)).toEqual([1, 2, 3]);
    await Promise.all(Array.from({ length: 20 }, create));
    expect(await sequences(watch, before + 20 - 3)).toEqual(Array.from({ length: before + 20 - 3 }, (_, index) => index + 4));
    watch.cancel();
  });

  test("from NOW, which is also the default: only what comes", async () => {
    const before = await newest();
    for (const request of [{ position: "WATCH_POSITION_NOW" }, {}]) {
      const watch = watchFrom(request);
      const first = await watch.next();
      expect(first.progress).toEqual({ sequence: String(await newest()) });
      await create();
      expect(await sequences(watch, 1)).toEqual([await newest()]);
      watch.cancel();
    }
    expect(await newest()).toBe(before + 2);
  });

  test("resumed after the last sequence seen: nothing is skipped, nothing told twice", async () => {
    const seen: number[] = [];
    const total = await newest();
    while (seen.length < total) {
      const watch = watchFrom({ after_sequence: seen.at(-1) ?? 0 });
      seen.push(...(await sequences(watch, Math.min(5, total - seen.length))));
      watch.cancel();
    }
    expect(seen).toEqual(Array.from({ length: total }, (_, index) => index + 1));
  });

  test("filtered and of one workflow: progress tells how far it has come, though nothing matches", async () => {
    const quiet = watchFrom({ after_sequence: 0, filter: 'event.type == "FAILED"', progress_interval: { nanos: 100_000_000 } });
    const one = watchFrom({ after_sequence: 0, workflow_id: "wf-3", filter: 'event.to == "ACTIVE"' });
    expect((await quiet.next()).progress).toEqual({ sequence: "0" });
    expect((await quiet.next()).progress).toEqual({ sequence: String(await newest()) });
    await create();
    for (;;) {
      const { body, progress } = await quiet.next();
      expect(body).toBe("progress");
      if (Number(progress.sequence) === (await newest())) break;
    }
    expect(await sequences(one, 1)).toEqual([count + 1]);
    quiet.cancel();
    one.cancel();
  });

  test("filtered by the workflow as it is: events of before, and those to come", async () => {
    const filter = "workflow.metadata.index == 5.0 || workflow.metadata.index == 99.0";
    const watch = watchFrom({ after_sequence: 0, filter });
    expect(await sequences(watch, 1)).toEqual([6]);
    await create();
    await client.call("WorkflowService/CreateWorkflow", { metadata: struct({ index: 99 }), ...by });
    expect(await sequences(watch, 1)).toEqual([await newest()]);
    watch.cancel();
  });

  test("ends with SHUTTING_DOWN when the server stops", async () => {
    const folder = temporaryFolder();
    const other = await startServer({ dataDir: folder.path });
    const its = createProtoClient(other.address);
    const watch = its.stream("WorkflowService/WatchWorkflowEvents", {});
    await watch.next();
    await other.stop();
    expect(await watch.end()).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN", retryAfterMs: 1000 });
    its.close();
    folder.remove();
  });
});

describe("a filter that compares an enum with a name", () => {
  const comparisons = [
    { rpc: "WorkflowService/ListWorkflows", field: "workflow.state", type: "concord.workflow.v1.WorkflowState" },
    { rpc: "WorkflowService/ListWorkflows", field: "workflow.previous_state", type: "concord.workflow.v1.WorkflowState" },
    { rpc: "WorkflowService/ListWorkflowEvents", field: "event.type", type: "concord.workflow.v1.WorkflowEventType" },
    { rpc: "WorkflowService/ListWorkflowEvents", field: "event.from", type: "concord.workflow.v1.WorkflowState" },
    { rpc: "WorkflowService/ListWorkflowEvents", field: "event.to", type: "concord.workflow.v1.WorkflowState" },
    { rpc: "PredicateLogic/ListRules", field: "rule.state", type: "concord.predicate.v1.RuleState" },
    { rpc: "PredicateLogic/ListVerdicts", field: "verdict.judgement", type: "concord.predicate.v1.Judgement" },
    { rpc: "TwoPhaseCommit/ListTransactions", field: "transaction.phase", type: "concord.commit.v1.TransactionPhase" },
    { rpc: "TwoPhaseCommit/ListTransactions", field: "transaction.outcome", type: "concord.commit.v1.Outcome" },
    { rpc: "TwoPhaseCommit/ListTransactions", field: "transaction.heuristic", type: "concord.commit.v1.Heuristic" },
  ] as const;

  test.each(comparisons)("finds the same by both spellings: $field", async ({ rpc, field, type }) => {
    const values = registry.getEnum(type)?.values.filter(({ number, name }) => number !== 0 && name !== "OUTCOME_LOST") ?? [];
    for (const { name, localName } of values) {
      const indexed = `${field.replace(".", '["')}"]`;
      const filters = [
        `${field} == "${localName}"`,
        `${field} == "${name}"`,
        `${indexed} == "${name}"`,
        `"${name}" in [${field}]`,
      ];
      const [short, ...others] = await Promise.all(filters.map((filter) => client.call(rpc, { filter })));
      for (const other of others) expect(other).toEqual(short);
    }
  });

  test.each(comparisons)(
    "is refused if there is no such name, and says which there are: $field",
    async ({ rpc, field, type }) => {
      const first = registry.getEnum(type)?.values[1]?.localName ?? "";
      const failure = await client.failure(rpc, { filter: `${field} in ["${first}", "x"]` });
      expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: ["filter"] });
      expect(failure.message).toMatch(new RegExp(`line 1, column \\d+: ${field} is never "x"; it is one of ${first}`));
    },
  );

  test("is refused if no transaction has it", async () => {
    const failure = await client.failure("TwoPhaseCommit/ListTransactions", { filter: 'transaction.outcome == "LOST"' });
    expect(failure.message).toContain('transaction.outcome is never "LOST"; it is one of COMMITTED, ABORTED, ""');
  });

  test("finds what is there", async () => {
    const found = await client.call("WorkflowService/ListWorkflows", { filter: 'workflow.state == "WORKFLOW_STATE_ACTIVE"' });
    expect(found.workflows.map(({ workflow_id }: Message) => workflow_id)).toEqual(["wf-3"]);
  });

  test("is refused by a watch too, and so is a rule", async () => {
    const filter = 'event.type == "Created"';
    expect(await client.stream("WorkflowService/WatchWorkflowEvents", { filter }).end()).toMatchObject({ fields: ["filter"] });
    expect(
      await client.stream("TwoPhaseCommit/WatchTransactions", { filter: 'transaction.phase == "init"' }).end(),
    ).toMatchObject({ fields: ["filter"] });
    for (const variable of ["from", "to", "workflow.state", "workflow.previous_state"]) {
      const rule = { rule_id: "never", expression: `true ||\n  ${variable} == "Active"`, ...by };
      const column = String(variable.length + 7);
      expect(await client.failure("PredicateLogic/CreateRule", rule)).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "RULE_INVALID",
        metadata: { line: "2", column },
        fields: ["expression"],
      });
    }
  });
});
