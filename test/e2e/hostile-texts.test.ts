import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { serve } from "../support/process.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { openRawCall } from "../support/raw-call.ts";
import { joinAs } from "../support/scripted-participant.ts";

// What callers wrote, and what an operator types, on its way through the command line.

const program = join(import.meta.dirname, "../../bin/concord");
const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: join(data.path, "server") });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

type Answer = { readonly code: number; readonly out: string; readonly err: string };

function concord(...args: readonly string[]): Promise<Answer> {
  const env = { ...process.env, CONCORD_ADDRESS: server.address, CONCORD_DATA_DIR: data.path };
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: 60_000 }, (error, out, err) => resolve({ code: Number(error?.code ?? 0), out, err }));
  });
}

const hostile = "\u001b[2J\r\nerror: forged \u009b31m \u202eevil \u2028 \u007f";
const shown = "\\u001b[2J\\r\\nerror: forged \\u009b31m \\u202eevil \\u2028 \\u007f";
const by = { reason: hostile, requested_by: hostile };
/** Line breaks apart, which the command makes itself. */
const acting = /[^\P{Cc}\n]|[\u202e\u2028]/u;

describe("a hostile text does nothing to a terminal", () => {
  test("in a workflow, its events, a watch, and JSON, which keeps its value", async () => {
    const created = await concord(
      "workflow",
      "create",
      "wf-1",
      "--metadata",
      JSON.stringify({ [hostile]: hostile }),
      "--reason",
      hostile,
    );
    expect(created.code).toBe(0);
    const outputs = [
      created.out,
      (await concord("workflow", "get", "wf-1")).out,
      (await concord("workflow", "events", "wf-1")).out,
    ];
    for (const out of outputs) {
      expect(out).not.toMatch(acting);
      expect(out).toContain("error: forged");
    }
    expect(outputs[2]?.trimEnd().split("\n")).toHaveLength(2);
    expect(outputs[2]).toContain(shown);
    const json = await concord("workflow", "events", "wf-1", "-o", "json");
    expect(JSON.parse(json.out)).toMatchObject({ reason: hostile, metadata: { [hostile]: hostile } });
  });

  test("in an error", async () => {
    const rule = { rule_id: "r", expression: "false", message: JSON.stringify(hostile).replaceAll("\u007f", "\\x7f"), ...by };
    await client.call("PredicateLogic/CreateRule", rule);
    await client.call("PredicateLogic/ActivateRule", { rule_id: "r", ...by });
    const denied = await concord("workflow", "transition", "wf-1", "ACTIVE");
    const checked = await concord("rule", "check", "wf-1", "ACTIVE");
    await client.call("PredicateLogic/DeactivateRule", { rule_id: "r", ...by });
    expect(denied).toEqual({ code: 1, out: "", err: `error: r: ${shown}\n  FAILED_PRECONDITION / RULE_DENIED\n` });
    expect(checked.out.split("\n")).toEqual([expect.stringMatching(/^RULE_DENIED/), `  denied by r (version 1): ${shown}`, ""]);
  });

  test("in a warning, which is told beside the answer; the event says that there was one", async () => {
    const message = JSON.stringify(hostile).replaceAll("\u007f", "\\x7f");
    const rule = { rule_id: "w", expression: "false", message, action: "RULE_ACTION_WARN", ...by };
    await client.call("PredicateLogic/CreateRule", rule);
    await client.call("PredicateLogic/ActivateRule", { rule_id: "w", ...by });
    const moved = await concord("workflow", "transition", "wf-1", "ACTIVE", "-o", "json");
    await client.call("PredicateLogic/DeactivateRule", { rule_id: "w", ...by });
    expect(moved).toMatchObject({ code: 0, err: `warning: w (version 1): ${shown}\n` });
    expect(JSON.parse(moved.out)).toMatchObject({ state: "WORKFLOW_STATE_ACTIVE" });
    const events = await concord("workflow", "events", "wf-1");
    expect(events.out.split("\n").map((line) => line.includes("TRANSITION (warned)"))).toEqual([false, false, true, false]);
  });

  test("in a transaction and its timeline", async () => {
    const participant = await joinAs(client, "clumsy");
    const silent = await joinAs(client, "silent");
    const participants = [{ participant_id: "clumsy" }, { participant_id: "silent" }];
    const executed = client.call("TwoPhaseCommit/ExecuteTransaction", { participants, ...by });
    participant.vote((await participant.expect("prepare")).transaction_id, "VOTE_VALUE_ABORT", hostile);
    const { transaction } = await executed;
    participant.leave();
    silent.leave();
    const { out } = await concord("tx", "get", transaction.transaction_id, "--timeline");
    expect(out).not.toMatch(acting);
    expect(out.split("\n").filter((line) => line.startsWith("error:"))).toEqual([]);
    expect(out).toContain(shown);
  });

  test("that is an argument", async () => {
    const { code, err } = await concord("workflow", "transition", "wf-1", hostile);
    expect(code).toBe(2);
    expect(err).not.toMatch(acting);
    expect(err).toContain(shown);
    const forged = await concord("work\nerror: forged");
    expect(forged.err).toBe("error: unknown command 'work\\nerror: forged'\n(--help shows what is possible)\n");
    // Commander's own line stays one.
    expect((await concord("workflw")).err).toMatch(/^error: unknown command 'workflw'\n\(Did you mean workflow\?\)\n/);
  });
});

describe("concord participant refuses at once, with exit code 2 and the rule, and makes nothing:", () => {
  test.each(["../../x", "a b", "", "é", "x".repeat(129), "-x"])('the id "%s"', async (id) => {
    const folder = join(data.path, "participants");
    const { code, err } = await concord("participant", "--data-dir", folder, "--trace", join(data.path, "trace"), "--", id);
    expect(code).toBe(2);
    expect(err).toContain("must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit");
    expect([existsSync(folder), existsSync(join(data.path, "trace"))]).toEqual([false, false]);
    expect(readdirSync(data.path)).toEqual(["server"]);
  });

  test.each(["nowhere", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:1,:2"])('the address "%s"', async (address) => {
    const folder = join(data.path, "participants");
    const { code, err } = await concord("participant", "p", "--data-dir", folder, "--address", address);
    expect(code).toBe(2);
    expect(err).toContain("must be host:port");
    expect(existsSync(folder)).toBe(false);
  });
});

test("an address that cannot be dialled is refused before anything is asked", async () => {
  const { code, err } = await concord("workflow", "list", "--address", "nowhere");
  expect([code, err]).toEqual([2, expect.stringContaining("must be host:port")]);
});

test("what the gRPC library complains of is a line of the log, not text of a stranger on standard error", async () => {
  const started = await serve(join(data.path, "complained"));
  const call = openRawCall(started.address, "/grpc.health.v1.Health/Check", { weird: "\u009b31m" });
  call.send(new Uint8Array());
  call.stream.end();
  expect(await call.status).toBe("0");
  call.close();
  expect(await started.logged("grpc complains")).toMatchObject({
    level: "warn",
    text: expect.stringContaining("weird: \u009b31m"),
  });
  await started.terminate();
  for (const line of started.text().trimEnd().split("\n")) expect(() => JSON.parse(line), line).not.toThrow();
});
