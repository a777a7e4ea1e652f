import { claimCountMax } from "../../commit/core/claim.ts";
import { checkTransaction } from "../../commit/core/invariants.ts";
import { finishedAtMs, type Part, type Transaction } from "../../commit/core/types.ts";
import type { DecisionLog, Fenced, ParticipantSession } from "../../commit/ports.ts";
import type { Timeline } from "../../commit/timeline.ts";
import { isInScope, nearer } from "../../commit/transaction-scope.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { StorageUnavailableError, type WriteFailure } from "../../kernel/write.ts";
import { openSqlite } from "./engine.ts";
import { openFailure } from "./sqlite-error.ts";
import type { Migration, OpenFailure, Row, SqliteEngine, Statement, StoreOptions, StoreSchema } from "./statement.ts";
import { readStretch } from "./stretch.ts";

const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      -- One row. The epoch is the fence.
      CREATE TABLE coordinator (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        coordinator_id TEXT NOT NULL,
        epoch INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE transactions (
        id TEXT PRIMARY KEY,
        outcome TEXT,
        request_id TEXT,
        completed_at_ms INTEGER,
        body TEXT NOT NULL
      ) STRICT;
      CREATE INDEX transactions_unfinished ON transactions (id) WHERE completed_at_ms IS NULL;
      CREATE INDEX transactions_by_age ON transactions (completed_at_ms) WHERE completed_at_ms IS NOT NULL;
      CREATE INDEX transactions_by_request ON transactions (request_id) WHERE request_id IS NOT NULL;

      CREATE TABLE sessions (
        participant_id TEXT PRIMARY KEY,
        instance_id TEXT NOT NULL,
        session_epoch INTEGER NOT NULL,
        connected_at_ms INTEGER NOT NULL
      ) STRICT`,
  },
  {
    version: 2,
    sql: "ALTER TABLE transactions ADD COLUMN timeline TEXT",
  },
  {
    version: 3,
    sql: `
      -- The newest, one an epoch. Before there were ids, the id was empty.
      CREATE TABLE claims (epoch INTEGER PRIMARY KEY, id TEXT NOT NULL) STRICT;
      INSERT INTO claims (epoch, id) SELECT epoch, '' FROM coordinator`,
  },
  {
    version: 4,
    sql: `
      -- Beside the body, so that it is read only where it is needed. In Base64.
      ALTER TABLE transactions ADD COLUMN payload TEXT;
      UPDATE transactions SET
        payload = json_extract(body, '$.parts[0].payload'), body = json_remove(body, '$.parts[0].payload')
      WHERE outcome IS NULL AND completed_at_ms IS NULL`,
  },
];

export const decisionLogSchema: StoreSchema = { kind: "decision-log", migrations };

export type SqliteDecisionLog = DecisionLog & Pick<SqliteEngine, "onFlush">;

export async function openSqliteDecisionLog(
  options: StoreOptions & {
    /** Also while another process holds the file. Safe, because every write is fenced. */
    readonly takeOver?: boolean;
    /** For tests of a full disk. */
    readonly pageCountMax?: number;
  },
): Promise<Result<SqliteDecisionLog, OpenFailure>> {
  const opened = await openSqlite({ ...options, ...decisionLogSchema });
  if (!opened.ok) return opened;
  try {
    // A file that cannot be read is told at once, not by the first transaction.
    opened.value.read(selectEpoch);
    return ok(sqliteDecisionLog(opened.value));
  } catch (error) {
    await opened.value.close();
    return err(openFailure(options.path, error));
  }
}

/** On an engine that is open. */
export function sqliteDecisionLog(engine: SqliteEngine): SqliteDecisionLog {
  type Rows = readonly (readonly Row[])[];

  /** All writes of a coordinator: rejected as a whole once another has claimed the log. */
  async function write(coordinatorEpoch: number, statement: Statement<"fenced">): Promise<Result<Rows, WriteFailure<Fenced>>> {
    const guard: Statement<"fenced"> = {
      sql: "SELECT 1 FROM coordinator WHERE epoch = ?",
      params: [coordinatorEpoch],
      expect: { changes: 1, conflict: "fenced" },
      returning: true,
    };
    const applied = await engine.apply([guard, statement]);
    if (applied.ok || applied.error.type === "storage-unavailable") return applied as Result<Rows, WriteFailure<Fenced>>;
    try {
      return err({ type: "conflict", conflict: { type: "fenced", coordinatorEpoch: newestEpoch() } });
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
      // Nothing was written, and whoever tries again is told by whom it was fenced.
      return err({ type: "storage-unavailable", cause: error.message, outcomeUnknown: false });
    }
  }

  const newestEpoch = (): number => Number(engine.read(selectEpoch)[0]?.["epoch"]);

  async function put(transaction: Transaction, timeline?: Timeline): Promise<Result<void, WriteFailure<Fenced>>> {
    checkTransaction(transaction);
    const { id, outcome, request, coordinatorEpoch } = transaction;
    const params = [
      id,
      outcome ?? null,
      request?.id ?? null,
      finishedAtMs(transaction) ?? null,
      bodyOf(transaction),
      timeline ? JSON.stringify(timeline) : null,
      payloadOf(transaction),
    ];
    const written = await write(coordinatorEpoch, { sql: upsertTransaction, params });
    return written.ok ? ok(undefined) : written;
  }

  return {
    get writable() {
      return engine.writable;
    },
    onWritableChange: engine.onWritableChange,
    keptBeforeMs: engine.keptBeforeMs,
    onFlush: engine.onFlush,
    async claim(newCoordinatorId) {
      const claimed = await engine.apply<never>([
        { sql: claimEpoch, params: [newCoordinatorId], returning: true },
        { sql: insertClaim, params: [] },
        { sql: dropClaims, params: [claimCountMax] },
        { sql: selectClaims, params: [], returning: true },
      ]);
      if (!claimed.ok) return claimed;
      const [[row] = [], claims = []] = claimed.value;
      return ok({
        coordinatorId: row?.["coordinator_id"] as string,
        coordinatorEpoch: Number(row?.["epoch"]),
        claims: claims.map(({ epoch, id }) => ({ epoch: Number(epoch), id: id as string })),
      });
    },
    newestEpoch: async () => newestEpoch(),
    force: put,
    record: put,
    async openSession({ participantId, instanceId, connectedAtMs }, coordinatorEpoch) {
      const params = [participantId, instanceId, connectedAtMs];
      const written = await write(coordinatorEpoch, { sql: nextSession, params, returning: true });
      if (!written.ok) return written;
      const sessionEpoch = Number(written.value[1]?.[0]?.["session_epoch"]);
      return ok({ participantId, instanceId, connectedAtMs, sessionEpoch });
    },
    get: async (id) => engine.read("SELECT id, body FROM transactions WHERE id = ?", id).map(toTransaction)[0],
    newestId: async () =>
      (engine.read("SELECT max(id) AS id FROM transactions")[0]?.["id"] ?? undefined) as TransactionId | undefined,
    async list({ beforeId, limit, scope = {} }) {
      const { fromId = "", phases, outcomes } = scope;
      const sql = phases && !phases.includes("COMPLETED") ? selectUnfinishedNewestFirst : selectNewestFirst;
      const wanted = outcomes ? JSON.stringify(outcomes.map((outcome) => outcome ?? "")) : null;
      const params = [wanted, wanted, nearer(beforeId, scope.beforeId) ?? behindAllIds, fromId];
      const { rows, isCut } = readStretch(engine, sql, params, limit);
      return {
        transactions: rows
          .filter(({ body }) => body !== null)
          .map(toTransaction)
          .filter((each) => isInScope(scope, each)),
        nextBeforeId: isCut ? (rows.at(-1)?.["id"] as TransactionId) : undefined,
      };
    },
    async payload(id) {
      const [row] = engine.read("SELECT payload FROM transactions WHERE id = ?", id);
      return new Uint8Array(Buffer.from((row?.["payload"] as string | null | undefined) ?? "", "base64"));
    },
    async timeline(id) {
      const text = engine.read("SELECT timeline FROM transactions WHERE id = ?", id)[0]?.["timeline"];
      return typeof text === "string" ? (JSON.parse(text) as Timeline) : undefined;
    },
    unfinished: async ({ afterId, limit }) =>
      engine.read(selectUnfinished, afterId ?? "", limit).map(({ id }) => id as TransactionId),
    byRequest: async (requestId) => engine.read(selectByRequest, requestId).map(toTransaction)[0],
    participant: async (id) => engine.read("SELECT * FROM sessions WHERE participant_id = ?", id).map(toSession)[0],
    participants: async ({ afterId, limit }) =>
      engine
        .read("SELECT * FROM sessions WHERE participant_id > ? ORDER BY participant_id LIMIT ?", afterId ?? "", limit)
        .map(toSession),
    async forgetParticipants({ participantIds, connectedBeforeMs }, coordinatorEpoch) {
      const params = [JSON.stringify(participantIds), connectedBeforeMs];
      const written = await write(coordinatorEpoch, { sql: deleteSessions, params });
      return written.ok ? ok(undefined) : written;
    },
    async forget(id, coordinatorEpoch) {
      const written = await write(coordinatorEpoch, { sql: "DELETE FROM transactions WHERE id = ?", params: [id] });
      return written.ok ? ok(undefined) : written;
    },
    async purge({ completedBeforeMs, limit }, coordinatorEpoch) {
      const params = [completedBeforeMs, limit];
      const written = await write(coordinatorEpoch, { sql: purgeCompleted, params, returning: true });
      return written.ok ? ok(written.value[1]?.length ?? 0) : written;
    },
    close: () => engine.close(),
  };
}

const selectEpoch = "SELECT epoch FROM coordinator";

const claimEpoch = `INSERT INTO coordinator (one, coordinator_id, epoch) VALUES (1, ?, 1)
  ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING coordinator_id, epoch`;

const insertClaim = "INSERT INTO claims (epoch, id) SELECT epoch, lower(hex(randomblob(16))) FROM coordinator";

const dropClaims = "DELETE FROM claims WHERE epoch <= (SELECT epoch FROM coordinator) - ?";

const selectClaims = "SELECT epoch, id FROM claims ORDER BY epoch DESC";

const upsertTransaction = `
  INSERT INTO transactions (id, outcome, request_id, completed_at_ms, body, timeline, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET
    outcome = excluded.outcome, completed_at_ms = excluded.completed_at_ms, body = excluded.body,
    timeline = coalesce(excluded.timeline, timeline),
    payload = CASE WHEN excluded.outcome IS NULL THEN coalesce(excluded.payload, payload) END`;

const selectUnfinished = "SELECT id FROM transactions WHERE completed_at_ms IS NULL AND id > ? ORDER BY id LIMIT ?";

/** Of what the outcome leaves out, the body is not read. */
const newestFirst = (condition: string): string => `
  SELECT id, CASE WHEN ? IS NULL OR coalesce(outcome, '') IN (SELECT value FROM json_each(?)) THEN body END AS body
  FROM transactions WHERE id < ? AND id >= ? ${condition} ORDER BY id DESC LIMIT ?`;

const selectNewestFirst = newestFirst("");

/** By an index: what is not over is not finished. */
const selectUnfinishedNewestFirst = newestFirst("AND completed_at_ms IS NULL");

/** Ids have no such character. See `idPattern`. */
const behindAllIds = "~";

const nextSession = `INSERT INTO sessions (participant_id, instance_id, connected_at_ms, session_epoch) VALUES (?, ?, ?, 1)
  ON CONFLICT DO UPDATE SET
    instance_id = excluded.instance_id, connected_at_ms = excluded.connected_at_ms, session_epoch = session_epoch + 1
  RETURNING session_epoch`;

const deleteSessions = "DELETE FROM sessions WHERE participant_id IN (SELECT value FROM json_each(?)) AND connected_at_ms < ?";

const selectByRequest = "SELECT id, body FROM transactions WHERE request_id = ? AND outcome IS NOT 'aborted' LIMIT 1";

const purgeCompleted = `DELETE FROM transactions WHERE id IN
  (SELECT id FROM transactions WHERE completed_at_ms < ? ORDER BY completed_at_ms LIMIT ?) RETURNING id`;

type StoredPart = Omit<Part, "payload" | "connected">;

function bodyOf(transaction: Transaction): string {
  const parts = transaction.parts.map(({ payload: _, connected: __, ...part }): StoredPart => part);
  return JSON.stringify({ ...transaction, parts });
}

/** Needed while its participant may still have to be asked: only of what is delegated, which has one, and not decided. */
function payloadOf({ outcome, parts: [part] }: Transaction): string | null {
  return outcome === undefined && part?.payload ? Buffer.from(part.payload).toString("base64") : null;
}

/** Of a row that has an id and a body. */
export function toTransaction(row: Row): Transaction {
  const { parts, ...stored } = JSON.parse(row["body"] as string) as Omit<Transaction, "parts"> & {
    readonly parts: readonly StoredPart[];
  };
  const transaction = {
    ...optionalTransactionFields,
    ...stored,
    parts: parts.map((part) => ({ ...optionalPartFields, ...part, payload: undefined, connected: false })),
    id: row["id"] as TransactionId,
  };
  checkTransaction(transaction);
  return transaction;
}

// JSON drops what is undefined.
const optionalTransactionFields = {
  outcome: undefined,
  decidedAtMs: undefined,
  completedAtMs: undefined,
  voteDeadlineMs: undefined,
  idleTimeoutMs: undefined,
  resolution: undefined,
  request: undefined,
};
const optionalPartFields = {
  vote: undefined,
  votedAtMs: undefined,
  acknowledgedAtMs: undefined,
  acknowledgedOutcome: undefined,
  lost: undefined,
  request: undefined,
};

const toSession = (row: Row): ParticipantSession => ({
  participantId: row["participant_id"] as ParticipantId,
  instanceId: row["instance_id"] as string,
  sessionEpoch: Number(row["session_epoch"]),
  connectedAtMs: Number(row["connected_at_ms"]),
});
