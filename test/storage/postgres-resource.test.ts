import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Postgres, startPostgres, whyNoPostgres } from "../../examples/bank-transfer/postgres.ts";
import type { ResourceVote } from "../../src/commit/core/participant-step.ts";
import { Outcome, TransactionPhase } from "../../src/gen/concord/commit/v1/transaction.ts";
import type { ParticipantId, TransactionId } from "../../src/kernel/ids.ts";
import { createParticipant } from "../../src/participant.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import type { PostgresOpenFailure } from "../../src/storage/postgres/check-server.ts";
import { gidOf } from "../../src/storage/postgres/gid.ts";
import { receiptsIn } from "../../src/storage/postgres/receipts.ts";
import {
  openPostgresResource,
  type PostgresResource,
  type PostgresResourceOptions,
  type PostgresWork,
} from "../../src/storage/postgres/transaction-resource.ts";
import { startServer, temporaryFolder } from "../support/concord.ts";
import { startPooler } from "../support/pooler.ts";
import { until } from "../support/until.ts";

const missing = await whyNoPostgres();
if (missing !== undefined && process.env["CI"] !== undefined) throw new Error(missing);

const folder = temporaryFolder();
const cleanups: (() => Promise<unknown>)[] = [];
let postgres: Postgres;
let admin: pg.Client;

const tx = (name: string) => name as TransactionId;
const logId = "log";
const work = (name: string, ofLog = logId) => ({ transactionId: tx(name), payload: new Uint8Array(), logId: ofLog });
const asked = (name: string, voteWithinMs = 30_000, ofLog = logId) => ({
  ...work(name, ofLog),
  voteWithinMs,
  coordinatorId: "c",
  coordinatorEpoch: 1,
});
const gid = (name: string, participantId = "bank") =>
  gidOf({ participantId: participantId as ParticipantId, logId, transactionId: tx(name) });

/** What the client is told of an error that the participant's log has. */
const failedWith = (code: string) =>
  `prepare failed${code === "" ? "" : ` (SQLSTATE ${code})`}; the participant's log says why, at transaction t1`;
const failed = failedWith("");

const deposit: PostgresWork = async (client) => {
  await client.query("UPDATE accounts SET balance = balance + 1 WHERE id = 'ada'");
};

type Change = { readonly participantId?: string; readonly max?: number; readonly url?: string; readonly schema?: string };

/** A resource on a pool of its own: what another process would have. */
async function open(run: PostgresWork = deposit, change: Change = {}) {
  const { participantId = "bank", max = 10, url = postgres.url("bank"), ...schema } = change;
  const connection = { connectionString: url, max };
  const opened = await openPostgresResource({ participantId, connection, work: run, ...schema });
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

/** Of the database that the tests share, for another role, with the rights to work there. */
async function urlFor(role: string, url: string): Promise<string> {
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT SELECT, UPDATE ON accounts TO ${role}`);
  const changed = new URL(url);
  changed.username = role;
  changed.password = "secret";
  return changed.href;
}

const grantReceipts = (role: string) =>
  admin.query(`GRANT USAGE ON SCHEMA concord TO ${role}; GRANT SELECT, INSERT, DELETE ON concord.receipts TO ${role}`);

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
    await (await open()).close();
    cleanups.length = 0;
  });

  beforeEach(async () => {
    await admin.query("INSERT INTO accounts VALUES ('ada', 10) ON CONFLICT (id) DO UPDATE SET balance = 10");
  });

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    const left = await gids();
    for (const gid of left) await admin.query(`ROLLBACK PREPARED ${pg.escapeLiteral(gid)}`);
    expect(left, "nothing stays prepared").toEqual([]);
    await admin.query("TRUNCATE concord.receipts");
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
      failed,
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
      failedWith("23514"),
    ],
    [
      "goes on after a failed statement",
      async (client) => void (await client.query("SELECT 1 / 0").catch(() => {})),
      failedWith("25P02"),
    ],
    ["ends its transaction", async (client) => void (await client.query("COMMIT")), "the work ended its transaction itself"],
  ])("work that %s is refused, and leaves nothing behind", async (_, run, reason) => {
    const resource = await open(run);
    expect(await resource.prepare(asked("t1"))).toMatchObject({ value: "abort", reason });
    expect(await balance()).toBe(10);
    expect(await resource.prepared(logId)).toEqual([]);
  });

  test("what PostgreSQL cannot prepare is rejected, and its abort finds nothing", async () => {
    const resource = await open(async (client) => void (await client.query("CREATE TEMPORARY TABLE t (i int)")));
    await expect(resource.prepare(asked("t1"))).rejects.toThrow(/temporary.*\(SQLSTATE 0A000\)$/);
    await resource.abort(work("t1"));
  });

  test("what fails at PREPARE TRANSACTION says so with its SQLSTATE", async () => {
    await admin.query("CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    const resource = await open(async (client) => void (await client.query("INSERT INTO late VALUES (1), (1)")));
    await expect(resource.prepare(asked("t1"))).rejects.toThrow(
      'duplicate key value violates unique constraint "late_id_key" (SQLSTATE 23505)',
    );
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
    expect(vote).toMatchObject({
      value: "abort",
      reason: expect.stringMatching(/^prepare failed \(SQLSTATE 57014\)/),
      cause: expect.objectContaining({ message: "canceling statement due to statement timeout" }),
    });
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
      expect(await resource.foreign(logId)).toEqual([]);
      await resource.abort(work(odd[index] ?? ""));
    }
    for (const participantId of ids as ParticipantId[]) {
      for (const ofLog of [logId, "0".repeat(32), "l".repeat(1_000), "a/b"]) {
        const long = gidOf({ participantId, logId: ofLog, transactionId: tx("t".repeat(128)) });
        expect(Buffer.byteLength(long)).toBeLessThan(200);
        expect(long.split("/")).toHaveLength(4);
      }
    }
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

  describe("a promise that is not there any more", () => {
    const lostWords = (name: string) =>
      `neither the prepared transaction ${gid(name)} nor its receipt in "concord".receipts is in the database "bank"`;

    test("was lost, if it was rolled back by hand", async () => {
      const resource = await open();
      await resource.prepare(asked("t1"));
      await admin.query(`ROLLBACK PREPARED '${gid("t1")}'`);
      expect(await resource.commit(work("t1"))).toEqual({ lost: expect.stringContaining(lostWords("t1")) });
      expect(await resource.commit(work("t1"))).toEqual({ lost: expect.stringContaining("rolled back by hand") });
      expect(await balance()).toBe(10);
    });

    test("was kept, if it was committed by hand; and is not aborted then", async () => {
      const resource = await open();
      await resource.prepare(asked("t2"));
      await admin.query(`COMMIT PREPARED '${gid("t2")}'`);
      expect(await resource.commit(work("t2"))).toBeUndefined();
      await expect(resource.abort(work("t2"))).rejects.toThrow('t2 is to be aborted, but has a receipt in "concord".receipts');
      expect(await balance()).toBe(11);
    });

    test("is another's, if it was made for another log: that of the newcomer is lost, the first keeps its own", async () => {
      const first = await open();
      await first.prepare(asked("t3"));
      const newcomer = await open();
      expect(await newcomer.prepared("second")).toEqual([]);
      await newcomer.abort(work("t3", "second"));
      expect(await newcomer.commit(work("t3", "second"))).toEqual({ lost: expect.stringContaining("concord/bank/second/t3") });
      expect(await gids()).toEqual([gid("t3")]);
      expect(await newcomer.foreign("second")).toEqual([
        {
          promise: gid("t3"),
          owner: "postgres",
          database: "bank",
          preparedAt: expect.stringMatching(/^\d{4}-.*Z$/),
          remedy: expect.stringContaining("PREPARED"),
        },
      ]);
      expect(await first.foreign(logId)).toEqual([]);
      expect(await first.commit(work("t3"))).toBeUndefined();
      // The receipt, too, is the first log's.
      expect(await newcomer.commit(work("t3", "second"))).toEqual({ lost: expect.any(String) });
      expect(await balance()).toBe(11);
    });

    test("a gid that names no log is nobody's", async () => {
      await admin.query("BEGIN; UPDATE accounts SET balance = 0; PREPARE TRANSACTION 'concord/bank/t4'");
      const resource = await open();
      expect(await resource.prepared(logId)).toEqual([]);
      expect(await resource.foreign(logId)).toMatchObject([{ promise: "concord/bank/t4" }]);
      await resource.abort(work("t4"));
      expect(await gids()).toEqual(["concord/bank/t4"]);
      await admin.query("ROLLBACK PREPARED 'concord/bank/t4'");
    });
  });

  test("receipts go when they are old, except those whose end the log does not know", async () => {
    const resource = await open();
    for (const name of ["r1", "r2", "r3"]) {
      await resource.prepare(asked(name));
      await resource.commit(work(name));
    }
    const forget = (recordedBeforeMs: number, limit = 10) =>
      resource.forget({ logId, recordedBeforeMs, keep: [tx("r2")], limit });
    const left = async () =>
      (await admin.query("SELECT transaction_id FROM concord.receipts WHERE transaction_id LIKE 'r_' ORDER BY 1")).rows.map(
        ({ transaction_id }) => transaction_id,
      );
    expect(await forget(Date.now() - 3_600_000)).toBe(0);
    const soonMs = Date.now() + 3_600_000;
    expect(await resource.forget({ logId: "second", recordedBeforeMs: soonMs, keep: [], limit: 10 })).toBe(0);
    expect(await forget(soonMs, 1)).toBe(1);
    while ((await forget(soonMs)) > 0);
    expect(await left()).toEqual(["r2"]);
    expect(await resource.commit(work("r2"))).toBeUndefined();
  });

  test("a unit of work that changes its session leaves nothing of it to the next, whether it commits, aborts or only reads", async () => {
    const pool = new pg.Pool({ connectionString: postgres.url("bank"), max: 2 });
    cleanups.push(() => pool.end());
    const session = `SELECT current_setting('search_path') AS path, current_user AS role, pg_backend_pid() AS pid,
      (SELECT count(*)::int FROM pg_listening_channels()) AS channels, (SELECT count(*)::int FROM pg_cursors WHERE is_holdable) AS cursors,
      (SELECT count(*)::int FROM pg_prepared_statements WHERE from_sql) AS statements,
      (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND pid = pg_backend_pid()) AS locks`;
    const change = `SET search_path = nowhere; SELECT pg_advisory_lock(7)`;
    const run = async (client: pg.PoolClient, payload: Uint8Array): Promise<ResourceVote | undefined> => {
      seen.push((await client.query(session)).rows[0]);
      await client.query({ name: "named", text: "SELECT 1" });
      const end = Buffer.from(payload).toString();
      await client.query(change);
      if (end === "read-only") await client.query("LISTEN news; DECLARE c CURSOR WITH HOLD FOR SELECT 1");
      if (end === "statement") await client.query("PREPARE q AS SELECT 1");
      if (end === "commit") await client.query("UPDATE public.accounts SET balance = 0; SET ROLE pg_monitor");
      return end === "abort" ? { value: "abort", reason: "" } : undefined;
    };
    const seen: Record<string, unknown>[] = [];
    const opened = await openPostgresResource({ participantId: "bank", pool, work: run as PostgresWork });
    if (!opened.ok) throw new Error(opened.error.message);
    cleanups.push(opened.value.close);
    for (const end of ["commit", "abort", "read-only", "statement", "commit"]) {
      const vote = await opened.value.prepare({ ...asked(`s-${end}`), payload: Buffer.from(end) });
      expect(vote.value).toBe(end === "statement" ? "read-only" : end);
      // Whoever the work became: the promise belongs to the connection's role, and its receipt is written.
      expect((await admin.query("SELECT owner FROM pg_prepared_xacts WHERE owner <> 'postgres'")).rows).toEqual([]);
      if (end === "commit") await opened.value.abort(work("s-commit"));
    }
    const clean = { path: '"$user", public', role: "postgres", channels: 0, cursors: 0, statements: 0, locks: 0 };
    expect(seen).toEqual(Array.from(seen, () => ({ ...clean, pid: expect.any(Number) })));
    // It is the same session, unless statements were prepared in it by SQL.
    expect(new Set(seen.map(({ pid }) => pid)).size).toBe(2);
  });

  describe("roles that are rotated", () => {
    test("what another role has prepared is named, with its owner and what to do; and is ended when that is done", async () => {
      const [before, after] = [await urlFor("teller_1", postgres.url("bank")), await urlFor("teller_2", postgres.url("bank"))];
      for (const role of ["teller_1", "teller_2"]) await grantReceipts(role);
      const old = await open(deposit, { url: before });
      await old.prepare(asked("t1"));
      const resource = await open(deposit, { url: after });
      const words =
        `the prepared transaction ${gid("t1")} in the database "bank" belongs to role "teller_1", and role "teller_2" may not ` +
        'finish it. GRANT "teller_1" TO "teller_2"';
      await expect(resource.commit(work("t1"))).rejects.toThrow(`transaction t1 cannot be ended: ${words}`);
      await expect(resource.abort(work("t1"))).rejects.toThrow(words);
      await expect(resource.prepared(logId)).rejects.toThrow(words);
      await admin.query('GRANT "teller_1" TO "teller_2"');
      expect(await resource.prepared(logId)).toEqual(["t1"]);
      await resource.commit(work("t1"));
      expect(await balance()).toBe(11);
      await admin.query('REVOKE "teller_1" FROM "teller_2"');
    });

    test("backends that another role has left behind are named", async () => {
      const sleeps: PostgresWork = async (client) => void (await client.query("SELECT pg_sleep(600)"));
      const old = await open(sleeps);
      const lost = expect(old.prepare(asked("t1"))).rejects.toThrow();
      await until(isWaiting("PgSleep"), "the work is under way");
      const url = await urlFor("teller_3", postgres.url("bank"));
      await grantReceipts("teller_3");
      const resource = await open(deposit, { url });
      await expect(resource.prepared(logId)).rejects.toThrow(
        /^role "teller_3" may not end the backends that an earlier process left behind: pid \d+ of role "postgres" .*GRANT their role/,
      );
      await (await open()).prepared(logId);
      await lost;
    });
  });

  test("backends that end by themselves while they are being ended do not keep a process from starting", async () => {
    const sleeps: PostgresWork = async (client) => void (await client.query("SELECT pg_sleep(600)"));
    for (let round = 1; round <= 3; round += 1) {
      const before = await open(sleeps);
      const names = Array.from({ length: 8 }, (_, index) => `busy-${index}`);
      const lost = names.map((name) => expect(before.prepare(asked(name))).rejects.toThrow());
      const sleeping = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
      await until(async () => (await admin.query(sleeping)).rowCount === names.length, "all backends are busy");
      // By name, for the new process sleeps too, while it waits.
      const pids: readonly number[] = (await admin.query(sleeping)).rows.map(({ pid }) => pid);
      const after = await open();
      const others = admin.query("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", [pids]);
      const [prepared] = await Promise.all([after.prepared(logId), others]);
      expect(prepared).toEqual([]);
      await Promise.all(lost);
    }
  });

  test("a second log's process ends no backend of the first's", async () => {
    const first = await open(async (client) => {
      await deposit(client, new Uint8Array(), tx("t1"));
      await client.query("SELECT pg_advisory_lock(2)");
    });
    await admin.query("SELECT pg_advisory_lock(2)");
    const vote = first.prepare(asked("t1"));
    await until(isWaiting("advisory"), "the first works");
    const newcomer = await open();
    expect(await newcomer.prepared("second")).toEqual([]);
    await newcomer.abort(work("t1", "second"));
    await admin.query("SELECT pg_advisory_unlock(2)");
    expect((await vote).value).toBe("commit");
    await first.commit(work("t1"));
  });

  describe("the table of receipts", () => {
    test("is made once, however many open at the same moment", async () => {
      const pool = new pg.Pool({ connectionString: postgres.url("bank"), max: 8 });
      cleanups.push(() => pool.end());
      // Connected before, so that they do it at once.
      const all = Array.from({ length: 8 }, () => pool);
      await Promise.all(all.map((each) => each.query("SELECT pg_sleep(0.2)")));
      const receipts = receiptsIn('odd "name"');
      expect(await Promise.all(all.map((each) => receipts.open(each)))).toEqual(all.map(() => undefined));
      const resource = await open(deposit, { schema: 'odd "name"' });
      await resource.prepare(asked("t1"));
      await resource.commit(work("t1"));
      const { rows } = await admin.query('SELECT participant_id, log_id, transaction_id FROM "odd ""name""".receipts');
      expect(rows).toEqual([{ participant_id: "bank", log_id: logId, transaction_id: "t1" }]);
    });

    test("is an administrator's to make where the role may not: what to run is said, and is enough", async () => {
      const url = await urlFor("teller_4", postgres.url("bank"));
      const options = { participantId: "bank", work: deposit, schema: "kept", connection: { connectionString: url } };
      for (const why of ["permission denied for database bank (SQLSTATE 42501)", "permission denied for schema kept"]) {
        const failure = await openFailure(options);
        expect(failure).toMatchObject({ type: "receipts-inaccessible", message: expect.stringContaining(why) });
        const sql = failure?.message.slice(failure.message.indexOf("CREATE SCHEMA")) ?? "";
        // First only half of it: then what is missing is said.
        await admin.query(why.includes("database") ? sql.slice(0, sql.indexOf("GRANT")) : sql);
      }
      const resource = await open(deposit, { url, schema: "kept" });
      await resource.prepare(asked("t1"));
      expect(await resource.commit(work("t1"))).toBeUndefined();
      expect(await resource.commit(work("t1"))).toBeUndefined();
      expect(await resource.forget({ logId, recordedBeforeMs: Date.now() + 60_000, keep: [], limit: 10 })).toBe(1);
    });

    test("of another make is refused", async () => {
      await admin.query("CREATE SCHEMA strange; CREATE TABLE strange.receipts (id int)");
      const options = { participantId: "bank", work: deposit, connection: { connectionString: postgres.url("bank") } };
      expect(await openFailure({ ...options, schema: "strange" })).toMatchObject({
        type: "receipts-inaccessible",
        message: expect.stringContaining('column "participant_id" does not exist'),
      });
      expect(await openFailure({ ...options, schema: "" })).toEqual({
        type: "invalid-options",
        message: 'schema: "" must have 1 to 63 bytes',
      });
      expect(await openFailure({ ...options, participantId: "a/b" })).toMatchObject({ type: "invalid-options" });
    });
  });

  describe("a pooler", () => {
    const through = async (mode: "session" | "transaction", backends: number) => {
      const { hostname, port } = new URL(postgres.url("bank"));
      const pooler = await startPooler({ host: hostname, port: Number(port), mode, backends });
      cleanups.push(pooler.close);
      const url = new URL(postgres.url("bank"));
      url.port = String(pooler.port);
      return { participantId: "bank", work: deposit, connection: { connectionString: url.href } };
    };

    test.each([1, 2, 3])("that pools transactions over %i backends is refused", async (backends) => {
      expect(await openFailure(await through("transaction", backends))).toMatchObject({ type: "postgres-pooler" });
    });

    test("that pools sessions is not", async () => {
      expect(await openFailure(await through("session", 10))).toBeUndefined();
    });
  });

  test("a promise that a backup did not have is lost when that is restored; one that it had is kept", async () => {
    const data = join(folder.path, "restored");
    const restored = await startPostgres(data);
    const url = restored.url("postgres");
    const query = async (sql: string) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      return client.query(sql).finally(() => client.end());
    };
    await query(
      "CREATE TABLE accounts (id text PRIMARY KEY, balance bigint); INSERT INTO accounts VALUES ('ada', 10), ('bob', 10)",
    );
    const either: PostgresWork = async (client, _, id) => {
      await client.query("UPDATE accounts SET balance = balance + 1 WHERE id = $1", [id === "t1" ? "ada" : "bob"]);
    };
    const opened = () => openPostgresResource({ participantId: "bank", connection: { connectionString: url }, work: either });
    const before = await opened();
    if (!before.ok) throw new Error(before.error.message);
    await before.value.prepare(asked("t1"));
    // A cold backup: what is prepared is in it.
    await before.value.close();
    await restored.stop();
    // With its owner, who is not always who copies.
    execFileSync("cp", ["-a", join(data, "postgres"), join(data, "backup")]);
    await restored.start();
    const between = await opened();
    if (!between.ok) throw new Error(between.error.message);
    await between.value.prepare(asked("t2"));
    await between.value.close();
    await restored.stop();
    rmSync(join(data, "postgres"), { recursive: true });
    renameSync(join(data, "backup"), join(data, "postgres"));
    await restored.start();
    const after = await opened();
    if (!after.ok) throw new Error(after.error.message);
    expect(await after.value.prepared(logId)).toEqual(["t1"]);
    expect(await after.value.commit(work("t1"))).toBeUndefined();
    expect(await after.value.commit(work("t2"))).toEqual({ lost: expect.stringContaining("restored from a backup") });
    expect((await query("SELECT id, balance FROM accounts ORDER BY id")).rows).toEqual([
      { id: "ada", balance: "11" },
      { id: "bob", balance: "10" },
    ]);
    await after.value.close();
    await restored.stop();
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
      expect(await gids()).toEqual(
        fatal === "prepared" ? [expect.stringMatching(`^concord/bank/[0-9a-f]{32}/${transactionId}$`)] : [],
      );

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
