import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { participate, runNode, serve } from "../support/process.ts";
import { createProtoClient } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

// Nobody can read what a service says that writes to a full disk. It serves all the same, and stops when told.

const root = join(import.meta.dirname, "../..");
const data = temporaryFolder();
const started = new Set<ChildProcess>();
afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
  data.remove();
});

/** The real program, whose log is this file. */
function serveWithLog(log: string, args: readonly string[]): ChildProcess {
  const stderr = openSync(log, "a");
  const env = { ...process.env, CONCORD_LOG_FORMAT: "json", CONCORD_LOG_LEVEL: "debug" };
  const child = spawn(join(root, "bin/concord"), ["serve", ...args], { stdio: ["ignore", "ignore", stderr], env });
  closeSync(stderr);
  started.add(child);
  return child;
}

async function freeAddress(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, "close");
  return `127.0.0.1:${port}`;
}

const answers = (client: ReturnType<typeof createProtoClient>) =>
  until(
    () =>
      client
        .call("Health/Check", { service: "" })
        .then(() => true)
        .catch(() => false),
    "the server answers",
  );

test.skipIf(!existsSync("/dev/full"))(
  "a server whose log is on a full disk serves, and stops when told [needs /dev/full]",
  async () => {
    const address = await freeAddress();
    const server = serveWithLog("/dev/full", ["--listen", address, "--data-dir", join(data.path, "full")]);
    const exited = once(server, "exit");
    const client = createProtoClient(address);
    await answers(client);
    for (let i = 0; i < 20; i += 1) await client.call("WorkflowService/CreateWorkflow", { workflow_id: `wf-${i}` });
    client.close();
    server.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  },
);

test.skipIf(!existsSync("/dev/full"))(
  "transactions end under a trace that cannot be written, and the log says it [needs /dev/full]",
  async () => {
    const server = await serve(join(data.path, "traced"), { flags: ["--trace", "/dev/full"] });
    const client = createProtoClient(server.address);
    const flags = ["--trace", "/dev/full"];
    const [left] = await Promise.all(
      ["left", "right"].map((id) => participate(id, { address: server.address, dataDir: data.path, flags })),
    );
    const participants = ["left", "right"].map((participant_id) => ({ participant_id }));
    const { transaction } = await client.call("TwoPhaseCommit/ExecuteTransaction", { participants });
    expect(transaction).toMatchObject({ outcome: "OUTCOME_COMMITTED" });
    await until(async () => {
      const now = await client.call("TwoPhaseCommit/GetTransaction", { transaction_id: transaction.transaction_id });
      return now.transaction.phase === "TRANSACTION_PHASE_COMPLETED";
    }, "it is COMPLETED");
    for (const program of [server, left]) {
      await program?.logged({ level: "error", msg: "the trace cannot be written; what it would tell goes on" });
    }
    client.close();
    expect(await server.terminate()).toBe(0);
  },
);

test.skipIf(!existsSync("/dev/full"))(
  "a program with the default logger of the SDK goes on under a full disk, and ends by itself [needs /dev/full]",
  async () => {
    const server = await serve(join(data.path, "sdk"));
    const program = join(data.path, "app.ts");
    writeFileSync(
      program,
      `import { createParticipant, voteCommit } from ${JSON.stringify(join(root, "src/participant.ts"))};
       const participant = await createParticipant({
         coordinators: [${JSON.stringify(server.address)}],
         participantId: "app",
         log: ${JSON.stringify(join(data.path, "app.sqlite"))},
         resource: { prepare: async () => voteCommit, commit: async () => {}, abort: async () => {} },
       });
       const timer = setInterval(async () => {
         if (!participant.connected) return;
         clearInterval(timer);
         console.log("connected");
         await participant.close();
         console.log("closed");
       }, 5);`,
    );
    const child = runNode([
      "--eval",
      `require("node:child_process").spawnSync("sh", ["-c", 'exec "$0" "$1" 2>/dev/full', process.execPath, ${JSON.stringify(program)}], { stdio: "inherit" })`,
    ]);
    expect([await child.exited, child.text()]).toEqual([0, "connected\nclosed\n"]);
    expect(await server.terminate()).toBe(0);
  },
);

test("a log for machines is JSON to its last line, why it does not start included", async () => {
  const first = await serve(join(data.path, "first"));
  for (const [code, args] of [
    [1, ["--listen", first.address, "--data-dir", join(data.path, "second")]],
    [2, ["--max-workflows", "many"]],
    [2, ["--colour", "red"]],
  ] as const) {
    const log = join(data.path, `start-${args[0]}.log`);
    const [exitCode] = await once(serveWithLog(log, args), "exit");
    expect(exitCode).toBe(code);
    const lines = readFileSync(log, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(lines.at(-1)).toMatchObject({ level: "fatal", msg: expect.stringMatching(/cannot serve on|max-workflows|colour/) });
  }
  expect(await first.terminate()).toBe(0);
});
