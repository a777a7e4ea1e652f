import type pg from "pg";
import { messageOf } from "./postgres-error.ts";
import type { Receipts } from "./receipts.ts";
import { withClient } from "./session.ts";

/** Older ones are not maintained any more, and were never tried. */
const serverVersionMin = 140_000;

/** Why a resource cannot be used. The message is for the operator. */
export type PostgresOpenFailure = {
  readonly type:
    | "invalid-options"
    | "pool-too-small"
    | "postgres-unreachable"
    | "postgres-too-old"
    | "prepared-transactions-disabled"
    /** Between here and the server is a pooler that gives a client another session for each transaction or statement. */
    | "postgres-pooler"
    /** The table of receipts is not there and may not be made, or may not be used. */
    | "receipts-inaccessible";
  readonly message: string;
};

/** Nothing, if the server can do all that is asked of it. */
export async function checkServer(pool: pg.Pool, receipts: Receipts): Promise<PostgresOpenFailure | undefined> {
  if (pool.options.max < 2) {
    return { type: "pool-too-small", message: "The pool must allow 2 connections: work must not keep a decision waiting." };
  }
  try {
    const asked = `SELECT current_setting('server_version_num')::int AS version,
      current_setting('max_prepared_transactions')::int AS slots`;
    const found = (await pool.query<{ version: number; slots: number }>(asked)).rows[0];
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
    if (await isPooled(pool)) {
      return {
        type: "postgres-pooler",
        message:
          "Two connections share a server session, or one has several: a pooler in transaction or statement mode. Session locks " +
          "leak there, and protect nothing. Connect to the server itself, or to a pooler in session mode.",
      };
    }
    const message = await receipts.open(pool);
    return message === undefined ? undefined : { type: "receipts-inaccessible", message };
  } catch (error) {
    return { type: "postgres-unreachable", message: `PostgreSQL does not answer: ${messageOf(error)}` };
  }
}

/**
 * Whether a connection is a session: it has one backend, and no other connection has it. A pooler can only give what is free, so while one
 * connection is busy, and just after, the other would be given another backend than before, whichever end of its queue it takes from.
 */
const isPooled = (pool: pg.Pool): Promise<boolean> =>
  withClient(pool, (one) =>
    withClient(pool, async (another) => {
      const seen = new Map([one, another].map((client) => [client, new Set<number>()]));
      const ask = async (client: pg.PoolClient, seconds: number): Promise<void> => {
        const { rows } = await client.query<{ pid: number }>(`SELECT pg_backend_pid() AS pid, pg_sleep(${seconds})`);
        if (rows[0]) seen.get(client)?.add(rows[0].pid);
      };
      for (const [busy, other] of [[one, another] as const, [another, one] as const]) {
        await Promise.all([ask(busy, 0.02), ask(other, 0)]);
        await ask(other, 0);
        await ask(other, 0);
      }
      const pids = [...seen.values()].flatMap((each) => [...each]);
      return pids.length !== seen.size || new Set(pids).size !== pids.length;
    }),
  );
