import { DatabaseSync, type StatementSync } from "node:sqlite";
import { assert } from "../../src/kernel/assert.ts";
import type { DurationMs, TimeMs } from "../../src/kernel/time.ts";
import { migrate } from "../../src/storage/sqlite/migrate.ts";
import type { Row, SqlValue, StoreSchema } from "../../src/storage/sqlite/statement.ts";
import { createStatementCache } from "../../src/storage/sqlite/statement-cache.ts";
import type { StoreKind } from "../../src/storage/sqlite/store-kind.ts";
import type { Dice } from "./random.ts";
import type { Process } from "./schedule.ts";

/** One store's file: what is durable of it. Outlives the processes that have it open. */
export type SqliteDisk = {
  readonly path: string;
  prepare(sql: string): StatementSync;
  /** What is durable now, whoever asks. */
  rows(sql: string): Row[];
  rollBack(): void;
  /** Called after each batch of a flush that is not refused. What is read then is as it leaves it, and not durable yet. */
  onBatch(listener: OnBatch): void;
  applied: OnBatch;
  /** Called after each commit, with whose it is and the batches that stand in it, before anybody is told of it. */
  onCommit(listener: OnCommit): void;
  committed: OnCommit;
  /** While it is full, nothing more can be written. */
  readonly isFull: boolean;
  fill(forMs: DurationMs): void;
  close(): void;
};

/** What one batch has run, in its order. */
export type WrittenBatch = readonly { readonly sql: string; readonly params: readonly SqlValue[] }[];

type OnBatch = (by: Process, batch: WrittenBatch) => void;

type OnCommit = (by: Process, batches: readonly WrittenBatch[]) => void;

/** As the production migrations make them; made once, since migrating takes longer than many a run of a store. */
const empty = new Map<StoreKind, Uint8Array>();

/** Chance and time within SQL come from here too. */
export function createSqliteDisk({
  path,
  schema,
  dice,
  nowMs,
}: {
  readonly path: string;
  readonly schema: StoreSchema;
  readonly dice: Dice;
  readonly nowMs: () => TimeMs;
}): SqliteDisk {
  const db = new DatabaseSync(":memory:");
  db.deserialize(emptyStore(schema));
  db.function("randomblob", (length) => Uint8Array.from({ length: Number(length) }, () => dice.between(0, 255)));
  db.function("unixepoch", { varargs: true }, () => nowMs() / 1_000);
  for (const table of ["store", "log"]) {
    if (hasTable(db, table)) db.exec(`UPDATE ${table} SET id = lower(hex(randomblob(16)))`);
  }
  const prepare = createStatementCache(db);
  const batchListeners = new Set<OnBatch>();
  const listeners = new Set<OnCommit>();
  let fullUntilMs = 0;

  return {
    path,
    prepare,
    rows: (sql) => prepare(sql).all() as Row[],
    rollBack: () => {
      if (db.isTransaction) db.exec("ROLLBACK");
    },
    onBatch: (listener) => void batchListeners.add(listener),
    applied: (by, batch) => {
      for (const listener of batchListeners) listener(by, batch);
    },
    onCommit: (listener) => void listeners.add(listener),
    committed: (by, batches) => {
      for (const listener of listeners) listener(by, batches);
    },
    get isFull() {
      return nowMs() < fullUntilMs;
    },
    fill: (forMs) => {
      fullUntilMs = nowMs() + forMs;
    },
    close: () => db.close(),
  };
}

function emptyStore({ kind, migrations }: StoreSchema): Uint8Array {
  const made = empty.get(kind);
  if (made !== undefined) return made;
  const db = new DatabaseSync(":memory:");
  const failure = migrate(db, { path: kind, kind, migrations });
  assert(failure === undefined, `an empty ${kind} store: ${failure?.message}`);
  const bytes = db.serialize();
  db.close();
  empty.set(kind, bytes);
  return bytes;
}

const hasTable = (db: DatabaseSync, table: string): boolean =>
  db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table) !== undefined;
