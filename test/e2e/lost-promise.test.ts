import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bankSchema, type Movement } from "../../examples/bank-transfer/money.ts";
import { freePort, type Postgres, startPostgres, whyNoPostgres } from "../../examples/bank-transfer/postgres.ts";
import { type Clients, connect } from "../../src/cli/client.ts";
import { Outcome, VoteValue } from "../../src/gen/concord/commit/v1/transaction.ts";
import { createParticipant, encodeOperations, type Participant, voteCommit } from "../../src/participant.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { temporaryFolder } from "../support/concord.ts";
import { type Program, runNode, type Server, serve } from "../support/process.ts";
import { until } from "../support/until.ts";

// A participant has promised, and a client has heard COMMITTED; then what was promised is taken from it. What everybody is told, and how it
// ends, as docs/two-phase-commit.md has it.

const missing = await whyNoPostgres();
if (missing !== undefined && process.env["CI"] !== undefined) throw new Error(missing);

const root = join(import.meta.dirname, "../..");
const folder = temporaryFolder();
let server: Server;
let metrics: string;
let clients: Clients;
let channel: ReturnType<typeof openChannel>;
let witness: Participant;
/** What the second participant waits for before it votes. */
let gate: PromiseWithResolvers<void>;

const fileOf = (name: string) => join(folder.path, `${name}.sqlite`);

/** A program of examples/bank-transfer that has a session. */
async function start(program: "bank" | "ledger", store: string, log: string = program): Promise<Program> {
  const started = runNode([join(root, `examples/bank-transfer/${program}.ts`), program, store, server.address, fileOf(log)]);
  await started.logged("connected");
  return started;
}

/** As an operator types it. Resolves to what it prints. */
function concord(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, CONCORD_ADDRESS: server.address };
  return new Promise((resolve, reject) => {
    execFile(join(root, "bin/concord"), args, { env }, (error, out) => (error ? reject(error) : resolve(out)));
  });
}

async function lostCount(): Promise<number> {
  const text = await (await fetch(`http://${metrics}/metrics`)).text();
  return Number(/^concord_commit_promises_lost_total (\d+)$/m.exec(text)?.[1]);
}

const completed = (transactionId: string) =>
  until(async () => /^phase: +COMPLETED$/m.test(await concord("tx", "get", transactionId)), "the transaction is over");

/** Resolves to a transaction that this participant has promised, and that is committed after it was killed. */
async function committedWithout(participantId: string, program: Program, payload: Buffer): Promise<string> {
  gate = Promise.withResolvers();
  const seen = program.log.length;
  const heard = clients.commits.executeTransaction({
    participants: [
      { participantId, payload },
      { participantId: "witness", payload: Buffer.alloc(0) },
    ],
    prepareTimeout: { seconds: 60n, nanos: 0 },
  });
  const sent = await until(() => program.log.slice(seen).find(({ msg }) => msg === "vote sent"), `${participantId} has voted`);
  const transactionId = String(sent["transaction"]);
  await until(async () => {
    const { transaction } = await clients.commits.getTransaction({ transactionId });
    return transaction?.participants[0]?.vote === VoteValue.COMMIT;
  }, "its vote has arrived");
  await program.kill();
  gate.resolve();
  expect((await heard).transaction?.outcome).toBe(Outcome.COMMITTED);
  return transactionId;
}

/** What everybody is told of a lost promise, and how an operator ends it. */
async function expectLost(participant: string, transactionId: string, reason: RegExp, lostBefore: number): Promise<void> {
  const line = await server.logged({ msg: "a promise is lost", transaction: transactionId });
  expect(line).toMatchObject({ level: "error", participant, reason: expect.stringMatching(reason) });
  expect(await lostCount()).toBe(lostBefore + 1);
  const shown = await concord("tx", "get", transactionId, "--timeline");
  expect(shown).toMatch(/^outcome: +COMMITTED$/m);
  expect(shown).not.toMatch(/^phase: +COMPLETED$/m);
  expect(shown).toMatch(/^heuristic: +MIXED$/m);
  expect(shown).toMatch(new RegExp(`^${participant} +COMMIT .*LOST`, "m"));
  expect(shown).toMatch(new RegExp(`ACK_RECEIVED .*${participant} .*LOST: `));
  const { transaction } = await clients.commits.getTransaction({ transactionId });
  expect(transaction?.participants[0]?.lostReason).toMatch(reason);
  expect(await concord("tx", "list", "--filter", 'transaction.heuristic == "MIXED"')).toContain(transactionId);
  await concord("tx", "resolve", transactionId, "committed", "--reason", "mended by hand");
  expect(await concord("tx", "get", transactionId)).toMatch(/^phase: +COMPLETED$/m);
}

beforeAll(async () => {
  metrics = `127.0.0.1:${await freePort()}`;
  server = await serve(join(folder.path, "server"), { flags: ["--services", "commit", "--metrics-listen", metrics] });
  channel = openChannel(server.address);
  clients = connect(channel);
  const resource = {
    prepare: async () => {
      await gate.promise;
      return voteCommit;
    },
    commit: async () => {},
    abort: async () => {},
  };
  const logger = createLogger({ level: "silent", format: "json" });
  const options = { coordinators: [server.address], participantId: "witness", log: fileOf("witness"), resource, logger };
  witness = await createParticipant(options);
  await until(() => witness.connected, "the witness is connected");
});

afterAll(async () => {
  await witness.close();
  channel.close();
  await server.terminate();
  folder.remove();
});

describe.skipIf(missing !== undefined)(`a bank on PostgreSQL${missing === undefined ? "" : ` [SKIPPED: ${missing}]`}`, () => {
  const naming = "the resource holds promises that were made for another log of this participant; they are left alone";
  let postgres: Postgres;
  let bank: Program;
  let transfers = 0;

  const startBank = (log?: string) => start("bank", postgres.url("bank"), log);

  async function query<T extends pg.QueryResultRow>(sql: string): Promise<readonly T[]> {
    const client = new pg.Client({ connectionString: postgres.url("bank") });
    await client.connect();
    return (await client.query<T>(sql).finally(() => client.end())).rows;
  }

  const gids = async () => (await query<{ gid: string }>("SELECT gid FROM pg_prepared_xacts")).map(({ gid }) => gid);
  const balance = async () =>
    Number((await query<{ balance: string }>("SELECT balance FROM accounts WHERE id = 'ada'"))[0]?.balance);

  function promised(): Promise<string> {
    const movement: Movement = { transfer: `t${++transfers}`, account: "ada", amount: 5 };
    return committedWithout("bank", bank, Buffer.from(JSON.stringify(movement)));
  }

  beforeAll(async () => {
    postgres = await startPostgres(folder.path);
    await postgres.createDatabase("bank");
  });

  beforeEach(async () => {
    await query(`DROP TABLE IF EXISTS movements, accounts; ${bankSchema}; INSERT INTO accounts VALUES ('ada', 10)`);
    bank = await startBank();
  });

  afterEach(async () => {
    await bank.kill();
    for (const gid of await gids()) await query(`ROLLBACK PREPARED '${gid}'`);
  });

  afterAll(() => postgres.stop());

  test("has lost a promise that was rolled back by hand", async () => {
    const before = await lostCount();
    const transactionId = await promised();
    for (const gid of await gids()) await query(`ROLLBACK PREPARED '${gid}'`);
    bank = await startBank();
    await expectLost("bank", transactionId, /^neither the prepared transaction concord\/bank\/.* rolled back by hand/, before);
    expect(await balance()).toBe(10);
  });

  test("has kept a promise that was committed by hand", async () => {
    const before = await lostCount();
    const transactionId = await promised();
    for (const gid of await gids()) await query(`COMMIT PREPARED '${gid}'`);
    bank = await startBank();
    await completed(transactionId);
    expect(await lostCount()).toBe(before);
    expect(await balance()).toBe(15);
  });

  test("has lost a promise that the backup did not have which was restored", async () => {
    const before = await lostCount();
    const [data, backup] = [join(folder.path, "postgres"), join(folder.path, "backup")];
    await postgres.stop();
    // With its owner, who is not always who copies.
    execFileSync("cp", ["-a", data, backup]);
    await postgres.start();
    const transactionId = await promised();
    await postgres.stop();
    rmSync(data, { recursive: true });
    renameSync(backup, data);
    await postgres.start();
    bank = await startBank();
    await expectLost("bank", transactionId, /restored from a backup/, before);
    expect(await balance()).toBe(10);
  });

  test("has not a second log's promise: the newcomer touches nothing, and the first keeps it when it is back", async () => {
    const before = await lostCount();
    const transactionId = await promised();
    const [gid] = await gids();
    const newcomer = await startBank("another");
    expect(await newcomer.logged(naming)).toMatchObject({
      ...{ level: "warn", participant: "bank", log: expect.any(String), count: 1 },
      promises: [
        { promise: gid, owner: "postgres", database: "bank", preparedAt: expect.any(String), remedy: expect.any(String) },
      ],
    });
    const line = await server.logged({ msg: "a promise is lost", transaction: transactionId });
    expect(line).toMatchObject({ participant: "bank", reason: expect.stringContaining("no record of a promise in log") });
    expect(await lostCount()).toBe(before + 1);
    expect(await concord("tx", "get", transactionId)).toMatch(/^heuristic: +MIXED$/m);
    expect(await gids()).toEqual([gid]);
    await newcomer.kill();
    bank = await startBank();
    await completed(transactionId);
    expect(await concord("tx", "get", transactionId)).not.toMatch(/MIXED|LOST/);
    expect(await concord("tx", "get", transactionId, "--timeline")).toMatch(/ACK_RECEIVED .*LOST: .*ACK_RECEIVED .*COMMITTED/s);
    expect(await balance()).toBe(15);
  });

  test("has lost what it promised if its log comes back empty: the gid is named, for an operator to commit", async () => {
    const before = await lostCount();
    const transactionId = await promised();
    // All of it: a file that is missing beside its own -wal or .lock is refused, as one that was there before.
    for (const end of ["", "-wal", "-shm", ".lock"]) rmSync(`${fileOf("bank")}${end}`, { force: true });
    bank = await startBank();
    const [gid] = await gids();
    expect(await bank.logged(naming)).toMatchObject({ promises: [{ promise: gid }] });
    expect(gid?.endsWith(`/${transactionId}`)).toBe(true);
    await query(`COMMIT PREPARED '${gid}'`);
    await expectLost("bank", transactionId, /^no record of a promise in log /, before);
    expect(await balance()).toBe(15);
  });
});

test("a key-value store has lost a promise that the backup did not have which was restored", async () => {
  const before = await lostCount();
  const store = fileOf("store");
  const ends = ["-wal", "-shm", ".lock"].map((end) => `${store}${end}`);
  const first = await start("ledger", store);
  expect(await first.terminate()).toBe(0);
  copyFileSync(store, `${store}.backup`);
  const ledger = await start("ledger", store);
  const payload = Buffer.from(encodeOperations([{ type: "put", key: "a", value: 1 }]));
  const transactionId = await committedWithout("ledger", ledger, payload);
  for (const file of ends) rmSync(file, { force: true });
  renameSync(`${store}.backup`, store);
  const restored = await start("ledger", store);
  await expectLost("ledger", transactionId, /restored from a backup/, before);
  await restored.terminate();
});

test("the runbook names what is told, and what to do", () => {
  const runbook = readFileSync(join(root, "docs/two-phase-commit.md"), "utf8");
  for (const word of ["a promise is lost", "concord_commit_promises_lost_total", "MIXED", "tx resolve", "LOST"]) {
    expect(runbook).toContain(word);
  }
});
