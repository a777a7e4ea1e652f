import { existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { type Program, runConcord, serve } from "../support/process.ts";
import { createProtoClient, type ProtoClient } from "../support/proto-client.ts";
import { storageDir } from "../support/storage-dir.ts";
import { damage, rootPage } from "../support/storage-page.ts";
import { until } from "../support/until.ts";

const services = ["workflow.v1.WorkflowService", "predicate.v1.PredicateLogic", "commit.v1.TwoPhaseCommit"] as const;

const create = { workflow_id: "wf-1" };

/** A folder in which a server has run. */
async function usedFolder(): Promise<string> {
  const folder = join(storageDir(), "data");
  const server = await serve(folder);
  const client = createProtoClient(server.address);
  await client.call("WorkflowService/CreateWorkflow", create);
  client.close();
  expect(await server.terminate()).toBe(0);
  return folder;
}

const health = async (client: ProtoClient, service: (typeof services)[number]): Promise<string> =>
  (await client.call("Health/Check", { service: `concord.${service}` })).status;

const notWritable = (program: Program) => program.log.filter(({ msg }) => msg === "the store cannot be written; reads go on");

/** What an operator is told by a server that does not start. */
async function refusal(folder: string, ...flags: string[]): Promise<string> {
  const started = runConcord(["serve", "--listen", "127.0.0.1:0", "--data-dir", folder, ...flags]);
  expect(await started.exited).toBe(1);
  return started.text();
}

const unavailable = { code: "UNAVAILABLE", reason: "STORAGE_UNAVAILABLE" };

test("a data folder that is removed under a running server: nothing more is acknowledged, health and log tell", async () => {
  const folder = await usedFolder();
  const server = await serve(folder);
  const client = createProtoClient(server.address);
  renameSync(folder, `${folder}-moved`);
  expect(await client.failure("WorkflowService/CreateWorkflow", { workflow_id: "wf-2" })).toMatchObject(unavailable);
  for (const service of services) {
    await until(async () => (await health(client, service)) === "NOT_SERVING", `${service} does not serve`);
  }
  expect(await client.failure("TwoPhaseCommit/ExecuteTransaction", {})).toMatchObject(unavailable);
  expect(await client.call("WorkflowService/GetWorkflow", create)).toMatchObject({ workflow: { version: "1" } });
  // A line of the log may come later than an answer.
  await until(() => notWritable(server).length === services.length, "each store that cannot be written has its line");
  const causes = notWritable(server).map(({ cause }) => String(cause));
  expect(causes.toSorted()).toStrictEqual(
    ["commit", "predicate", "workflow"].map((name) =>
      expect.stringMatching(`^${folder}/${name}\\.sqlite was removed or replaced`),
    ),
  );
  client.close();
  await server.kill();

  renameSync(`${folder}-moved`, folder);
  const again = await serve(folder);
  expect(await again.terminate()).toBe(0);
});

test("a damaged page that a read meets is UNAVAILABLE, in the health, and one line of the log", async () => {
  const folder = await usedFolder();
  const path = join(folder, "workflow.sqlite");
  const page = rootPage(path, "events_of_workflow");
  const server = await serve(folder);
  const client = createProtoClient(server.address);
  damage(page);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    expect(await client.failure("WorkflowService/ListWorkflowEvents", create)).toMatchObject(unavailable);
  }
  expect(await health(client, services[0])).toBe("NOT_SERVING");
  expect(await health(client, services[2])).toBe("SERVING");
  expect(await client.failure("WorkflowService/CreateWorkflow", { workflow_id: "wf-2" })).toMatchObject(unavailable);
  expect(await client.call("WorkflowService/GetWorkflow", create)).toMatchObject({ workflow: { version: "1" } });
  client.close();
  await server.terminate();
  expect(notWritable(server)).toMatchObject([
    { level: "error", cause: expect.stringMatching(`^${path} is damaged .+ Move it away and restore it from a backup\\.$`) },
  ]);
  expect(await refusal(folder)).toContain(`${path} is damaged or is no SQLite database`);
});

test("an empty decision log, and a missing one, are not taken for a new one", async () => {
  const folder = await usedFolder();
  const path = join(folder, "commit.sqlite");
  const log = readFileSync(path);
  writeFileSync(path, "");
  expect(await refusal(folder)).toContain(`${path} is empty: what was in it is lost. Restore it from a backup.`);
  rmSync(path);
  expect(await refusal(folder)).toContain(`${path} is missing, but it was there before. Restore it from a backup.`);
  expect(await refusal(folder, "--decision-log", "take-over")).toContain(`${path} is missing, but it was there before.`);
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, log);
  expect(await (await serve(folder)).terminate()).toBe(0);
});

test("acknowledged writes whose log is gone after kill -9 are not passed over", async () => {
  const folder = await usedFolder();
  const server = await serve(folder);
  const client = createProtoClient(server.address);
  await client.call("WorkflowService/CreateWorkflow", { workflow_id: "wf-2" });
  client.close();
  await server.kill();
  for (const suffix of ["-wal", "-shm"]) rmSync(join(folder, `workflow.sqlite${suffix}`));
  expect(await refusal(folder)).toContain(`${folder}/workflow.sqlite-wal is missing, but it was there before`);
});

test.skipIf(process.platform !== "linux")("a data folder that nobody can make is refused in one line [needs /proc]", async () => {
  expect(await refusal("/proc/none/data")).toMatch(/^.+"data-dir: cannot create \/proc\/none\/data: ENOENT.+\n$/);
});

test("a new store is refused beside those that were used with another one, and else worth a warning", async () => {
  const folder = await usedFolder();
  const names = ["predicate", "workflow"].map((name) => join(folder, `${name}.sqlite`));
  for (const suffix of ["", ".lock"]) rmSync(join(folder, `commit.sqlite${suffix}`));
  expect(await refusal(folder)).toContain(`commit.sqlite is missing, and ${names[1]} was used with it`);
  expect(existsSync(join(folder, "commit.sqlite"))).toBe(false);

  // What knows of them is gone, too.
  for (const path of [...names, join(folder, "verdicts.sqlite")])
    for (const suffix of ["", ".lock"]) rmSync(`${path}${suffix}`, { force: true });
  const log = await openSqliteDecisionLog({ path: join(folder, "commit.sqlite") });
  if (log.ok) await log.value.close();
  const server = await serve(folder);
  expect(await server.terminate()).toBe(0);
  expect(server.log.filter(({ msg }) => msg.startsWith("a new, empty store is made"))).toMatchObject(
    names.map((file) => ({ level: "warn", file, msg: expect.stringContaining("restore it from a backup") })),
  );
});

test("a second server by another name of the folder is refused", async () => {
  const folder = await usedFolder();
  const link = join(storageDir(), "link");
  symlinkSync(folder, link);
  const server = await serve(folder);
  expect(await refusal(link)).toContain(`is in use by process ${server.pid} on`);
  expect(await server.terminate()).toBe(0);
});
