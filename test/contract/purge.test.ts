import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { workflowCommand } from "../../src/cli/workflow.ts";
import { runCommand } from "../support/command.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, struct } from "../support/proto-client.ts";

// "Nothing is lost unseen": what is purged is named, can be exported before as it is, and whoever has not been told of it hears so.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

const by = { reason: "a test", requested_by: "ada" };
const now = { older_than: { seconds: 0 } };

async function run(workflow_id: string, states: readonly string[], fields: Message = {}): Promise<void> {
  await client.call("WorkflowService/CreateWorkflow", { workflow_id, metadata: struct({ of: workflow_id }), ...by, ...fields });
  for (const state of states) {
    await client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: `WORKFLOW_STATE_${state}`, ...by });
  }
}
const completed = ["ACTIVE", "COMPLETED"];

const purge = (request: Message) => client.call("WorkflowService/PurgeWorkflows", { ...by, ...request });
const prefix = (text: string) => ({ ...now, filter: `workflow.id.startsWith("${text}")` });
const get = (workflow_id: string) => client.call("WorkflowService/GetWorkflow", { workflow_id });
const missing = (workflow_id: string) => client.failure("WorkflowService/GetWorkflow", { workflow_id });
const stats = () => client.call("WorkflowService/GetSystemStats", {});
const concord = (...args: readonly string[]) => runCommand(workflowCommand(), ...args, "--address", server.address);

async function exported(request: Message): Promise<readonly Message[]> {
  const stream = client.stream("WorkflowService/ExportWorkflows", request);
  const messages: Message[] = [];
  for (;;) {
    const next = await stream.next().catch(() => undefined);
    if (next === undefined) break;
    messages.push(next);
  }
  expect(await stream.end()).toBeUndefined();
  return messages;
}

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

test("a dry run purges nothing and says what would go; the purge does that, and no more", async () => {
  await run("dry.1", completed);
  await run("dry.2", ["ACTIVE", "CANCELLED"]);
  await run("dry.3", ["ACTIVE"]);
  const would = { workflow_ids: ["dry.1", "dry.2"], purged_events: "6", kept: [], next_page_token: "" };
  expect(await purge({ ...prefix("dry."), dry_run: true })).toMatchObject({ ...would, oldest_sequence: "1" });
  expect(await get("dry.1")).toMatchObject({ workflow: { version: "3" } });

  const before = await stats();
  const purged = await purge(prefix("dry."));
  expect(purged).toMatchObject(would);
  expect(await get("dry.3")).toMatchObject({ workflow: { state: "WORKFLOW_STATE_ACTIVE" } });
  const { events } = await client.call("WorkflowService/ListWorkflowEvents", { workflow_id: "dry.1" });
  expect(events).toEqual([]);
  expect(await stats()).toMatchObject({
    total_workflows: String(Number(before.total_workflows) - 2),
    total_events: before.total_events,
    kept_events: String(Number(before.kept_events) - 6),
    oldest_sequence: purged.oldest_sequence,
  });
});

test("whatever names a purged workflow is told that it was purged, and when; its id is refused", async () => {
  await run("gone", completed);
  await purge(prefix("gone"));
  const purged = { code: "NOT_FOUND", reason: "WORKFLOW_PURGED", metadata: { workflow_id: "gone" } };
  expect(await missing("gone")).toMatchObject(purged);
  expect(Date.parse((await missing("gone"))?.metadata["purged_at"] ?? "")).toBeLessThanOrEqual(Date.now());
  const move = { workflow_id: "gone", target_state: "WORKFLOW_STATE_ACTIVE", ...by };
  expect(await client.failure("WorkflowService/TransitionWorkflow", move)).toMatchObject(purged);
  expect(await client.failure("WorkflowService/ListAllowedTransitions", { workflow_id: "gone" })).toMatchObject(purged);
  const resolve = { workflow_id: "gone", transaction_id: "t", outcome: "OUTCOME_ABORTED", ...by };
  expect(await client.failure("WorkflowService/ResolveTransition", resolve)).toMatchObject(purged);
  const update = { workflow_id: "gone", metadata_patch: struct({ a: 1 }), ...by };
  expect(await client.failure("WorkflowService/UpdateWorkflowMetadata", update)).toMatchObject(purged);
  expect(await client.failure("WorkflowService/SetWorkflowDeadline", { workflow_id: "gone", ...by })).toMatchObject(purged);
  expect(await client.failure("WorkflowService/RecoverWorkflow", { workflow_id: "gone", ...by })).toMatchObject(purged);
  expect(await client.failure("WorkflowService/WaitForWorkflow", { workflow_id: "gone" })).toMatchObject(purged);
  const taken = { code: "ALREADY_EXISTS", reason: "WORKFLOW_ID_RETIRED", metadata: { workflow_id: "gone" } };
  expect(await client.failure("WorkflowService/CreateWorkflow", { workflow_id: "gone" })).toMatchObject(taken);
});

test("an id that is set free can be given again, and its history begins anew", async () => {
  await run("again", completed);
  await purge({ ...prefix("again"), free_ids: true });
  expect(await missing("again")).toMatchObject({ reason: "WORKFLOW_NOT_FOUND" });
  await run("again", []);
  const { events } = await client.call("WorkflowService/ListWorkflowEvents", { workflow_id: "again" });
  expect(events).toMatchObject([{ version: "1" }]);
});

test("what is listed is purged at its version; what stays is named, with why", async () => {
  await run("listed.done", completed);
  await run("listed.changed", completed);
  await run("listed.active", ["ACTIVE"]);
  await run("listed.answered", completed, { request_id: "listed" });
  const workflows = [
    { workflow_id: "listed.done", version: 3 },
    { workflow_id: "listed.changed", version: 2 },
    { workflow_id: "listed.active", version: 2 },
    { workflow_id: "listed.answered", version: 3 },
    { workflow_id: "listed.nobody", version: 3 },
  ];
  const kept = [
    { workflow_id: "listed.changed", reason: "KEPT_REASON_CHANGED" },
    { workflow_id: "listed.active", reason: "KEPT_REASON_NOT_TERMINAL" },
    { workflow_id: "listed.answered", reason: "KEPT_REASON_ANSWERED" },
    { workflow_id: "listed.nobody", reason: "KEPT_REASON_NOT_FOUND" },
  ];
  for (const dry_run of [true, false]) {
    expect(await purge({ workflows, dry_run })).toMatchObject({ workflow_ids: ["listed.done"], purged_events: "3", kept });
  }
  const first = await client.call("WorkflowService/CreateWorkflow", {
    ...{ workflow_id: "listed.answered", metadata: struct({ of: "listed.answered" }), ...by, request_id: "listed" },
  });
  expect(first.event.version).toBe("1");
  const young = { workflows: [{ workflow_id: "listed.changed", version: 3 }], older_than: { seconds: 3_600 } };
  expect(await purge(young)).toMatchObject({ kept: [{ reason: "KEPT_REASON_TOO_YOUNG" }] });
});

test.each([
  {
    field: "workflows[1].workflow_id",
    request: {
      workflows: [
        { workflow_id: "w", version: 1 },
        { workflow_id: "w", version: 2 },
      ],
    },
  },
  { field: "filter", request: { workflows: [{ workflow_id: "w", version: 1 }], filter: "true" } },
  { field: "page_size", request: { workflows: [{ workflow_id: "w", version: 1 }], page_size: 5 } },
  { field: "page_token", request: { workflows: [{ workflow_id: "w", version: 1 }], page_token: "x" } },
  { field: "filter", request: { ...now, filter: "workflow.nothing" } },
  { field: "older_than", request: { older_than: { seconds: -1 } } },
])("a purge that is asked for in an unclear way is refused, and $field is named", async ({ field, request }) => {
  const failure = await client.failure("WorkflowService/PurgeWorkflows", { ...by, ...request });
  expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: [field] });
});

test("page by page, each workflow is purged once, and a token belongs to its filter", async () => {
  for (let index = 0; index < 5; index += 1) await run(`page.${index}`, completed);
  const gone: string[] = [];
  for (let page_token = "", isMore = true; isMore; isMore = page_token !== "") {
    const answer = await purge({ ...prefix("page."), page_size: 2, page_token });
    expect(answer.workflow_ids.length).toBeLessThanOrEqual(2);
    gone.push(...answer.workflow_ids);
    page_token = answer.next_page_token;
  }
  expect(gone).toEqual(["page.0", "page.1", "page.2", "page.3", "page.4"]);
  const { next_page_token } = await purge({ ...now, filter: "true", page_size: 1, dry_run: true });
  if (next_page_token === "") return;
  const other = { ...by, ...now, filter: "false", page_token: next_page_token };
  expect(await client.failure("WorkflowService/PurgeWorkflows", other)).toMatchObject({ fields: ["page_token"] });
});

describe("watches", () => {
  const watchAfter = (after_sequence: string) => client.stream("WorkflowService/WatchWorkflowEvents", { after_sequence });

  test("of what is gone is told as REVISION_COMPACTED, with where nothing is missing from; the newest is never given again", async () => {
    await run("watched", completed);
    const newest = (await stats()).total_events;
    const { oldest_sequence } = await purge(prefix("watched"));
    expect(oldest_sequence).toBe(String(Number(newest) + 1));
    const late = await watchAfter(String(Number(newest) - 1)).end();
    expect(late).toMatchObject({ code: "OUT_OF_RANGE", reason: "REVISION_COMPACTED", metadata: { oldest_sequence } });

    const inTime = watchAfter(newest);
    expect(await inTime.next()).toMatchObject({ progress: { sequence: newest } });
    const fromOldest = client.stream("WorkflowService/WatchWorkflowEvents", { position: "WATCH_POSITION_OLDEST_AVAILABLE" });
    expect(await fromOldest.next()).toMatchObject({ progress: { sequence: newest } });
    await run("next", []);
    for (const watch of [inTime, fromOldest]) {
      expect(await watch.next()).toMatchObject({ event: { sequence: oldest_sequence, workflow_id: "next" } });
      watch.cancel();
    }
  });
});

describe("export", () => {
  test("a workflow comes with the events that it adds up to, in the order of ids, and from any place on", async () => {
    await run("out.a", completed);
    await run("out.b", ["ACTIVE"]);
    const filter = 'workflow.id.startsWith("out.")';
    const messages = await exported({ filter });
    expect(messages).toMatchObject([
      { workflow: { workflow_id: "out.a", version: "3" }, continues: false },
      { workflow: { workflow_id: "out.b", version: "2" }, continues: false },
    ]);
    for (const { workflow } of messages) expect(workflow).toEqual((await get(workflow.workflow_id)).workflow);
    const { events } = await client.call("WorkflowService/ListWorkflowEvents", { workflow_id: "out.a" });
    expect(messages[0]?.["events"]).toEqual(events);
    expect(await exported({ filter, after_workflow_id: "out.a" })).toMatchObject([{ workflow: { workflow_id: "out.b" } }]);
    expect(await exported({ filter, ...now })).toMatchObject([{ workflow: { workflow_id: "out.a" } }]);
    expect(await exported({ filter, older_than: { seconds: 3_600 } })).toEqual([]);
  });

  test("one with many events comes in several messages", async () => {
    await run("long", ["ACTIVE", ...Array.from({ length: 75 }, () => ["PAUSED", "ACTIVE"]).flat()]);
    const messages = await exported({ filter: 'workflow.id == "long"' });
    expect(messages.map(({ continues }) => continues)).toEqual([true, false]);
    expect(messages[0]?.["workflow"]).toMatchObject({ version: "152" });
    expect(messages[1]?.["workflow"]).toBeNull();
    const versions = messages.flatMap(({ events }) => events.map(({ version }: Message) => Number(version)));
    expect(versions).toEqual(Array.from({ length: 152 }, (_, index) => index + 1));
  });

  test("a filter that does not compile is refused", async () => {
    const stream = client.stream("WorkflowService/ExportWorkflows", { filter: "workflow.nothing" });
    expect(await stream.end()).toMatchObject({ reason: "INVALID_REQUEST", fields: ["filter"] });
  });
});

describe("concord workflow", () => {
  type Line = { readonly workflow: Message; readonly events: readonly Message[] };
  const lines = (text: string): readonly Line[] =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  const file = (name: string) => join(data.path, name);

  test("export writes a line a workflow, to standard output, a file, or a compressed one; never over a file", async () => {
    await run("cli.a", completed);
    await run("cli.b", ["ACTIVE"]);
    const filter = ["--filter", 'workflow.id.startsWith("cli.")'];
    const printed = await concord("export", ...filter);
    expect(printed).toMatchObject({ code: 0, err: "2 workflows with 5 events exported\n" });
    expect(lines(printed.out)).toMatchObject([
      {
        workflow: { workflowId: "cli.a", metadata: { of: "cli.a" } },
        events: [{ version: "1" }, { version: "2" }, { version: "3" }],
      },
      { workflow: { workflowId: "cli.b", state: "WORKFLOW_STATE_ACTIVE" }, events: [{}, { toState: "WORKFLOW_STATE_ACTIVE" }] },
    ]);
    expect(await concord("export", file("all.jsonl"), ...filter)).toMatchObject({ code: 0, out: "" });
    expect(await concord("export", file("all.jsonl.gz"), ...filter)).toMatchObject({ code: 0 });
    expect(readFileSync(file("all.jsonl"), "utf8")).toBe(printed.out);
    expect(gunzipSync(readFileSync(file("all.jsonl.gz"))).toString()).toBe(printed.out);
    const over = await concord("export", file("all.jsonl"), ...filter);
    expect(over.code).not.toBe(0);
    expect(over.err).toContain("all.jsonl");
    expect(readFileSync(file("all.jsonl"), "utf8")).toBe(printed.out);
  });

  test("purge says what would go; with --yes it purges that, after it is exported if wanted", async () => {
    await run("old.a", completed);
    await run("old.b", completed);
    await run("old.c", completed, { request_id: "old.c" });
    const wanted = ["purge", "--older-than", "0s", "--filter", 'workflow.id.startsWith("old.")', "--reason", "no need any more"];
    const would = await concord(...wanted);
    expect(would).toMatchObject({ code: 0, err: "" });
    expect(would.out).toBe(
      "2 workflows with 6 events would be purged: old.a, old.b\n1 stay: ANSWERED\nnothing was purged; --yes purges\n",
    );
    expect(await get("old.a")).toMatchObject({ workflow: { version: "3" } });

    const json = await concord(...wanted, "--yes", "--export", file("old.jsonl.gz"), "-o", "json");
    const totals = { purged: true, workflows: 2, events: 6, first: ["old.a", "old.b"], kept: { ANSWERED: 1 }, behindSinks: [] };
    expect(JSON.parse(json.out)).toEqual(totals);
    expect(lines(gunzipSync(readFileSync(file("old.jsonl.gz"))).toString()).map(({ workflow }) => workflow.workflowId)).toEqual([
      "old.a",
      "old.b",
      "old.c",
    ]);
    expect(await missing("old.b")).toMatchObject({ reason: "WORKFLOW_PURGED" });
    expect(await get("old.c")).toMatchObject({ workflow: { version: "3" } });
    expect((await concord(...wanted, "--yes")).out).toBe("0 workflows with 0 events were purged\n1 stay: ANSWERED\n");
    const unneeded = await concord(...wanted, "--export", file("dry.jsonl"));
    expect(unneeded.out).toContain("nothing was purged");
    expect(existsSync(file("dry.jsonl"))).toBe(false);
  });

  test("stats tell what was purged", async () => {
    const { kept_events, total_events, oldest_sequence } = await stats();
    const text = `${total_events}, of which ${kept_events} are kept; none is missing from ${oldest_sequence} on`;
    expect((await concord("stats")).out).toContain(text);
  });
});
