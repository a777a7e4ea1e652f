import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { runConcord } from "../support/process.ts";
import { typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// How a command shows what there is: as YAML, and again when it has changed.

const data = temporaryFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: join(data.path, "server") });
  const metadata = { note: "two\nlines", hidden: "a\u202eb\u0007", yes: "yes", number: 1.5, "<<": "merge" };
  await server.clients.workflows.createWorkflow({ workflowId: "wf-1", metadata });
  await server.clients.workflows.createWorkflow({ workflowId: "wf-2" });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

const concord = (...args: readonly string[]) => typed(args, { address: server.address });

test("YAML says what JSON says, a document for each, and acts on no terminal", async () => {
  for (const args of [["workflow", "list"], ["workflow", "get", "wf-1"], ["info"], ["rule", "list"]]) {
    const json = await concord(...args, "-o", "json");
    const yaml = await concord(...args, "-o", "yaml");
    expect(yaml).toMatchObject({ code: 0, err: "" });
    const lines = json.out.split("\n").filter((line) => line !== "");
    expect(parseAllDocuments(yaml.out).map((each) => each.toJS())).toEqual(lines.map((line) => JSON.parse(line)));
    for (const acting of ["\u0007", "\u202e"]) expect(yaml.out).not.toContain(acting);
  }
  expect((await concord("workflow", "get", "wf-1", "-o", "yaml")).out).toContain("  note: |-\n    two\n    lines\n");
});

test.skipIf(!existsSync("/dev/full")).each([
  [[], /^error: cannot write the output: ENOSPC\n$/],
  [["-o", "json"], /^\{"error":\{"exitCode":1,"message":"cannot write the output: ENOSPC"\}\}\n$/],
])("what cannot be written is a failure that is told: %j [needs /dev/full]", async (flags, told) => {
  const program = join(import.meta.dirname, "../../bin/concord");
  const asked = ["workflow", "list", "--address", server.address, ...flags];
  const shown = promisify(execFile)("sh", ["-c", 'exec "$0" "$@" >/dev/full', program, ...asked]);
  await expect(shown).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(told) });
});

test("a watched list is shown again when it has changed, and ends with Ctrl-C; programs get what is new", async () => {
  const flags = ["--watch", "--interval", "100ms", "--address", server.address];
  const table = runConcord(["workflow", "list", ...flags]);
  const json = runConcord(["workflow", "list", ...flags, "-o", "json"]);
  const heads = () => table.text().match(/^WORKFLOW /gm)?.length ?? 0;
  await until(() => heads() === 1 && json.text().includes('"wf-2"'), "both have shown the list");
  await server.clients.workflows.createWorkflow({ workflowId: "wf-3" });
  await until(() => table.text().includes("wf-3") && json.text().includes("wf-3"), "both show what is new");
  expect(heads()).toBe(2);
  expect(json.text().match(/"wf-2"/g)).toHaveLength(1);
  for (const each of [table, json]) each.signal("SIGINT");
  expect(await Promise.all([table.exited, json.exited])).toEqual([0, 0]);
});

test("a watch goes on while the server is away; what is not there fails at once", async () => {
  const missing = await concord("workflow", "get", "none", "--watch");
  expect(missing).toMatchObject({ code: 1, err: expect.stringContaining("WORKFLOW_NOT_FOUND") });

  const other = await startServer({ dataDir: join(data.path, "other") });
  const watch = runConcord(["workflow", "stats", "--watch", "--interval", "100ms", "--address", other.address]);
  const shown = () => watch.text().match(/^workflows: /gm)?.length ?? 0;
  await until(() => shown() === 1, "the watch has shown something");
  await other.stop();
  await until(() => watch.text().includes("no answer, still trying"), "the watch says that nobody answers");
  const back = await startServer({ dataDir: join(data.path, "other"), listen: other.address });
  await until(() => shown() === 2, "the watch goes on");
  await back.stop();
  watch.signal("SIGTERM");
  expect(await watch.exited).toBe(0);
});
