import { createHash } from "node:crypto";
import pg from "pg";
import type { ResourceVote } from "../../commit/core/participant-step.ts";
import type { Resource, Work } from "../../commit/ports.ts";
import { assert } from "../../kernel/assert.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { DurationMs } from "../../kernel/time.ts";

// PREPARE TRANSACTION makes PostgreSQL promise: the changes survive a crash, keep their locks, and belong to no session any more.
// They are found again by their gid, which is made from the participant's and the transaction's id.

/** The oldest PostgreSQL with all that is used here: `pg_terminate_backend` with a timeout. */
const serverVersionMin = 140_000;

/** Longer participant ids are cut in a gid; PostgreSQL takes 199 bytes in all. */
const idInGidLengthMax = 60;

/** With the rest of a gid, at most 199 bytes. */
const transactionIdBytesMax = 128;

/** How long a backend may take to end. It is in the middle of one statement at most. */
const terminateMs: DurationMs = 5_000;

/** A server that cannot be reached must not leave a transaction without an answer; these are node-postgres' options. */
const ownPoolDefaults: pg.PoolConfig = { connectionTimeoutMillis: 5_000, query_timeout: 60_000, keepAlive: true };

/** SQLSTATE undefined_object: no prepared transaction has this gid. */
const undefinedObject = "42704";

/**
 * Does the work of one transaction, in a PostgreSQL transaction that is open already: it must not end it. To refuse, it throws or
 * resolves to a vote to abort; the reason reaches the client. Whether it changed anything is found out.
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

/** Why a resource cannot be used. The message is for the operator. */
export type PostgresOpenFailure = {
  readonly type: "postgres-unreachable" | "postgres-too-old" | "prepared-transactions-disabled" | "pool-too-small";
  readonly message: string;
};

/** Checks that the server can do it. */
export async function openPostgresResource(
  options: PostgresResourceOptions,
): Promise<Result<PostgresResource, PostgresOpenFailure>> {
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
  const failure = await checkServer(pool);
  if (failure !== undefined) {
    await close();
    return err(failure);
  }
  return ok({ ...createResource(pool, options), close });
}

async function checkServer(pool: pg.Pool): Promise<PostgresOpenFailure | undefined> {
  if (pool.options.max < 2) {
    return { type: "pool-too-small", message: "The pool must allow 2 connections: work must not keep a decision waiting." };
  }
  let found: { readonly version: number; readonly slots: number } | undefined;
  try {
    const asked = `SELECT current_setting('server_version_num')::int AS version,
      current_setting('max_prepared_transactions')::int AS slots`;
    found = (await pool.query<{ version: number; slots: number }>(asked)).rows[0];
  } catch (error) {
    return { type: "postgres-unreachable", message: `PostgreSQL does not answer: ${messageOf(error)}` };
  }
  if (found === undefined || found.version < serverVersionMin) {
    return { type: "postgres-too-old", message: `PostgreSQL must be version ${serverVersionMin / 10_000} or newer.` };
  }
  if (found.slots === 0) {
    return {
      type: "prepared-transactions-disabled",
      message:
        "PostgreSQL has max_prepared_transactions = 0, its default, and so cannot prepare. Set it to the number of transactions " +
        "that may be under way at once (max_connections is a good value) and restart the server.",
    };
  }
  return undefined;
}

function createResource(pool: pg.Pool, { participantId, work }: PostgresResourceOptions): Required<Resource> {
  const prefix = gidPrefixOf(participantId as ParticipantId);
  const participantKey = keyOf(participantId);
  const inSlot = createSlots(pool.options.max - 1);

  /** A connection on which anything failed is not used again: its backend rolls back what is open. */
  async function withClient<T>(run: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    // Without a listener, a connection that breaks between two queries would end the process. The next query fails.
    const ignore = (): void => {};
    client.on("error", ignore);
    try {
      const result = await run(client);
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw error;
    } finally {
      client.off("error", ignore);
    }
  }

  /** Quoted. */
  const gidOf = (transactionId: TransactionId): string => pg.escapeLiteral(prefix + transactionId);

  /**
   * A session lock marks the backend that works for a transaction. It outlives its client: after a kill -9 or a broken connection,
   * a PREPARE TRANSACTION that was sent is still carried out, perhaps later than a new process looks for it.
   */
  const lockOf = (transactionId: TransactionId): string => `(${participantKey}, ${keyOf(transactionId)})`;

  async function lock(client: pg.PoolClient, transactionId: TransactionId): Promise<void> {
    const { rows } = await client.query<{ free: boolean }>(`SELECT pg_try_advisory_lock${lockOf(transactionId)} AS free`);
    if (rows[0]?.free !== true) throw new Error("an earlier attempt at this transaction is still running");
  }

  const unlock = (client: pg.PoolClient, transactionId: TransactionId) =>
    client.query(`SELECT pg_advisory_unlock${lockOf(transactionId)}`);

  /** Ends the backends that were left behind: for one transaction, or for all of this participant. */
  async function endLeftovers(client: pg.PoolClient, transactionId?: TransactionId): Promise<void> {
    const { rows } = await client.query<{ ended: boolean }>(
      `SELECT pg_terminate_backend(pid, ${terminateMs}) AS ended FROM pg_locks
       WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND pid <> pg_backend_pid()
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND classid = ${participantKey >>> 0} ${transactionId === undefined ? "" : `AND objid = ${keyOf(transactionId) >>> 0}`}`,
    );
    if (rows.some(({ ended }) => !ended)) throw new Error("a backend that an earlier process left behind does not end");
  }

  /** False if nothing is prepared under this gid. */
  async function decide(client: pg.PoolClient, verb: "COMMIT" | "ROLLBACK", transactionId: TransactionId): Promise<boolean> {
    try {
      await client.query(`${verb} PREPARED ${gidOf(transactionId)}`);
      return true;
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === undefinedObject) return false;
      throw error;
    }
  }

  /** In an open transaction. */
  async function voteOf(client: pg.PoolClient, { transactionId, payload }: Work): Promise<ResourceVote> {
    try {
      const vote = await work(client, payload, transactionId);
      if (vote?.value === "abort") return vote;
      // Who changes or locks a row is given a transaction id. Without one, there is nothing to promise.
      const asked = "SELECT pg_current_xact_id_if_assigned() IS NULL AS unchanged";
      const unchanged = (await client.query<{ unchanged: boolean }>(asked)).rows[0]?.unchanged;
      if (client.getTransactionStatus() !== "T") return refuse("the work ended its transaction itself");
      return { value: unchanged === true ? "read-only" : "commit", reason: "" };
    } catch (error) {
      return refuse(messageOf(error));
    }
  }

  async function prepare(client: pg.PoolClient, asked: Work, remainingMs: DurationMs): Promise<ResourceVote> {
    const { transactionId } = asked;
    await lock(client, transactionId);
    // A lock that another transaction in doubt holds must not keep this one from an answer.
    await client.query(`BEGIN; SET LOCAL statement_timeout = ${Math.ceil(remainingMs)}`);
    const vote = await voteOf(client, asked);
    if (vote.value === "commit") {
      const { command } = await client.query(`PREPARE TRANSACTION ${gidOf(transactionId)}`);
      // PostgreSQL answers a PREPARE of what has failed with ROLLBACK, not with an error.
      if (command !== "PREPARE") throw new Error(`PREPARE TRANSACTION was answered with ${command}`);
    } else {
      // Read-only work ends with COMMIT: only that tells a serializable transaction that what it read held together.
      await client.query(vote.value === "read-only" ? "COMMIT" : "ROLLBACK");
    }
    await unlock(client, transactionId);
    return vote;
  }

  return {
    // Whatever fails here rejects, and is followed by `abort`: the answer to PREPARE TRANSACTION may be what was lost.
    async prepare(asked) {
      const { transactionId, voteWithinMs } = asked;
      if (Buffer.byteLength(transactionId) > transactionIdBytesMax) {
        return refuse(`a transaction id may have ${transactionIdBytesMax} bytes here`);
      }
      const deadlineMs = performance.now() + voteWithinMs;
      return inSlot(() =>
        withClient(async (client) => {
          const remainingMs = deadlineMs - performance.now();
          if (remainingMs <= 0) throw new Error(`no connection was free within ${voteWithinMs} ms`);
          return prepare(client, asked, remainingMs);
        }),
      );
    },

    // A gid that is missing was committed before: the participant asks for a commit only of what its log has as prepared, the log is
    // written only after PREPARE TRANSACTION was answered, and only COMMIT PREPARED or ROLLBACK PREPARED removes a gid. The
    // participant does not roll back what its log has as prepared without a decision to abort, which excludes one to commit.
    commit: async ({ transactionId }) => {
      await withClient((client) => decide(client, "COMMIT", transactionId));
    },

    abort: async ({ transactionId }) => {
      await withClient(async (client) => {
        if (await decide(client, "ROLLBACK", transactionId)) return;
        // Not prepared, or not yet.
        await endLeftovers(client, transactionId);
        await lock(client, transactionId);
        await decide(client, "ROLLBACK", transactionId);
        await unlock(client, transactionId);
      });
    },

    prepared: () =>
      withClient(async (client) => {
        // First, or it would miss what an earlier process is about to have prepared.
        await endLeftovers(client);
        const { rows } = await client.query<{ gid: string }>(
          "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, $1)",
          [prefix],
        );
        return rows.map(({ gid }) => gid.slice(prefix.length) as TransactionId);
      }),
  };
}

/** No participant id contains a slash or a tilde, so no prefix begins another. */
export function gidPrefixOf(participantId: ParticipantId): string {
  const digest = createHash("sha256").update(participantId).digest("hex").slice(0, 16);
  const short = participantId.length <= idInGidLengthMax ? participantId : `${participantId.slice(0, 43)}~${digest}`;
  assert(short.length <= idInGidLengthMax, "a gid has at most 199 bytes");
  return `concord/${short}/`;
}

/** 32 bits, signed. Should two ids have the same key, then one of them has to try again. */
function keyOf(id: string): number {
  return createHash("sha256").update(id).digest().readInt32BE();
}

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

/** With the SQLSTATE, where there is one. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node reports a refused connection as several errors, and none in the message.
  const message = error instanceof AggregateError ? error.errors.map(messageOf).join("; ") : error.message;
  return error instanceof pg.DatabaseError ? `${message} (SQLSTATE ${error.code})` : message;
}
