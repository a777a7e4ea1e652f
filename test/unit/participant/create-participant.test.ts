import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Outcome } from "../../../src/gen/concord/commit/v1/transaction.ts";
import {
  createKeyValueResource,
  createParticipant,
  createPostgresResource,
  encodeOperations,
  type ParticipantOptions,
  type Resource,
  voteAbort,
  voteCommit,
  voteReadOnly,
} from "../../../src/participant.ts";
import { createLogger } from "../../../src/runtime/logger.ts";
import { createMemoryParticipantLog } from "../../../src/storage/memory/participant-log.ts";
import { startServer, type TestServer, temporaryFolder } from "../../support/concord.ts";

const cleanups: (() => unknown)[] = [];
let folder: ReturnType<typeof temporaryFolder>;

beforeEach(() => {
  folder = temporaryFolder();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  folder.remove();
});

const nothing: Resource = { prepare: async () => voteCommit, commit: async () => {}, abort: async () => {} };

const options = (change: Partial<ParticipantOptions> = {}): ParticipantOptions => ({
  coordinators: ["127.0.0.1:1"],
  participantId: "a",
  log: join(folder.path, "log.sqlite"),
  resource: nothing,
  logger: createLogger({ level: "silent", format: "json" }),
  ...change,
});

async function participate(change: Partial<ParticipantOptions> = {}) {
  const participant = await createParticipant(options(change));
  cleanups.push(() => participant.close(0));
  return participant;
}

async function startCoordinator(): Promise<TestServer> {
  const server = await startServer({ dataDir: join(folder.path, "server") });
  cleanups.push(server.stop);
  return server;
}

async function execute({ clients }: TestServer, payloads: Readonly<Record<string, Uint8Array>>) {
  const participants = Object.entries(payloads).map(([participantId, payload]) => ({
    participantId,
    payload: Buffer.from(payload),
  }));
  const wait = { seconds: 20n, nanos: 0 };
  return (await clients.commits.executeTransaction({ participants, waitForParticipants: wait })).transaction;
}

describe("createParticipant", () => {
  test("three functions and a coordinator are all it takes", async () => {
    const server = await startCoordinator();
    const calls: string[] = [];
    const text = (payload: Uint8Array) => Buffer.from(payload).toString();
    const resource: Resource = {
      prepare: async ({ payload }) => {
        calls.push(`prepare ${text(payload)}`);
        return text(payload) === "too much" ? voteAbort("it is too much") : voteCommit;
      },
      commit: async ({ payload }) => void calls.push(`commit ${text(payload)}`),
      abort: async () => {},
    };
    const a = await participate({ coordinators: [server.address], resource });
    await participate({
      ...{ coordinators: [server.address], participantId: "b", log: createMemoryParticipantLog() },
      resource: { ...nothing, prepare: async () => voteReadOnly },
    });
    const done = await execute(server, { a: Buffer.from("some"), b: new Uint8Array() });
    expect(done?.outcome).toBe(Outcome.COMMITTED);
    const refused = await execute(server, { a: Buffer.from("too much"), b: new Uint8Array() });
    expect(refused).toMatchObject({ outcome: Outcome.ABORTED, abortReason: expect.stringContaining("it is too much") });
    expect(a.connected).toBe(true);
    expect(a.inDoubt()).toEqual([]);
    await a.close();
    expect(a.connected).toBe(false);
    expect(calls).toEqual(["prepare some", "commit some", "prepare too much"]);
  });

  test("a key-value store takes part as it is", async () => {
    const server = await startCoordinator();
    const resource = await createKeyValueResource({ path: join(folder.path, "store.sqlite") });
    cleanups.push(resource.close);
    await participate({ coordinators: [server.address], resource });
    const added = await execute(server, { a: encodeOperations([{ type: "add", key: "ada", amount: 5 }]) });
    expect(added?.outcome).toBe(Outcome.COMMITTED);
    expect(resource.get("ada")).toBe(5);
    const taken = await execute(server, { a: encodeOperations([{ type: "add", key: "ada", amount: -6, notBelow: 0 }]) });
    expect(taken?.outcome).toBe(Outcome.ABORTED);
    expect(resource.get("ada")).toBe(5);
  });

  test("it can be closed twice, and then opened again", async () => {
    const first = await participate();
    await Promise.all([first.close(), first.close()]);
    await participate();
  });

  test.each<[string, Partial<ParticipantOptions>]>([
    ["no coordinator", { coordinators: [] }],
    ["an address without a port", { coordinators: ["127.0.0.1"] }],
    ["an address with a port that there is not", { coordinators: ["127.0.0.1:70000"] }],
    ["a URL", { coordinators: ["http://127.0.0.1:50051"] }],
    ["a name that nobody can enlist", { participantId: "a b" }],
    ["no credit", { prepareCredit: 0 }],
  ])("%s is refused", async (_, change) => {
    await expect(createParticipant(options(change))).rejects.toMatchObject({
      name: "ParticipantError",
      type: "invalid-options",
    });
  });

  test("a log that is in use is refused, and says by whom", async () => {
    await participate();
    await expect(createParticipant(options())).rejects.toMatchObject({
      type: "log-locked",
      message: expect.stringContaining(`process ${process.pid}`),
    });
  });

  test("a log that is damaged is refused", async () => {
    writeFileSync(join(folder.path, "log.sqlite"), "this is no database, but it is long enough to be taken for one".repeat(100));
    await expect(createParticipant(options())).rejects.toMatchObject({ type: "log-corrupt" });
  });

  test("a resource that cannot say what it holds is refused, and the log is free again", async () => {
    const prepared = async () => Promise.reject(new Error("the database is away"));
    await expect(createParticipant(options({ resource: { ...nothing, prepared } }))).rejects.toMatchObject({
      type: "recovery-failed",
      message: expect.stringContaining("the database is away"),
    });
    await participate();
  });

  test("a database or a store that is not there is refused", async () => {
    const connection = { connectionString: "postgres://nobody@127.0.0.1:1/none" };
    const postgres = createPostgresResource({ participantId: "a", connection, work: async () => {} });
    await expect(postgres).rejects.toMatchObject({ type: "postgres-unreachable" });
    writeFileSync(join(folder.path, "file"), "");
    const store = createKeyValueResource({ path: join(folder.path, "file", "store.sqlite") });
    await expect(store).rejects.toMatchObject({ type: "store-inaccessible" });
  });
});
