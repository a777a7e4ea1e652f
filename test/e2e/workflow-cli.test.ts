import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { type Answer, typed } from "../support/typed.ts";

// `concord workflow` and `concord info` as somebody types them: what they print, and what a script can branch on.

const data = temporaryFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: join(data.path, "server") });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

const concord = (...args: readonly string[]): Promise<Answer> => typed(args, { address: server.address });

const workflow = (...args: readonly string[]) => concord("workflow", ...args);

describe("create", () => {
  const create = ["create", "wf-1", "--metadata", '{"a":1}', "--start", "--if-exists", "return", "--by", "ada"];

  test("--start --if-exists return: it is ACTIVE, and found by whoever creates it again", async () => {
    const created = await workflow(...create);
    expect(created).toMatchObject({ code: 0, err: "" });
    expect(created.out).toMatch(/^state: +ACTIVE$/m);
    const again = await workflow(...create);
    expect(again).toMatchObject({ code: 0, out: created.out, err: "it existed already, and is the same; nothing was changed\n" });
  });

  test("another one of this name is refused, with what is different", async () => {
    const other = await workflow("create", "wf-1", "--metadata", '{"a":2}', "--if-exists", "return");
    expect(other.code).toBe(1);
    expect(other.err).toContain('workflow "wf-1" exists already, and is another one: it was created with other metadata');
  });

  test("what is no choice is told before anything is asked", async () => {
    expect(await workflow("create", "wf-1", "--if-exists", "maybe")).toMatchObject({
      code: 2,
      err: expect.stringContaining("It must be fail or return."),
    });
  });
});

describe("update", () => {
  test("--set, --remove and a file, what comes last counts", async () => {
    await workflow("create", "wf-2", "--metadata", '{"a":1,"b":2,"c":{"d":3}}');
    const file = join(data.path, "patch.json");
    writeFileSync(file, '{"b":null,"c":{"e":4},"f":0}');
    const updated = await workflow(
      "update",
      "wf-2",
      "--patch",
      file,
      "--set",
      "f=true",
      "--set",
      'note="ok"',
      "--remove",
      "a",
      "-o",
      "json",
    );
    expect(updated).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(updated.out)).toMatchObject({ version: "2", metadata: { c: { d: 3, e: 4 }, f: true, note: "ok" } });
    expect(Object.keys(JSON.parse(updated.out).metadata).toSorted()).toEqual(["c", "f", "note"]);
    expect((await workflow("events", "wf-2")).out).toMatch(/UPDATED +CREATED +CREATED +2/);
  });

  test.each([
    [[], "give --set, --remove or --patch"],
    [["--set", "a"], `It must be a key, = and JSON, such as approved=true`],
    [["--set", "a=text"], `It must be a key, = and JSON, such as approved=true`],
    [["--set", "a=1", "--remove", "a"], '"a" is given to --set and to --remove; give it to one of them'],
    [["--patch", "/nowhere.json"], "cannot read /nowhere.json"],
  ])("%j is no update", async (args, words) => {
    const refused = await workflow("update", "wf-2", ...args);
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain(words);
  });

  test("rules are asked beforehand with `rule check --update`", async () => {
    await concord(
      "rule",
      "create",
      "kept",
      "has(proposed.metadata.f)",
      "--operation",
      "update",
      "--message",
      "'f stays'",
      "--activate",
    );
    const denied = await concord("rule", "check", "wf-2", "--update", '{"f":null}');
    expect(denied.code).toBe(1);
    expect(denied.out).toContain("denied by kept (version 1): f stays");
    expect(await concord("rule", "check", "wf-2", "--update", '{"f":2}')).toMatchObject({ code: 0 });
    expect(await concord("rule", "explain", "wf-2", "--update", '{"f":null}')).toMatchObject({ code: 1 });
    expect(await concord("rule", "check", "wf-2")).toMatchObject({
      code: 2,
      err: expect.stringContaining("give a state to move to, or --update"),
    });
    expect((await concord("rule", "get", "kept")).out).toMatch(/^judges: +UPDATE$/m);
    const refused = await workflow("update", "wf-2", "--remove", "f");
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("FAILED_PRECONDITION / RULE_DENIED") });
  });
});

describe("wait", () => {
  test("prints the workflow when it is there", async () => {
    const reached = await workflow("wait", "wf-1", "--state", "paused", "--state", "ACTIVE");
    expect(reached).toMatchObject({ code: 0, err: "" });
    expect(reached.out).toMatch(/^state: +ACTIVE$/m);
  });

  test("exits with 1 when the time is over, or when it has ended otherwise", async () => {
    const late = await workflow("wait", "wf-1", "--min-version", "9", "--timeout", "100ms");
    expect(late).toMatchObject({
      code: 1,
      err: expect.stringContaining("wf-1 is ACTIVE at version 2, which was not waited for"),
    });
    await workflow("transition", "wf-1", "CANCELLED");
    const ended = await workflow("wait", "wf-1", "--state", "COMPLETED", "--timeout", "1h", "-o", "json");
    expect(ended).toMatchObject({ code: 1, err: expect.stringContaining("wf-1 is CANCELLED at version 3") });
    expect(JSON.parse(ended.out)).toMatchObject({ workflow: { state: "WORKFLOW_STATE_CANCELLED" } });
  });
});

test("info says what the server is", async () => {
  const { out, code } = await concord("info");
  expect(code).toBe(0);
  expect(out).toMatch(/^version: +\d+\.\d+\.\d+$/m);
  expect(out).toMatch(/^at most struct bytes: +65536$/m);
  expect(out).toMatch(/^at most wait: +1m$/m);
  expect(out).toMatch(/^can: .*update-metadata/m);
  expect(JSON.parse((await concord("info", "-o", "json")).out)).toMatchObject({ limits: { structDepth: 32 } });
});
