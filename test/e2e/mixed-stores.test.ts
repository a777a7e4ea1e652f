import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { cpSync, globSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { failureOf, startServer, temporaryFolder } from "../support/concord.ts";
import { storageDir } from "../support/storage-dir.ts";
import { typed } from "../support/typed.ts";

const by = { reason: "a test", requestedBy: "ada" };

let folder: string;
let copy: string;
let running: Awaited<ReturnType<typeof startServer>> | undefined;

const start = async (settings: Parameters<typeof startServer>[0] = {}) => {
  running = await startServer({ dataDir: folder, verdictLog: "all", ...settings });
  return running;
};

async function stop(): Promise<void> {
  await running?.stop();
  running = undefined;
}

const made = temporaryFolder();
afterAll(made.remove);

/** A folder that was copied while nobody used it, and used since: rules and moves. */
beforeAll(async () => {
  folder = join(made.path, "data");
  copy = `${folder}-copy`;
  await start();
  await stop();
  cpSync(folder, copy, { recursive: true });
  const { clients } = await start();
  await clients.predicates.createRule({ ruleId: "calm", expression: "true", ...by });
  await clients.workflows.createWorkflow({ workflowId: "wf-1" });
  await clients.workflows.transitionWorkflow({ workflowId: "wf-1", targetState: WorkflowState.ACTIVE, ...by });
  await stop();
});

beforeEach(() => {
  folder = join(storageDir(), "data");
  copy = `${folder}-copy`;
  cpSync(join(made.path, "data"), folder, { recursive: true });
  cpSync(join(made.path, "data-copy"), copy, { recursive: true });
});

afterEach(stop);

const putBack = (name: string, from = copy): void => {
  for (const suffix of ["", ".lock"]) cpSync(join(from, `${name}.sqlite${suffix}`), join(folder, `${name}.sqlite${suffix}`));
};

test.each(["workflow", "predicate", "commit"])(
  "an older %s.sqlite is named, again and again; the right one fits",
  async (name) => {
    const path = join(folder, `${name}.sqlite`);
    renameSync(path, `${path}.right`);
    putBack(name);
    const older = new RegExp(`${name}\\.sqlite is older than .+ knows it: its last \\d+ or more writes are missing`);
    for (let attempt = 1; attempt <= 3; attempt += 1) await expect(start()).rejects.toThrow(older);
    renameSync(`${path}.right`, path);
    await start();
  },
);

/** What is in the folder, but for SQLite's indexes of logs, which are made anew at each opening. */
const contents = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    globSync("*", { cwd: folder })
      .filter((name) => !name.endsWith("-shm"))
      .sort()
      .map((name) => [name, hash("sha256", readFileSync(join(folder, name)))]),
  );

/** Of a start that is refused, and leaves all as it was. */
async function refusal(): Promise<readonly string[]> {
  const before = contents();
  const lines: { readonly msg: string }[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const refused = await startServer({ dataDir: folder, verdictLog: "all" }, logger).then(
    () => "it starts",
    (error: Error) => error.message,
  );
  expect(contents()).toEqual(before);
  expect(lines).toEqual([]);
  return refused.split("\n").filter((line) => line.startsWith("  "));
}

const remove = (name: string): void => {
  for (const suffix of ["", ".lock"]) rmSync(join(folder, `${name}.sqlite${suffix}`));
};

/** One that was used with others, under the same name. */
async function putAnother(name: string): Promise<void> {
  const own = folder;
  folder = `${own}-other`;
  const { clients } = await start();
  await clients.workflows.createWorkflow({ workflowId: "wf-1" });
  await clients.predicates.createRule({ ruleId: "other", expression: "true", ...by });
  await stop();
  folder = own;
  putBack(name, `${own}-other`);
}

test.each(["workflow", "predicate", "commit"])("a %s.sqlite that is missing is named once, and not made", async (name) => {
  remove(name);
  expect(await refusal()).toEqual([
    expect.stringMatching(new RegExp(`/${name}\\.sqlite is missing, and .+/(predicate|workflow)\\.sqlite was used with it$`)),
  ]);
});

test("where only one is left, each that is missing is named, and none is made", async () => {
  for (const name of ["workflow", "commit", "verdicts"]) remove(name);
  const [workflow, commit, ...more] = await refusal();
  expect(commit).toContain("/commit.sqlite is missing");
  expect(workflow).toContain("/workflow.sqlite is missing");
  expect(more).toEqual([]);
});

test("one of another folder is named once", async () => {
  await putAnother("commit");
  expect(await refusal()).toEqual([expect.stringMatching(/\/commit\.sqlite is not the store that .+\.sqlite was used with$/)]);
});

test("an older one is named once, and so it is beside a log that a kill has left", async () => {
  const { clients } = await start();
  await clients.workflows.createWorkflow({ workflowId: "wf-2" });
  await clients.predicates.createRule({ ruleId: "later", expression: "true", ...by });
  const killed = `${folder}-killed`;
  // In another process: a file that is closed here loses its locks.
  execFileSync("cp", ["-a", folder, killed]);
  await stop();
  for (const each of [folder, killed]) {
    folder = each;
    rmSync(join(folder, "predicate.sqlite-wal"), { force: true });
    putBack("predicate");
    expect(await refusal()).toEqual([expect.stringContaining("/predicate.sqlite is older than")]);
  }
  expect(Object.keys(contents())).toContain("workflow.sqlite-wal");
});

test("whoever says so goes on with them; status tells, and the next start takes them for a set", async () => {
  putBack("workflow");
  const { address } = await start({ mixedStores: "accept" });
  const { code, out } = await typed(["status"], { address });
  expect(code).toBe(1);
  expect(out).toContain(`! ${address} goes on with stores that do not belong together: ${folder}/workflow.sqlite is older than`);
  await stop();
  const next = await start();
  expect((await typed(["status"], { address: next.address })).out).not.toContain("belong together");
});

test("a verdict log that is older, or was moved away, keeps nobody from starting", async () => {
  putBack("verdicts");
  await start();
  await stop();
  remove("verdicts");
  await start();
});

test("copies of one run, made one after the other as the system copies files, do not fit", async () => {
  const { clients, address } = await start();
  const backUp = (to: string) => typed(["backup", "--data-dir", folder, "--to", to], { address });
  const [earlier, later] = [`${folder}-1`, `${folder}-2`];
  expect(await backUp(earlier)).toMatchObject({ code: 0 });
  await clients.workflows.createWorkflow({ workflowId: "wf-2" });
  await clients.predicates.createRule({ ruleId: "later", expression: "true", ...by });
  expect(await backUp(later)).toMatchObject({ code: 0 });
  await stop();
  cpSync(join(earlier, "workflow.sqlite"), join(later, "workflow.sqlite"));
  await expect(start({ dataDir: later })).rejects.toThrow(/workflow\.sqlite is older than/);
});

test("a restore that was not finished is not served", async () => {
  const { address } = await start();
  const to = `${folder}-1`;
  await typed(["backup", "--data-dir", folder, "--to", to], { address });
  await stop();
  const dataDir = `${folder}-2`;
  expect(await typed(["restore", "--from", to, "--data-dir", dataDir], { address })).toMatchObject({ code: 0 });
  const { clients } = await start({ dataDir });
  // The rules of a restored store go on where none has been before.
  await clients.predicates.createRule({ ruleId: "later", expression: "true", ...by });
  const { changes } = await clients.predicates.listRuleSetChanges({});
  expect(changes.map(({ sequence }) => sequence)).toEqual([1_000_000_002n, 1n]);
  const lost = clients.predicates.watchRuleSet({ afterSequence: 7n })[Symbol.asyncIterator]().next();
  expect(await failureOf(lost)).toMatchObject({ reason: "REVISION_COMPACTED", metadata: { oldest_sequence: "2" } });
  await stop();
  cpSync(join(to, "concord-backup.json"), join(dataDir, "concord-restore.unfinished.json"));
  await expect(start({ dataDir })).rejects.toThrow("was not finished");
});
