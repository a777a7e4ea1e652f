import pg from "pg";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import type { TimeMs } from "../../kernel/time.ts";
import { hasSqlState, messageOf, sqlState } from "./postgres-error.ts";

// A gid that is missing says nothing about how it ended. The receipt is written inside the prepared transaction, so it is there, for
// whoever looks later, exactly if that transaction was committed.

/** Whose commit it is. */
export type ReceiptKey = { readonly participantId: ParticipantId; readonly logId: string; readonly transactionId: TransactionId };

export interface Receipts {
  /** As it is written in SQL. It has a schema, for the work may set its search_path. */
  readonly table: string;
  /** Makes the table, if it is not there. Resolves to why it cannot be used, with what has to be run. Rejects if the server is away. */
  open(pool: pg.Pool): Promise<string | undefined>;
  /** A statement. */
  insert(key: ReceiptKey): string;
  isThere(client: pg.PoolClient, key: ReceiptKey): Promise<boolean>;
  /** Drops those recorded before this time, but for some, at most `limit`. */
  purge(
    pool: pg.Pool,
    old: Omit<ReceiptKey, "transactionId"> & {
      readonly recordedBeforeMs: TimeMs;
      readonly keep: readonly TransactionId[];
      readonly limit: number;
    },
  ): Promise<number>;
}

export function receiptsIn(schema: string): Receipts {
  const quoted = pg.escapeIdentifier(schema);
  const table = `${quoted}.receipts`;
  const create = [
    `CREATE SCHEMA IF NOT EXISTS ${quoted}`,
    `CREATE TABLE IF NOT EXISTS ${table} (participant_id text, log_id text, transaction_id text, ` +
      "recorded_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (participant_id, log_id, transaction_id))",
  ].join(";\n");
  const grant = (role: string): string =>
    `GRANT USAGE ON SCHEMA ${quoted} TO ${role};\nGRANT SELECT, INSERT, DELETE ON ${table} TO ${role}`;
  const literal = pg.escapeLiteral;
  // All columns are named, so that a table of another make is refused here, and not by each transaction.
  const look = `SELECT participant_id, log_id, transaction_id, recorded_at FROM ${table} LIMIT 0;
    SELECT has_table_privilege(${literal(table)}, 'INSERT') AND has_table_privilege(${literal(table)}, 'DELETE') AS granted`;

  async function tryOut(pool: pg.Pool): Promise<void> {
    const answers = (await pool.query(look)) as unknown as readonly pg.QueryResult<{ granted: boolean }>[];
    if (answers.at(-1)?.rows[0]?.granted !== true) throw new Error("it may not be written and purged");
  }

  async function open(pool: pg.Pool): Promise<string | undefined> {
    try {
      try {
        await tryOut(pool);
      } catch (error) {
        if (!hasSqlState(error, sqlState.undefinedTable, sqlState.invalidSchemaName)) throw error;
        // IF NOT EXISTS fails when another makes it at the same moment, so one at a time does.
        await pool.query(`SELECT pg_advisory_xact_lock(hashtext(${literal(`concord/${table}`)})); ${create}`);
        await tryOut(pool);
      }
      return undefined;
    } catch (cause) {
      const { rows } = await pool.query<{ role: string; database: string }>(
        "SELECT quote_ident(current_user) AS role, current_database() AS database",
      );
      const { role = "", database } = rows[0] ?? {};
      return (
        `Receipts of commits cannot be kept in ${table}: ${messageOf(cause)}. ` +
        `Let an administrator run this in the database "${database}":\n${create};\n${grant(role)};`
      );
    }
  }

  return {
    table,
    open,
    insert: ({ participantId, logId, transactionId }) =>
      `INSERT INTO ${table} (participant_id, log_id, transaction_id)
         VALUES (${literal(participantId)}, ${literal(logId)}, ${literal(transactionId)})`,
    async isThere(client, { participantId, logId, transactionId }) {
      const asked = `SELECT FROM ${table} WHERE participant_id = $1 AND log_id = $2 AND transaction_id = $3`;
      return (await client.query(asked, [participantId, logId, transactionId])).rowCount === 1;
    },
    async purge(pool, { participantId, logId, recordedBeforeMs, keep, limit }) {
      const { rowCount } = await pool.query(
        `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table}
           WHERE participant_id = $1 AND log_id = $2 AND recorded_at < $3 AND transaction_id <> ALL ($4) LIMIT $5))`,
        [participantId, logId, new Date(recordedBeforeMs), keep, limit],
      );
      return rowCount ?? 0;
    },
  };
}
