import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sinkCommand } from "../../src/cli/sink.ts";
import { workflowCommand } from "../../src/cli/workflow.ts";
import { runCommand } from "../support/command.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

// What a stranger's client sees of a sink: how far it is, and what a purge has to do with it. The receiver takes everything.

const data = temporaryFolder();
const by = { reason: "a test", requested_by: "ada" };
const taken: number[] = [];
let server: TestServer;
let client: ProtoClient;

const receiver = createServer(async (request, response) => {
  const event = (await json(request)) as { readonly sequence: string };
  if (request.url === "/") taken.push(Number(event.sequence));
  response.writeHead(204).end();
});

beforeAll(async () => {
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  process.env["CONTRACT_SINKS_SECRET"] = "secret";
  const { port } = receiver.address() as AddressInfo;
  const hook = { name: "hook", type: "webhook", url: `http://127.0.0.1:${port}/`, secret_env: "CONTRACT_SINKS_SECRET" };
  const file = join(data.path, "sinks.yaml");
  writeFileSync(file, JSON.stringify({ sinks: [hook, { ...hook, name: "other", url: `${hook.url}other`, start: "now" }] }));
  server = await startServer({ dataDir: data.path, sinks: file });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  receiver.closeAllConnections();
  receiver.close();
  data.remove();
});

async function end(workflow_id: string): Promise<void> {
  await client.call("WorkflowService/CreateWorkflow", { workflow_id, ...by });
  for (const state of ["ACTIVE", "COMPLETED"])
    await client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: `WORKFLOW_STATE_${state}`, ...by });
}

const purge = (fields: Message = {}) =>
  client.call("WorkflowService/PurgeWorkflows", { older_than: { seconds: 0, nanos: 0 }, ...fields, ...by });

async function sink(name = "hook"): Promise<Message> {
  const { sinks } = await client.call("WorkflowService/ListSinks", {});
  return sinks.find((each: Message) => each.name === name);
}

/** The cursor is stored a moment after it has moved. */
const purged = (id: string, fields: Message = {}) =>
  until(async () => (await purge(fields)).workflow_ids.includes(id), `${id} is purged`);

test("sinks are listed page by page, in the order of their names", async () => {
  const first = await client.call("WorkflowService/ListSinks", { page_size: 1 });
  expect(first.sinks).toMatchObject([{ name: "hook" }]);
  const second = await client.call("WorkflowService/ListSinks", { page_size: 1, page_token: first.next_page_token });
  expect([second.sinks.map(({ name }: Message) => name), second.next_page_token]).toEqual([["other"], ""]);
});

test("what a sink has not published is not purged, unless it is asked for; then the sink stops, and goes on by a reset", async () => {
  await end("published");
  await until(async () => (await sink()).lag_events === "0" && (await sink("other")).lag_events === "0", "all is published");
  expect(await sink()).toMatchObject({
    state: "SINK_STATE_DELIVERING",
    cursor: "3",
    newest: "3",
    last_error: "",
    last_error_at: null,
  });
  await purged("published");

  await client.call("WorkflowService/PauseSink", { sink: "hook", ...by });
  await end("unpublished");
  const kept = await purge();
  expect(kept).toMatchObject({ workflow_ids: [], kept: [{ workflow_id: "unpublished", reason: "KEPT_REASON_UNDELIVERED" }] });
  expect(await purge({ with_undelivered: true, dry_run: true })).toMatchObject({ behind_sinks: ["hook"] });
  await purged("unpublished", { with_undelivered: true });

  await client.call("WorkflowService/ResumeSink", { sink: "hook", ...by });
  await until(async () => (await sink()).state === "SINK_STATE_COMPACTED", "the sink has found what is missing");
  expect((await sink()).last_error).toBe(
    "of the events from 4 to 6 some were purged before they were published; to publish those that are kept: concord sink reset hook --to 3 --across-purged",
  );
  const state = { code: "FAILED_PRECONDITION", reason: "SINK_STATE", metadata: { sink: "hook", state: "COMPACTED" } };
  expect(await client.failure("WorkflowService/ResumeSink", { sink: "hook", ...by })).toMatchObject(state);
  expect(await client.failure("WorkflowService/ResetSink", { sink: "hook", after_sequence: 4, ...by })).toMatchObject({
    code: "OUT_OF_RANGE",
    reason: "REVISION_COMPACTED",
    metadata: { oldest_sequence: "7" },
  });
  const place = { position: "SINK_POSITION_OLDEST_AVAILABLE" };
  expect(await client.call("WorkflowService/ResetSink", { sink: "hook", ...place, ...by })).toMatchObject({
    cursor_before: "3",
    cursor: "6",
  });
  taken.length = 0;
  await end("after");
  await until(async () => (await sink()).lag_events === "0" && (await sink("other")).lag_events === "0", "it goes on");
  expect([...new Set(taken)].toSorted()).toEqual([7, 8, 9]);
});

test("events of other workflows that a purge left are published after a reset across what was purged, and stay until then", async () => {
  const before = Number((await sink()).newest);
  await client.call("WorkflowService/PauseSink", { sink: "hook", ...by });
  for (let index = 0; index < 10; index += 1) await end(`kept-${index}`);
  await end("small");
  for (let index = 10; index < 20; index += 1) await end(`kept-${index}`);
  const small = { workflows: [{ workflow_id: "small", version: "3" }], older_than: null };
  expect(await purge(small)).toMatchObject({ workflow_ids: [], behind_sinks: [] });
  const answer = await purge({ ...small, with_undelivered: true });
  expect(answer).toMatchObject({ workflow_ids: ["small"], purged_events: "3", behind_sinks: expect.arrayContaining(["hook"]) });

  taken.length = 0;
  await client.call("WorkflowService/ResumeSink", { sink: "hook", ...by });
  await until(async () => (await sink()).state === "SINK_STATE_COMPACTED", "the sink has found what is missing");
  const { kept } = await purge();
  expect(kept).toHaveLength(20);
  expect(new Set(kept.map(({ reason }: Message) => reason))).toEqual(new Set(["KEPT_REASON_UNDELIVERED"]));

  const place = { sink: "hook", after_sequence: before };
  const refused = await client.failure("WorkflowService/ResetSink", { ...place, ...by });
  expect(refused).toMatchObject({ reason: "REVISION_COMPACTED", message: expect.stringContaining("across_purged") });
  const reset = await client.call("WorkflowService/ResetSink", { ...place, across_purged: true, ...by });
  expect(reset).toMatchObject({ cursor_before: String(before), cursor: String(before) });
  await until(async () => (await sink()).lag_events === "0", "all that is kept is published");
  const sequences = Array.from({ length: 63 }, (_, index) => before + index + 1);
  const others = sequences.filter((sequence) => sequence <= before + 30 || sequence > before + 33);
  expect([...new Set(taken)].filter((sequence) => sequence > before).toSorted((a, b) => a - b)).toEqual(others);
  expect(await sink()).toMatchObject({ state: "SINK_STATE_DELIVERING", last_error: "" });
});

test("at the command line, too: a dry run names the sinks that would stop, and a sink is reset across what was purged", async () => {
  const concord = async (command: typeof sinkCommand, ...args: readonly string[]): Promise<string> =>
    (await runCommand(command(), ...args, "--reason", "a test", "--address", server.address)).out;
  await client.call("WorkflowService/PauseSink", { sink: "hook", ...by });
  await end("last");
  const dry = await concord(workflowCommand, "purge", "--older-than", "0s", "--with-undelivered");
  expect(dry).toContain("1 sinks would stop, as they have not published all of it: hook\n");
  await client.call("WorkflowService/ResumeSink", { sink: "hook", ...by });
  taken.length = 0;
  const { newest } = await client.call("WorkflowService/ListSinks", {}).then(({ sinks: [first] }) => first);
  expect(await concord(sinkCommand, "reset", "hook", "--to", "oldest", "--across-purged")).toContain("hook goes on after 0");
  await until(async () => (await sink()).lag_events === "0", "all that is kept is published");
  // The three workflows of before and the small one are gone, with three events each.
  expect(new Set(taken).size).toBe(Number(newest) - 12);
});

test("a file of sinks with something wrong is refused before anything is made", async () => {
  const file = join(data.path, "wrong.yaml");
  writeFileSync(file, JSON.stringify({ sinks: [{ name: "hook", type: "webhook", url: "http://127.0.0.1:1/" }] }));
  const dataDir = join(data.path, "none");
  await expect(startServer({ dataDir, sinks: file })).rejects.toThrow("sinks[0].secret_env is required");
  expect(existsSync(dataDir)).toBe(false);
});

test("a reset must say to where, and only to what there is", async () => {
  const invalid = (field: string) => ({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: [field] });
  const reset = (fields: Message) => client.failure("WorkflowService/ResetSink", { sink: "hook", ...fields, ...by });
  expect(await reset({})).toMatchObject(invalid("to"));
  expect(await reset({ position: "SINK_POSITION_UNSPECIFIED" })).toMatchObject(invalid("position"));
  expect(await reset({ after_sequence: -1 })).toMatchObject(invalid("after_sequence"));
  expect(await reset({ after_sequence: 1_000 })).toMatchObject(invalid("after_sequence"));
});
