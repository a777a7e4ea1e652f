import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Postgres, startPostgres, whyNoPostgres } from "../../examples/bank-transfer/postgres.ts";
import { Outcome, TransactionPhase } from "../../src/gen/concord/commit/v1/transaction.ts";
import type { ParticipantId, TransactionId } from "../../src/kernel/ids.ts";
import { createParticipant } from "../../src/participant.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import {
  gidPrefixOf,
  openPostgresResource,
  type PostgresOpenFailure,
  type PostgresResource,
  type PostgresResourceOptions,
  type PostgresWork,
} from "../../src/storage/postgres/transaction-resource.ts";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { until } from "../support/until.ts";

const missing = await whyNoPostgres();
if (missing !== undefined && process.env["CI"] !== undefined) throw new Error(missing);

const folder = temporaryFolder();
const cleanups: (() => Promise<unknown>)[] = [];
let postgres: Postgres;
let admin: pg.Client;

const tx = (name: string) => name as TransactionId;
const logId = "log";
const work = (name: string) => ({ transactionId: tx(name), payload: new Uint8Array(), logId });
const asked = (name: string, voteWithinMs = 30_000) => ({
  ...work(name),
  voteWithinMs,
  coordinatorId: "c",
  coordinatorEpoch: 1,
});

const deposit: PostgresWork = async (client) => {
  await client.query("UPDATE accounts SET balance = balance + 1 WHERE id = 'ada'");
};

type Change = { readonly participantId?: string; readonly max?: number; readonly url?: string };

/** A resource on a pool of its own: what another process would have. */
async function open(run: PostgresWork = deposit, { participantId = "bank", max = 10, url = postgres.url("bank") }: Change = {}) {
  const opened = await openPostgresResource({ participantId, connection: { connectionString: url, max }, work: run });
  if (!opened.ok) throw new Error(opened.error.message);
  cleanups.push(opened.value.close);
  return opened.value;
}

const openFailure = async (options: PostgresResourceOptions): Promise<PostgresOpenFailure | undefined> => {
  const opened = await openPostgresResource(options);
  return opened.ok ? undefined : opened.error;
};

async function balance(): Promise<number> {
  return Number((await admin.query("SELECT balance FROM accounts WHERE id = 'ada'")).rows[0].balance);
}

const gids = async (): Promise<string[]> => (await admin.query("SELECT gid FROM pg_prepared_xacts")).rows.map(({ gid }) => gid);

/** Ends the connections of everybody else, as a restart of the server would. */
const cutConnections = () =>
  admin.query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'bank' AND pid <> pg_backend_pid()");

const isWaiting = (event: string) => () =>
  admin
    .query("SELECT 1 FROM pg_stat_activity WHERE wait_event = $1 AND pid <> pg_backend_pid()", [event])
    .then(({ rowCount }) => rowCount !== 0);

describe.skipIf(missing !== undefined)(`PostgreSQL as a resource${missing === undefined ? "" : ` [SKIPPED: ${missing}]`}`, () => {
  beforeAll(async () => {
    postgres = await startPostgres(folder.path);
    await postgres.createDatabase("bank");
    admin = new pg.Client({ connectionString: postgres.url("bank") });
    await admin.connect();
    await admin.query("CREATE TABLE accounts (id text PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))");
  });

  beforeEach(async () => {
    await admin.query("INSERT INTO accounts VALUES ('ada', 10) ON CONFLICT (id) DO UPDATE SET balance = 10");
  });

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    const left = await gids();
    for (const gid of left) await admin.query(`ROLLBACK PREPARED ${pg.escapeLiteral(gid)}`);
    expect(left, "nothing stays prepared").toEqual([]);
  });

  afterAll(async () => {
    await admin.end();
    await postgres.stop();
    folder.remove();
  });

  test("what is prepared is seen after its commit, and only once however often that comes", async () => {
    const resource = await open();
    expect(await resource.prepare(asked("t1"))).toEqual({ value: "commit", reason: "" });
    expect(await resource.prepared(logId)).toEqual(["t1"]);
    expect(await balance()).toBe(10);
    await resource.commit(work("t1"));
    await resource.commit(work("t1"));
    expect(await balance()).toBe(11);
    expect(await resource.prepared(logId)).toEqual([]);
  });

  test("an abort undoes what is prepared, and may come twice or for what never was", async () => {
    const resource = await open();
    await resource.prepare(asked("t1"));
    await resource.abort(work("t1"));
    await resource.abort(work("t1"));
    await resource.abort(work("unheard of"));
    expect(await balance()).toBe(10);
  });

  test("another process finishes what this one has prepared", async () => {
    const before = await open();
    await before.prepare(asked("t1"));
    const after = await open();
    expect(await after.prepared(logId)).toEqual(["t1"]);
    await after.commit(work("t1"));
    expect(await balance()).toBe(11);
  });

  test("work that changes nothing votes read-only; a row that it locks is a change", async () => {
    const reads = await open(async (client) => void (await client.query("SELECT * FROM accounts")));
    expect(await reads.prepare(asked("t1"))).toEqual({ value: "read-only", reason: "" });
    expect(await reads.prepared(logId)).toEqual([]);
    const locks = await open(async (client) => void (await client.query("SELECT * FROM accounts FOR SHARE")));
    expect((await locks.prepare(asked("t2"))).value).toBe("commit");
    await locks.abort(work("t2"));
  });

  test.each<[string, PostgresWork, string]>([
    [
      "throws",
      async (client) => {
        await deposit(client, new Uint8Array(), tx("t"));
        throw new Error("no such account");
      },
      "no such account",
    ],
    [
      "votes to abort",
      async (client) => {
        await deposit(client, new Uint8Array(), tx("t"));
        return { value: "abort", reason: "not today" };
      },
      "not today",
    ],
    [
      "violates a constraint",
      async (client) => void (await client.query("UPDATE accounts SET balance = -1")),
      'new row for relation "accounts" violates check constraint "accounts_balance_check" (SQLSTATE 23514)',
    ],
    [
      "goes on after a failed statement",
      async (client) => void (await client.query("SELECT 1 / 0").catch(() => {})),
      "current transaction is aborted, commands ignored until end of transaction block (SQLSTATE 25P02)",
    ],
    ["ends its transaction", async (client) => void (await client.query("COMMIT")), "the work ended its transaction itself"],
  ])("work that %s is refused, and leaves nothing behind", async (_, run, reason) => {
    const resource = await open(run);
    expect(await resource.prepare(asked("t1"))).toEqual({ value: "abort", reason });
    expect(await balance()).toBe(10);
    expect(await resource.prepared(logId)).toEqual([]);
  });

  test("what PostgreSQL cannot prepare is rejected, and its abort finds nothing", async () => {
    const resource = await open(async (client) => void (await client.query("CREATE TEMPORARY TABLE t (i int)")));
    await expect(resource.prepare(asked("t1"))).rejects.toThrow("temporary");
    await resource.abort(work("t1"));
  });

  test("a connection that breaks during the work is a no", async () => {
    const resource = await open(async (client) => {
      await deposit(client, new Uint8Array(), tx("t1"));
      await cutConnections();
      await deposit(client, new Uint8Array(), tx("t1"));
    });
    await expect(resource.prepare(asked("t1"))).rejects.toThrow();
    await resource.abort(work("t1"));
    expect(await balance()).toBe(10);
  });

  test("connections that break while nothing is asked of them are replaced", async () => {
    const resource = await open();
    await resource.prepare(asked("t1"));
    await cutConnections();
    await until(
      () =>
        resource.commit(work("t1")).then(
          () => true,
          () => false,
        ),
      "the commit is done",
    );
    expect(await balance()).toBe(11);
  });

  test("an abort ends the backend that an earlier process left in the middle of its work", async () => {
    const before = await open(async (client) => {
      await deposit(client, new Uint8Array(), tx("t1"));
      await client.query("SELECT pg_sleep(600)");
    });
    const lost = expect(before.prepare(asked("t1"))).rejects.toThrow();
    await until(isWaiting("PgSleep"), "the work is under way");
    const after = await open();
    await expect(after.prepare(asked("t1"))).rejects.toThrow("still running");
    await after.abort(work("t1"));
    await lost;
    expect((await after.prepare(asked("t1"))).value).toBe("commit");
    await after.abort(work("t1"));
  });

  test("a new process ends all that an earlier one left, before it looks at what is prepared; and nothing of others", async () => {
    const sleeps: PostgresWork = async (client) => void (await client.query("SELECT pg_sleep(600)"));
    const before = await open(sleeps);
    const other = await open(
      async (client) => {
        await deposit(client, new Uint8Array(), tx("t1"));
        await client.query("SELECT pg_advisory_lock(1)");
      },
      { participantId: "other" },
    );
    const lost = ["t1", "t2"].map((name) => expect(before.prepare(asked(name))).rejects.toThrow());
    await admin.query("SELECT pg_advisory_lock(1)");
    const kept = other.prepare(asked("t1"));
    await until(isWaiting("advisory"), "the other participant works");
    const after = await open();
    expect(await after.prepared(logId)).toEqual([]);
    await Promise.all(lost);
    await admin.query("SELECT pg_advisory_unlock(1)");
    expect((await kept).value).toBe("commit");
    await other.abort(work("t1"));
  });

  test("a lock that is held by what is in doubt costs the time to vote, and no more", async () => {
    const resource = await open();
    await resource.prepare(asked("t1"));
    const vote = await resource.prepare(asked("t2", 200));
    expect(vote).toEqual({ value: "abort", reason: "canceling statement due to statement timeout (SQLSTATE 57014)" });
    await resource.commit(work("t1"));
    expect(await balance()).toBe(11);
  });

  test("work that waits for a lock leaves a connection for the decision that releases it", async () => {
    const resource = await open(deposit, { max: 2 });
    await resource.prepare(asked("t1"));
    const waiting = ["t2", "t3"].map((name) => resource.prepare(asked(name)));
    await until(isWaiting("transactionid"), "t2 waits for the row");
    await resource.commit(work("t1"));
    expect((await waiting[0])?.value).toBe("commit");
    await resource.commit(work("t2"));
    expect((await waiting[1])?.value).toBe("commit");
    await resource.commit(work("t3"));
    expect(await balance()).toBe(13);
  });

  test("each participant sees its own, whatever the ids look like", async () => {
    const ids = ["bank", "bank2", "b", "x".repeat(128), `${"x".repeat(127)}y`];
    const odd = ["t'1", "t\\1", "t/1", "%", "ü".repeat(64)];
    const resources: PostgresResource[] = [];
    await admin.query("CREATE TABLE IF NOT EXISTS notes (text text)");
    for (const [index, participantId] of ids.entries()) {
      const note: PostgresWork = async (client) => void (await client.query("INSERT INTO notes VALUES ('x')"));
      const resource = await open(note, { participantId });
      expect((await resource.prepare(asked(odd[index] ?? ""))).value).toBe("commit");
      resources.push(resource);
    }
    for (const [index, resource] of resources.entries()) {
      expect(await resource.prepared(logId)).toEqual([odd[index]]);
      await resource.abort(work(odd[index] ?? ""));
    }
    for (const id of ids) expect(Buffer.byteLength(`${gidPrefixOf(id as ParticipantId)}${"t".repeat(128)}`)).toBeLessThan(200);
    expect((await resources[0]?.prepare(asked("ü".repeat(65))))?.value).toBe("abort");
  });

  test("a server or a pool that cannot do it is refused at the start", async () => {
    const disabled = await startPostgres(join(folder.path, "disabled"), { maxPreparedTransactions: 0 });
    const options = { participantId: "bank", work: deposit };
    const connection = { connectionString: disabled.url("postgres") };
    expect(await openFailure({ ...options, connection })).toMatchObject({ type: "prepared-transactions-disabled" });
    await disabled.stop();
    expect(await openFailure({ ...options, connection })).toMatchObject({
      type: "postgres-unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
    const pool = new pg.Pool({ connectionString: postgres.url("bank"), max: 1 });
    expect(await openFailure({ ...options, pool })).toMatchObject({ type: "pool-too-small" });
    await pool.end();
  });

  describe("a participant that is killed", () => {
    const child = (address: string, log: string, fatal: string) => {
      const args = [join(import.meta.dirname, "postgres-resource-child.ts"), address, postgres.url("bank"), log, fatal];
      const started = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
      cleanups.push(async () => started.kill("SIGKILL"));
      return started;
    };

    const committed = { outcome: Outcome.COMMITTED, after: 15 };
    const aborted = { outcome: Outcome.ABORTED, after: 10 };

    test.each([
      // No vote was sent. The new process undoes what it finds, and is asked again.
      { fatal: "prepared", back: "at once", when: "between PREPARE TRANSACTION and its log", ...committed },
      // It was aborted without it: nobody else would ever undo it.
      { fatal: "prepared", back: "late", when: "between PREPARE TRANSACTION and its log", ...aborted },
      { fatal: "committed", back: "at once", when: "between COMMIT PREPARED and its log", ...committed },
    ])("$when, and is back $back, agrees with the coordinator", async ({ fatal, back, outcome, after }) => {
      const data = temporaryFolder();
      const log = join(data.path, "participant.sqlite");
      const server = await startServer({ dataDir: data.path });
      cleanups.push(async () => data.remove(), server.stop);
      const { commits } = server.clients;
      const participants = ["bank", "bank-2"].map((participantId) => ({ participantId, payload: Buffer.from("5") }));
      const first = child(server.address, log, fatal);
      const [said, ended] = [first.stdout.toArray(), once(first, "exit")];
      // A second participant makes it two-phase. It changes nothing, or refuses as soon as the first is dead.
      const secondWork: PostgresWork = async (client) => {
        await client.query("SELECT 1");
        if (back !== "late") return;
        await ended;
        throw new Error("too late");
      };
      const second = await open(secondWork, { participantId: "bank-2" });
      const other = await createParticipant({
        ...{ coordinators: [server.address], participantId: "bank-2", log: join(data.path, "other.sqlite"), resource: second },
        logger: createLogger({ level: "silent", format: "json" }),
      });
      cleanups.push(() => other.close());
      const running = commits.executeTransaction({
        participants,
        prepareTimeout: { seconds: 60n, nanos: 0 },
        waitForParticipants: { seconds: 30n, nanos: 0 },
      });
      expect(await ended).toEqual([null, "SIGKILL"]);
      const transactionId = /^\w+ (\S+)\n$/.exec(Buffer.concat(await said).toString())?.[1] ?? "";
      expect(await gids()).toEqual(fatal === "prepared" ? [`concord/bank/${transactionId}`] : []);

      if (back === "late") await running;
      child(server.address, log, "none");
      expect((await running).transaction?.outcome).toBe(outcome);
      await until(async () => {
        const { transaction } = await commits.getTransaction({ transactionId });
        return transaction?.phase === TransactionPhase.COMPLETED && (await gids()).length === 0;
      }, "the transaction is COMPLETED and nothing is prepared");
      expect(await balance()).toBe(after);
    });
  });
});
