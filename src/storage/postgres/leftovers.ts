import { createHash } from "node:crypto";
import type pg from "pg";
import type { TransactionId } from "../../kernel/ids.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { hasSqlState, messageOf, sqlState } from "./postgres-error.ts";

// A session lock marks the backend that works for a transaction. It outlives its client: after a kill -9 or a broken connection, a PREPARE
// TRANSACTION that was sent is still carried out, perhaps later than a new process looks for it.

/** How long backends may take to end. Each is in the middle of one statement at most. */
const endWithinMs: DurationMs = 5_000;

/** `scope` is what all transactions of one participant's log have in common: its gids' prefix. */
export async function lock(client: pg.PoolClient, scope: string, transactionId: TransactionId): Promise<void> {
  const asked = `SELECT pg_try_advisory_lock(${keyOf(scope)}, ${keyOf(transactionId)}) AS free`;
  const { rows } = await client.query<{ free: boolean }>(asked);
  if (rows[0]?.free !== true) throw new Error("an earlier attempt at this transaction is still running");
}

export const unlock = (client: pg.PoolClient, scope: string, transactionId: TransactionId) =>
  client.query(`SELECT pg_advisory_unlock(${keyOf(scope)}, ${keyOf(transactionId)})`);

/** Ends the backends that an earlier process left behind: for one transaction, or for all of this log. */
export async function endLeftovers(client: pg.PoolClient, scope: string, transactionId?: TransactionId): Promise<void> {
  const left = `SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid = ${keyOf(scope) >>> 0} ${transactionId === undefined ? "" : `AND objid = ${keyOf(transactionId) >>> 0}`}`;
  const givesUpAtMs = performance.now() + endWithinMs;
  for (;;) {
    // Whether it was told to end says little: of one that is gone by now it is false. What counts is that its lock is gone.
    const { rows } = await client
      .query<{ pid: number }>(`SELECT pid, pg_terminate_backend(pid) FROM (${left}) AS left_behind`)
      .catch(async (error: unknown) => {
        throw hasSqlState(error, sqlState.insufficientPrivilege) ? await notAllowed(client, left, error) : error;
      });
    if (rows.length === 0) return;
    if (performance.now() > givesUpAtMs) {
      const pids = rows.map(({ pid }) => pid).join(", ");
      throw new Error(`backends that an earlier process left behind do not end within ${endWithinMs} ms: pid ${pids}`);
    }
    await client.query("SELECT pg_sleep(0.02)");
  }
}

async function notAllowed(client: pg.PoolClient, left: string, cause: unknown): Promise<Error> {
  const asked = `SELECT pid, usename AS owner, current_user AS role FROM pg_stat_activity WHERE pid IN (${left})`;
  const { rows } = await client.query<{ pid: number; owner: string; role: string }>(asked);
  const backends = rows.map(({ pid, owner }) => `pid ${pid} of role "${owner}"`).join(", ");
  const role = rows[0]?.role;
  return new Error(
    `role "${role}" may not end the backends that an earlier process left behind: ${backends} (${messageOf(cause)}). ` +
      `GRANT their role, or pg_signal_backend, to "${role}"; a superuser's are ended by a superuser: SELECT pg_terminate_backend(pid)`,
    { cause },
  );
}

/** 32 bits, signed. Should two ids have the same key, then one of them has to try again. */
function keyOf(id: string): number {
  return createHash("sha256").update(id).digest().readInt32BE();
}
