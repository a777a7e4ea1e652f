import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { runConcord } from "../support/process.ts";
import { type Answer, typed } from "../support/typed.ts";

// What goes wrong at the command line: each complaint names what is wrong and what would be right, and none is a stack.

const data = temporaryFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: join(data.path, "server") });
  await server.clients.workflows.createWorkflow({ workflowId: "a" });
  mkdirSync(join(data.path, "folder"));
  const files = {
    empty: "",
    "not-json": '\n{"workflow_id": "a"',
    "wrong-state": '{"workflow_id":"a","target_state":"ACTIV"}',
    "wrong-key": '{"workflow_id":"a","targetstate":"ACTIVE"}',
    "wrong-version": '{"workflow_id":"a","target_state":"ACTIVE","expected_version":1.5}',
    "not-objects": '{"workflow_id":"a","target_state":"ACTIVE"}\nnull',
    "policy.yaml": "recovery: { initial_backoff: 99999999999999999999h }",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(data.path, name), `${text}\n`);
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

const concord = (words: string, address = server.address): Promise<Answer> =>
  typed(words.split(" "), { address, cwd: data.path });

const tooLong = "99999999999999999999h";

test.each([
  ["workflow batch folder", 1, "folder cannot be read: EISDIR"],
  ["workflow batch none", 1, "none cannot be read: ENOENT"],
  ["workflow batch empty", 2, "empty has no line with a move"],
  ["workflow batch not-json", 2, "not-json:2: "],
  ["workflow batch wrong-state", 2, "wrong-state:1: target_state: must be one of WORKFLOW_STATE_CREATED, "],
  ["workflow batch wrong-key", 2, "wrong-key:1: targetstate: is not known; the fields here are workflow_id, target_state, "],
  ["workflow batch wrong-version", 2, "wrong-version:1: expected_version: must be a whole number"],
  ["workflow batch not-objects", 2, "not-objects:2: must be a JSON object"],
  ["workflow bulk start --filter true", 2, "say what to do: --to STATE, --recover or --patch JSON"],
  ["workflow bulk get nobody", 1, 'no bulk operation "nobody" is kept'],
  ["workflow count --by site", 1, "group_by[0]: must be state, type, or metadata."],
  [`workflow deadline set a ACTIVE ${tooLong}`, 2, "of at most 10,000 years, or a time such as"],
  [`workflow create b --deadline ACTIVE@${tooLong}`, 2, "of at most 10,000 years, or a time such as"],
  ["workflow create b --deadline ACTIVE@2h@3h", 2, "It must be a duration such as"],
  ["workflow export folder", 1, "folder exists already, and is not overwritten; name a new file"],
  ["workflow export none/file", 1, "none/file cannot be written: ENOENT"],
  ["workflow purge --older-than 0s --reason x --yes --export empty", 1, "empty exists already, and is not overwritten"],
  ["workflow purge --older-than 0s --reason x --yes --export none/file", 1, "none/file cannot be written: ENOENT"],
  ["workflow update a --patch folder", 1, "cannot read folder: EISDIR"],
  ["workflow update a --patch empty", 2, "empty: It must be a JSON object"],
  ["workflow wait nobody", 1, 'workflow "nobody" does not exist'],
  ["policy apply none", 1, "none: error: there is no such file"],
  ["policy apply folder", 1, "folder: error: is a folder, and no file"],
  ["policy apply empty", 1, "empty: error: is empty; a policy that says nothing is {}"],
  ["policy apply policy.yaml", 1, "policy.yaml:1:30: error: must be a duration such as"],
  ["sink pause nobody --reason x", 1, 'there is no sink "nobody"; the server has none (--sinks)'],
  ["info more", 2, "too many arguments for 'info'"],
])("concord %s: exit code %i, and it says %j", async (words, code, complaint) => {
  const answer = await concord(words);
  expect(answer.err).toContain(complaint);
  expect(answer.err).not.toMatch(/^ +at /m);
  expect([answer.code, answer.out]).toEqual([code, ""]);
});

test("concord workflow batch -: exit code 2, and it says that there was no move", async () => {
  const started = runConcord(["workflow", "batch", "-", "--address", server.address]);
  expect(await started.exited).toBe(2);
  expect(started.text()).toContain("standard input has no line with a move");
});

test.each([
  "workflow bulk list",
  "workflow count",
  "workflow deadline cancel a",
  "workflow purge --older-than 0s --reason x",
  "workflow update a --set x=1",
  "workflow wait a",
  "policy list",
  "sink list",
  "info",
])("concord %s: where nobody answers, it says so", async (words) => {
  const err = expect.stringMatching(/^error: no Concord answers at 127\.0\.0\.1:1; /);
  expect(await concord(words, "127.0.0.1:1")).toMatchObject({ code: 1, err });
});

test("an export that comes to nothing leaves no file, which would be in the way of the next one", async () => {
  const path = join(data.path, "history.jsonl");
  expect(await concord("workflow export history.jsonl --filter nonsense")).toMatchObject({ code: 1 });
  expect(existsSync(path)).toBe(false);
  expect(await concord("workflow export history.jsonl", "127.0.0.1:1")).toMatchObject({ code: 1 });
  expect(existsSync(path)).toBe(false);
  // One that finds nothing is no failure.
  expect(await concord('workflow export history.jsonl --filter workflow.type=="none"')).toMatchObject({ code: 0 });
  expect(existsSync(path)).toBe(true);
});
