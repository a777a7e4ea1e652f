import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { type Answer, typed } from "../support/typed.ts";

// `concord workflow batch` and `concord workflow bulk` as an operator types them.

const data = temporaryFolder();
const file = join(data.path, "moves.jsonl");
let server: TestServer;
let counter = 0;
let ids: readonly [string, string];

beforeAll(async () => {
  server = await startServer({ dataDir: join(data.path, "server") });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

beforeEach(async () => {
  counter += 1;
  ids = [`a-${counter}`, `b-${counter}`];
  for (const workflowId of ids) await server.clients.workflows.createWorkflow({ workflowId, type: `type-${counter}` });
});

const concord = (...args: readonly string[]): Promise<Answer> => typed(["workflow", ...args], { address: server.address });

const jsonLines = ({ out }: Answer) =>
  out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

function write(...lines: readonly object[]): void {
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

test("batch: a row for each move, and exit code 1 if one is refused", async () => {
  write(
    { workflow_id: ids[0], target_state: "ACTIVE", event_metadata: { tray: 4 } },
    { workflow_id: ids[1], target_state: "PAUSED" },
  );
  const told = await concord("batch", file);
  expect(told).toMatchObject({ code: 1, err: "" });
  expect(told.out).toMatch(new RegExp(`^${ids[0]} +ACTIVE +2 +\\d+$`, "m"));
  expect(told.out).toMatch(new RegExp(`^${ids[1]} +INVALID_TRANSITION +- +- +workflow .* cannot go from CREATED to PAUSED`, "m"));
});

test("batch --all-or-nothing: all or none, and JSON for programs", async () => {
  write({ workflow_id: ids[0], target_state: "WORKFLOW_STATE_ACTIVE" }, { workflow_id: ids[1], target_state: "PAUSED" });
  const refused = await concord("batch", file, "--all-or-nothing", "-o", "json");
  expect(refused.code).toBe(1);
  expect(jsonLines(refused)).toMatchObject([
    { workflowId: ids[0], failure: { reason: "BATCH_ABORTED" } },
    { workflowId: ids[1], failure: { reason: "INVALID_TRANSITION" } },
  ]);
  write({ workflow_id: ids[0], target_state: "ACTIVE" }, { workflow_id: ids[1], target_state: "ACTIVE" });
  const made = await concord("batch", file, "--all-or-nothing", "-o", "json");
  expect(made.code).toBe(0);
  expect(jsonLines(made)).toMatchObject([{ moved: { version: "2" } }, { moved: { version: "2" } }]);
});

test("batch: a line that is no move is named, and nothing is asked for", async () => {
  writeFileSync(file, `{"workflow_id": "${ids[0]}", "target_state": "ACTIVE"}\n{"workflow": "x"}\n`);
  const told = await concord("batch", file);
  expect(told).toMatchObject({ code: 2, out: "" });
  expect(told.err).toContain(`${file}:2: `);
  writeFileSync(file, `{"workflow_id": "${ids[0]}", "target_state": "SLEEPING"}\n`);
  expect((await concord("batch", file)).err).toContain(`${file}:1: target_state: must be one of WORKFLOW_STATE_CREATED, `);
  expect(await concord("batch", join(data.path, "nothing"))).toMatchObject({
    code: 1,
    err: expect.stringContaining("cannot be read"),
  });
  writeFileSync(file, "\n");
  expect(await concord("batch", file)).toMatchObject({ code: 2, err: expect.stringContaining("has no line with a move") });
});

test("bulk start --wait shows how it goes on until it has ended; list, get and results tell of it", async () => {
  const filter = `workflow.type == "type-${counter}"`;
  await concord("transition", ids[0], "ACTIVE");
  const told = await concord(
    "bulk",
    "start",
    "--filter",
    filter,
    "--to",
    "PAUSED",
    "--wait",
    "--reason",
    "a campaign",
    "--by",
    "ada",
  );
  expect(told.code).toBe(1);
  expect(told.err).toMatch(/COMPLETED: 1 done, 1 refused, up to /);
  const id = /^operation: +(\S+)$/m.exec(told.out)?.[1] ?? "";
  expect(told.out).toMatch(/^action: +to PAUSED$/m);
  expect((await concord("bulk", "list")).out).toMatch(new RegExp(`^${id} +COMPLETED +to PAUSED +1 +1 +ada `, "m"));
  expect(jsonLines(await concord("bulk", "get", id, "-o", "json"))).toMatchObject([
    { bulkOperationId: id, state: "BULK_OPERATION_STATE_COMPLETED", reason: "a campaign" },
  ]);
  const results = await concord("bulk", "results", id);
  expect(results.out).toMatch(new RegExp(`^${ids[0]} +done: event \\d+$`, "m"));
  expect(results.out).toMatch(new RegExp(`^${ids[1]} +INVALID_TRANSITION +workflow `, "m"));
  expect(jsonLines(await concord("bulk", "results", id, "--refused", "-o", "json"))).toHaveLength(1);
});

test("bulk: a dry run, and pause, resume and cancel by an operator's word", async () => {
  const filter = `workflow.type == "type-${counter}"`;
  const dry = await concord("bulk", "start", "--filter", filter, "--to", "ACTIVE", "--dry-run", "--wait");
  expect(dry).toMatchObject({ code: 0 });
  expect(dry.out).toMatch(/^action: +to ACTIVE \(dry run\)$/m);
  // At a rate of 1, there is time for the rest.
  for (let index = 0; index < 100; index += 1)
    await server.clients.workflows.createWorkflow({ workflowId: `c-${counter}-${index}`, type: `type-${counter}` });
  const [started] = jsonLines(await concord("bulk", "start", "--filter", filter, "--to", "ACTIVE", "--rate", "1", "-o", "json"));
  const id = String(started?.["bulkOperationId"]);
  const word = [id, "--reason", "lunch"];
  expect((await concord("bulk", "pause", ...word)).out).toMatch(/^state: +PAUSED$/m);
  expect((await concord("bulk", "resume", ...word)).out).toMatch(/^state: +RUNNING$/m);
  expect((await concord("bulk", "cancel", ...word)).out).toMatch(/^state: +CANCELLED$/m);
  expect(await concord("bulk", "resume", ...word)).toMatchObject({ code: 1, err: expect.stringContaining("is CANCELLED") });
  expect(await concord("bulk", "start", "--filter", filter)).toMatchObject({
    code: 2,
    err: expect.stringContaining("--to STATE, --recover or --patch"),
  });
  expect(await concord("bulk", "start", "--to", "ACTIVE")).toMatchObject({ code: 2, err: expect.stringContaining("--filter") });
});
