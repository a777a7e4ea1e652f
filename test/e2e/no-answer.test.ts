import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { participate, runConcord, type Server, serve } from "../support/process.ts";
import { createProtoClient, type Message } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

// A command whose server stops in the middle of it: what it says, and that what it says to do works.

const data = temporaryFolder();
let server: Server;

beforeAll(async () => {
  server = await serve(join(data.path, "server"));
  // It says nothing for as long as the test lasts, unless it is asked by hand.
  await participate("stock", { address: server.address, dataDir: data.path, flags: ["--delay", "3s"] });
});

afterAll(async () => {
  await server.kill();
  data.remove();
});

/**
 * Resolves once the server's callers have been told which transaction it is: that goes out before anything is prepared, and long before
 * the manager's vote comes back.
 */
async function isTold(transactionId: string, sign: { readonly type: string; readonly participant_id: string }): Promise<void> {
  const client = createProtoClient(server.address);
  const isSign = (line: Message) => line.type === sign.type && line.participant_id === sign.participant_id;
  const hasSign = async () =>
    (await client.call("TwoPhaseCommit/GetTransaction", { transaction_id: transactionId })).timeline.some(isSign);
  await until(hasSign, `${sign.type} of ${sign.participant_id}`).finally(client.close);
}

const concord = (...args: readonly string[]) => runConcord([...args, "--address", server.address]);

describe.each([
  {
    what: "an atomic transition",
    workflowId: "wf-1",
    args: ["workflow", "transition", "wf-1", "ACTIVE", "--enlist", "stock=2"],
    sign: { type: "TRANSACTION_EVENT_TYPE_VOTE_RECEIVED", participant_id: "concord.workflow" },
    look: ["workflow", "get", "wf-1"],
  },
  {
    what: "a transaction",
    workflowId: "wf-2",
    args: ["tx", "run", "stock=2"],
    sign: { type: "TRANSACTION_EVENT_TYPE_PREPARE_SENT", participant_id: "stock" },
    look: [],
  },
])("$what whose server hangs", ({ workflowId, args, sign, look }) => {
  test("exits with 3 and tells how to look and how to retry; both work once the server goes on", async () => {
    expect(await concord("workflow", "create", workflowId).exited).toBe(0);
    const seen = server.log.length;
    const asked = concord(...args, "--timeout", "3s", ...(args[0] === "tx" ? ["--prepare-timeout", "2s"] : []));
    const begun = await server.logged("transaction begun", seen);
    const transactionId = String(begun["transaction"]);
    await isTold(transactionId, sign);
    server.signal("SIGSTOP");
    const code = await asked.exited;
    server.signal("SIGCONT");
    expect(code, asked.text()).toBe(3);
    const where = `--address ${server.address}`;
    expect(asked.text()).toContain(`  outcome unknown: concord tx get ${transactionId} ${where}\n`);
    for (const command of [["tx", "get", transactionId], look]) {
      if (command.length === 0) continue;
      expect(asked.text()).toContain(`  outcome unknown: concord ${command.join(" ")} ${where}\n`);
      expect(await concord(...command).exited).toBe(0);
    }
    const [, requestId = ""] = /retry with --request-id (\S+)/.exec(asked.text()) ?? [];
    expect(requestId).not.toBe("");
  });
});

test("a command whose server dies exits with 3, and its retry with that id makes the move once", async () => {
  expect(await concord("workflow", "create", "wf-3").exited).toBe(0);
  const args = ["workflow", "transition", "wf-3", "ACTIVE", "--enlist", "stock=2", "--wait", "30s"];
  const seen = server.log.length;
  const asked = concord(...args);
  await server.logged("transaction begun", seen);
  await server.kill();
  expect(await asked.exited, asked.text()).toBe(3);
  expect(asked.text()).toContain(`the connection to ${server.address} broke before an answer came`);
  const [, requestId = ""] = /retry with --request-id (\S+)/.exec(asked.text()) ?? [];
  server = await serve(join(data.path, "server"), { listen: server.address });
  const retried = concord(...args, "--request-id", requestId);
  expect(await retried.exited, retried.text()).toBe(0);
  const again = concord(...args, "--request-id", requestId);
  expect([await again.exited, again.text()]).toEqual([0, retried.text()]);
});
