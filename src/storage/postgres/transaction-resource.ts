import pg from "pg";
import type { ResourceVote } from "../../commit/core/participant-step.ts";
import type { Resource, Work } from "../../commit/ports.ts";
import { failedToPrepare, type PrepareVote } from "../../commit/prepare-failure.ts";
import { idPattern, idWords, type ParticipantId, type TransactionId } from "../../kernel/ids.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { checkServer, type PostgresOpenFailure } from "./check-server.ts";
import { gidOf, gidPrefixOf, participantPrefixOf, transactionIdBytesMax } from "./gid.ts";
import { endLeftovers, lock, unlock } from "./leftovers.ts";
import { codeOf, hasSqlState, messageOf, sqlState } from "./postgres-error.ts";
import { type ReceiptKey, type Receipts, receiptsIn } from "./receipts.ts";
import { withCleanClient, withClient } from "./session.ts";

// PREPARE TRANSACTION makes PostgreSQL promise: the changes survive a crash, keep their locks, and belong to no session any more.
// They are found again by their gid (gid.ts). What is left of them when they are committed is their receipt (receipts.ts).

/** As in pg_type: longer names are cut by PostgreSQL, without an error. */
const schemaBytesMax = 63;

/** A server that cannot be reached must not leave a transaction without an answer; these are node-postgres' options. */
const ownPoolDefaults: pg.PoolConfig = { connectionTimeoutMillis: 5_000, query_timeout: 60_000, keepAlive: true };

/**
 * Does the work of one transaction, in a PostgreSQL transaction that is open already: it must not end it. To refuse, it
 * resolves to a vote to abort, whose reason reaches the client. To throw is to abort, too; what it throws goes to the participant's log, and of
 * PostgreSQL's errors the SQLSTATE reaches the client. Whether it changed anything is found out.
 */
export type PostgresWork = (
  client: pg.PoolClient,
  payload: Uint8Array,
  transactionId: TransactionId,
) => Promise<ResourceVote | undefined> | Promise<void>;

export type PostgresResourceOptions = {
  /** As given to the participant. Two participants on one server must not have the same. */
  readonly participantId: string;
  readonly work: PostgresWork;
  /** Where Concord's own table is, `receipts`. The same for as long as the database is used. Default: `concord`. */
  readonly schema?: string;
} & (
  | {
      /** At least 2 connections: one is kept free for decisions. Not closed here. */
      readonly pool: pg.Pool;
    }
  | {
      /** Passed to node-postgres, such as `{ connectionString }`. */
      readonly connection: pg.PoolConfig;
    }
);

export type PostgresResource = Required<Resource> & {
  /** Ends its connections, unless the pool was given. What is prepared stays prepared. After the participant's own `close`. */
  close(): Promise<void>;
};

/** Checks that the server can do it. */
export async function openPostgresResource(
  options: PostgresResourceOptions,
): Promise<Result<PostgresResource, PostgresOpenFailure>> {
  const { participantId, schema = "concord" } = options;
  if (!idPattern.test(participantId)) return invalid(`participantId: "${participantId}" ${idWords}`);
  if (schema === "" || Buffer.byteLength(schema) > schemaBytesMax) {
    return invalid(`schema: "${schema}" must have 1 to ${schemaBytesMax} bytes`);
  }
  const receipts = receiptsIn(schema);
  const own = "pool" in options ? undefined : new pg.Pool({ ...ownPoolDefaults, ...options.connection });
  const pool = "pool" in options ? options.pool : (own as pg.Pool);
  // An idle connection that breaks is replaced by the pool; without a listener, it would end the process.
  const ignore = (): void => {};
  pool.on("error", ignore);
  // A pool of our own keeps it: a connection that is being closed may still hear that the server stops.
  const close = async (): Promise<void> => {
    if (own === undefined) pool.off("error", ignore);
    else await own.end();
  };
  const failure = await checkServer(pool, receipts);
  if (failure !== undefined) {
    await close();
    return err(failure);
  }
  return ok({ ...createResource(pool, options, receipts), close });
}

const invalid = (message: string): Result<never, PostgresOpenFailure> => err({ type: "invalid-options", message });

function createResource(pool: pg.Pool, options: PostgresResourceOptions, receipts: Receipts): Required<Resource> {
  const { work } = options;
  const participantId = options.participantId as ParticipantId;
  const inSlot = createSlots(pool.options.max - 1);
  const keyOf = ({ logId, transactionId }: Work): ReceiptKey => ({ participantId, logId, transactionId });

  /** In an open transaction. */
  async function voteOf(client: pg.PoolClient, { transactionId, payload }: Work): Promise<PrepareVote> {
    try {
      const vote = await work(client, payload, transactionId);
      if (vote?.value === "abort") return vote;
      // Who changes or locks a row is given a transaction id. Without one, there is nothing to promise.
      const asked = "SELECT pg_current_xact_id_if_assigned() IS NULL AS unchanged";
      const unchanged = (await client.query<{ unchanged: boolean }>(asked)).rows[0]?.unchanged;
      if (client.getTransactionStatus() !== "T") return refuse("the work ended its transaction itself");
      return { value: unchanged === true ? "read-only" : "commit", reason: "" };
    } catch (error) {
      return failedToPrepare(transactionId, error, codeOf(error));
    }
  }

  async function prepare(client: pg.PoolClient, asked: Work, remainingMs: DurationMs): Promise<PrepareVote> {
    const { transactionId, logId } = asked;
    await lock(client, gidPrefixOf(participantId, logId), transactionId);
    // A lock that another transaction in doubt holds must not keep this one from an answer.
    await client.query(`BEGIN; SET LOCAL statement_timeout = ${Math.ceil(remainingMs)}`);
    const vote = await voteOf(client, asked);
    if (vote.value === "commit") {
      // Whatever role the work has taken: the one that may write receipts, and owns the promise, is the connection's.
      const promise = `PREPARE TRANSACTION ${pg.escapeLiteral(gidOf(keyOf(asked)))}`;
      const answers = await client.query(`RESET ROLE; ${receipts.insert(keyOf(asked))}; ${promise}`);
      const { command } = (answers as unknown as readonly pg.QueryResult[]).at(-1) ?? {};
      // PostgreSQL answers a PREPARE of what has failed with ROLLBACK, not with an error.
      if (command !== "PREPARE") throw new Error(`PREPARE TRANSACTION was answered with ${command}`);
    } else {
      // Read-only work ends with COMMIT: only that tells a serializable transaction that what it read held together.
      await client.query(vote.value === "read-only" ? "COMMIT" : "ROLLBACK");
    }
    return vote;
  }

  /** False if nothing is prepared under this gid. */
  async function decide(client: pg.PoolClient, verb: "COMMIT" | "ROLLBACK", asked: Work): Promise<boolean> {
    const gid = gidOf(keyOf(asked));
    const decision = `${verb} PREPARED ${pg.escapeLiteral(gid)}`;
    try {
      await client.query(decision);
      return true;
    } catch (error) {
      if (hasSqlState(error, sqlState.undefinedObject)) return false;
      if (!hasSqlState(error, sqlState.insufficientPrivilege)) throw error;
    }
    // Only its owner may, or a superuser. Who is a member of the owner can be the owner.
    const found = (await findPrepared(client, "gid = $1", [gid]))[0];
    if (found === undefined) return false;
    if (!found.mayFinish) throw new Error(`transaction ${asked.transactionId} cannot be ended: ${ofAnother(found)}`);
    await client.query(`SET ROLE ${pg.escapeIdentifier(found.owner)}`);
    await client.query(decision);
    await client.query("RESET ROLE");
    return true;
  }

  return {
    // Whatever fails here rejects, and is followed by `abort`: the answer to PREPARE TRANSACTION may be what was lost.
    async prepare(asked) {
      const { transactionId, voteWithinMs } = asked;
      if (Buffer.byteLength(transactionId) > transactionIdBytesMax) {
        return refuse(`a transaction id may have ${transactionIdBytesMax} bytes here`);
      }
      const deadlineMs = performance.now() + voteWithinMs;
      const run = (): Promise<PrepareVote> =>
        withCleanClient(pool, (client) => {
          const remainingMs = deadlineMs - performance.now();
          if (remainingMs <= 0) throw new Error(`no connection was free within ${voteWithinMs} ms`);
          return prepare(client, asked, remainingMs);
        });
      return inSlot(run).catch((cause: unknown) => {
        throw new Error(messageOf(cause), { cause });
      });
    },

    // The gid is removed after its commit is seen by others (PostgreSQL's FinishPreparedTransaction), so a receipt is looked for after the gid.
    commit: (asked) =>
      withClient(pool, async (client) => {
        if (await decide(client, "COMMIT", asked)) return undefined;
        if (await receipts.isThere(client, keyOf(asked))) return undefined;
        const { rows } = await client.query<{ name: string }>("SELECT current_database() AS name");
        return {
          lost:
            `neither the prepared transaction ${gidOf(keyOf(asked))} nor its receipt in ${receipts.table} is in ` +
            `the database "${rows[0]?.name}": it was rolled back by hand, or the database was restored from a backup or replaced by a ` +
            "standby that did not have it",
        };
      }),

    abort: (asked) =>
      withClient(pool, async (client) => {
        if (await decide(client, "ROLLBACK", asked)) return;
        const { transactionId, logId } = asked;
        // Not prepared, or not yet.
        const scope = gidPrefixOf(participantId, logId);
        await endLeftovers(client, scope, transactionId);
        await lock(client, scope, transactionId);
        const undone = await decide(client, "ROLLBACK", asked);
        if (!undone && (await receipts.isThere(client, keyOf(asked)))) {
          throw new Error(
            `transaction ${transactionId} is to be aborted, but has a receipt in ${receipts.table}: it is committed here, ` +
              "by hand or by another decision",
          );
        }
        await unlock(client, scope, transactionId);
      }),

    prepared: (logId) =>
      withClient(pool, async (client) => {
        const prefix = gidPrefixOf(participantId, logId);
        // First, or it would miss what an earlier process is about to have prepared.
        await endLeftovers(client, prefix);
        const found = await findPrepared(client, "database = current_database() AND starts_with(gid, $1)", [prefix]);
        const stuck = found.filter(({ mayFinish }) => !mayFinish);
        if (stuck.length > 0) throw new Error(`what is prepared cannot be ended: ${stuck.map(ofAnother).join("; ")}`);
        return found.map(({ gid }) => gid.slice(prefix.length) as TransactionId);
      }),

    foreign: (logId) =>
      withClient(pool, async (client) => {
        const condition = "starts_with(gid, $1) AND NOT (database = current_database() AND starts_with(gid, $2))";
        const prefixes = [participantPrefixOf(participantId), gidPrefixOf(participantId, logId)];
        return (await findPrepared(client, condition, prefixes)).map(({ gid, owner, database, preparedAt }) => ({
          promise: gid,
          owner,
          database,
          preparedAt: preparedAt.toISOString(),
          remedy:
            "start its participant with the log that this names; or, if that is lost and the transaction's outcome is known, " +
            "COMMIT PREPARED or ROLLBACK PREPARED it by hand",
        }));
      }),

    forget: (old) => receipts.purge(pool, { ...old, participantId }),
  };
}

type Prepared = {
  readonly gid: string;
  readonly owner: string;
  readonly database: string;
  readonly preparedAt: Date;
  readonly role: string;
  readonly mayFinish: boolean;
};

/** What a role has prepared that was dropped since, only a superuser finishes. */
async function findPrepared(client: pg.PoolClient, condition: string, values: readonly string[]): Promise<readonly Prepared[]> {
  const asked = `SELECT gid, coalesce(owner, '') AS owner, database, prepared AS "preparedAt", current_user AS role,
      coalesce(pg_has_role(owner, 'MEMBER'), (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)) AS "mayFinish"
    FROM pg_prepared_xacts WHERE ${condition} ORDER BY prepared`;
  return (await client.query<Prepared>(asked, [...values])).rows;
}

const ofAnother = ({ gid, owner, database, role }: Prepared): string =>
  `the prepared transaction ${gid} in the database "${database}" belongs to role "${owner}", and role "${role}" may not finish it. ` +
  `GRANT "${owner}" TO "${role}", or connect as "${owner}" or a superuser`;

/** Runs so many at a time. The others wait in the order of their coming. */
function createSlots(count: number): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = count;
  return async (run) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

const refuse = (reason: string): ResourceVote => ({ value: "abort", reason });
