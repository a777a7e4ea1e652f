import type { ParticipantRecord } from "../../commit/core/participant-step.ts";
import type { KnownCoordinator, ParticipantLog } from "../../commit/ports.ts";
import type { TransactionId } from "../../kernel/ids.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { openSqlite } from "./engine.ts";
import { openFailure } from "./sqlite-error.ts";
import type { Migration, OpenFailure, Row, SqliteEngine, Statement, StoreSchema } from "./statement.ts";

const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE transactions (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        one_phase INTEGER NOT NULL,
        coordinator_id TEXT NOT NULL,
        coordinator_epoch INTEGER NOT NULL,
        payload BLOB NOT NULL,
        reason TEXT NOT NULL,
        updated_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX transactions_prepared ON transactions (id) WHERE state = 'prepared';
      CREATE INDEX transactions_by_age ON transactions (updated_at_ms) WHERE state <> 'prepared'`,
  },
  {
    version: 2,
    sql: `
      -- One row, as long as the file lives.
      CREATE TABLE log (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL) STRICT;
      INSERT INTO log (one, id) VALUES (1, lower(hex(randomblob(16))))`,
  },
  { version: 3, sql: "CREATE TABLE coordinators (id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT" },
  { version: 4, sql: "ALTER TABLE coordinators ADD COLUMN claim_id TEXT NOT NULL DEFAULT ''" },
];

export const participantLogSchema: StoreSchema = { kind: "participant-log", migrations };

export type SqliteParticipantLog = ParticipantLog & Pick<SqliteEngine, "onFlush" | "close">;

/** One file for each participant. */
export async function openSqliteParticipantLog(options: {
  readonly path: string;
}): Promise<Result<SqliteParticipantLog, OpenFailure>> {
  const opened = await openSqlite({ ...options, ...participantLogSchema });
  if (!opened.ok) return opened;
  try {
    opened.value.read("SELECT 1 FROM transactions LIMIT 1");
    return ok(sqliteParticipantLog(opened.value));
  } catch (error) {
    await opened.value.close();
    return err(openFailure(options.path, error));
  }
}

/** On an engine that is open. */
export function sqliteParticipantLog(engine: SqliteEngine): SqliteParticipantLog {
  const id = engine.read("SELECT id FROM log")[0]?.["id"] as string;

  async function write(statement: Statement<never>): Promise<readonly Row[]> {
    const applied = await engine.apply<never>([statement]);
    if (!applied.ok) throw new Error(applied.error.type === "conflict" ? "conflict" : applied.error.cause);
    return applied.value[0] ?? [];
  }

  return {
    id,
    load: async () => engine.read("SELECT * FROM transactions WHERE state = 'prepared' ORDER BY id").map(toRecord),
    get: async (id) => engine.read("SELECT * FROM transactions WHERE id = ?", id).map(toRecord)[0],
    coordinators: async () => engine.read("SELECT id, epoch, claim_id FROM coordinators").map(toCoordinator),
    persistCoordinator: async ({ coordinatorId, coordinatorEpoch, claimId }) =>
      void (await write({ sql: upsertCoordinator, params: [coordinatorId, coordinatorEpoch, claimId] })),
    async persist(record) {
      const { transactionId, state, onePhase, coordinatorId, coordinatorEpoch, payload, reason, updatedAtMs } = record;
      // Nobody asks for the work of what has ended.
      const work = state === "prepared" || state === "lost" ? payload : new Uint8Array();
      const params = [transactionId, state, onePhase ? 1 : 0, coordinatorId, coordinatorEpoch, work, reason, updatedAtMs];
      await write({ sql: upsert, params });
    },
    purge: async ({ coordinatorId, updatedBeforeMs, limit }) =>
      (await write({ sql: purgeEnded, params: [updatedBeforeMs, coordinatorId, limit], returning: true })).length,
    keptBeforeMs: engine.keptBeforeMs,
    onFlush: engine.onFlush,
    close: engine.close,
  };
}

const upsert = `INSERT INTO transactions
    (id, state, one_phase, coordinator_id, coordinator_epoch, payload, reason, updated_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET
    state = excluded.state, one_phase = excluded.one_phase, coordinator_id = excluded.coordinator_id,
    coordinator_epoch = excluded.coordinator_epoch, payload = excluded.payload, reason = excluded.reason,
    updated_at_ms = excluded.updated_at_ms`;

const purgeEnded = `DELETE FROM transactions WHERE id IN
  (SELECT id FROM transactions WHERE state <> 'prepared' AND state <> 'lost' AND updated_at_ms < ? AND coordinator_id = ? ORDER BY updated_at_ms LIMIT ?) RETURNING id`;

const upsertCoordinator = `INSERT INTO coordinators (id, epoch, claim_id) VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET epoch = excluded.epoch, claim_id = excluded.claim_id WHERE excluded.epoch > epoch`;

const toCoordinator = (row: Row): KnownCoordinator => ({
  coordinatorId: row["id"] as string,
  coordinatorEpoch: Number(row["epoch"]),
  claimId: row["claim_id"] as string,
});

export const toRecord = (row: Row): ParticipantRecord => ({
  transactionId: row["id"] as TransactionId,
  state: row["state"] as ParticipantRecord["state"],
  onePhase: row["one_phase"] === 1,
  coordinatorId: row["coordinator_id"] as string,
  coordinatorEpoch: Number(row["coordinator_epoch"]),
  payload: row["payload"] as Uint8Array,
  reason: row["reason"] as string,
  updatedAtMs: Number(row["updated_at_ms"]),
});
