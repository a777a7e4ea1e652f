import type { DeadLetter, SinkBatch, SinkKind, SinkRecord, SinkStore, SourceEvent } from "../../events/ports.ts";
import { ok, type Result } from "../../kernel/result.ts";
import { openSqlite } from "./engine.ts";
import type { Migration, OpenFailure, Row, SqliteEngine, Statement, StoreOptions, StoreSchema } from "./statement.ts";
import { readStretch } from "./stretch.ts";

type Conflict = { readonly type: "request-exists" };

const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE sinks (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        cursor INTEGER NOT NULL,
        is_paused INTEGER NOT NULL,
        -- The last event that was published. NULL: none.
        last_sequence INTEGER,
        last_event_id TEXT
      ) STRICT;
      CREATE TABLE dead_letters (
        sink TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        event TEXT NOT NULL,
        cause TEXT NOT NULL,
        tries INTEGER NOT NULL,
        refused_at_ms INTEGER NOT NULL,
        PRIMARY KEY (sink, sequence)
      ) STRICT;
      CREATE TABLE answers (
        request_id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        answer TEXT NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX answers_by_age ON answers (at_ms)`,
  },
  {
    version: 2,
    // 0: it stops at whatever was purged.
    sql: "ALTER TABLE sinks ADD COLUMN passes_purged_up_to INTEGER NOT NULL DEFAULT 0",
  },
];

export const sinkSchema: StoreSchema = { kind: "sinks", migrations };

/** `events.sqlite`: what sinks have published. A file of its own, so that cursors, which move all the time, cost the workflows' writer nothing. */
export async function openSqliteSinkStore(options: StoreOptions): Promise<Result<SinkStore, OpenFailure>> {
  const opened = await openSqlite({ ...options, ...sinkSchema });
  return opened.ok ? ok(sqliteSinkStore(opened.value)) : opened;
}

/** On an engine that is open. */
export function sqliteSinkStore(engine: SqliteEngine): SinkStore {
  return {
    get writable() {
      return engine.writable;
    },
    onWritableChange: engine.onWritableChange,
    keptBeforeMs: engine.keptBeforeMs,
    sinks: async () => engine.read("SELECT * FROM sinks ORDER BY name").map(toSink),
    deadLetters: async ({ sink, afterSequence, limit }) => {
      const { rows, isCut } = readStretch(engine, selectDeadLetters, [sink, afterSequence], limit);
      const letters = rows.map(toDeadLetter);
      return { rows: letters, upTo: isCut ? letters.at(-1)?.event.sequence : undefined, looked: rows.length };
    },
    deadLetterCount: async (sink) => Number(engine.read(countDeadLetters, sink)[0]?.["count"]),
    answer: async (requestId) => {
      const [row] = engine.read("SELECT digest, answer FROM answers WHERE request_id = ?", requestId);
      return row && { digest: row["digest"] as string, answer: row["answer"] as string };
    },
    async apply(batch) {
      const applied = await engine.apply<Conflict>(statements(batch));
      return applied.ok ? ok(undefined) : applied;
    },
    async purge({ olderThanMs, limit }) {
      const purged = await engine.apply<never>([{ sql: purgeAnswers, params: [olderThanMs, limit], returning: true }]);
      return purged.ok ? ok(purged.value.flat().length) : purged;
    },
    close: () => engine.close(),
  };
}

const selectDeadLetters = "SELECT * FROM dead_letters WHERE sink = ? AND sequence > ? ORDER BY sequence LIMIT ?";

const countDeadLetters = "SELECT count(*) AS count FROM dead_letters WHERE sink = ?";

const upsertSink = `INSERT INTO sinks (name, kind, cursor, is_paused, last_sequence, last_event_id, passes_purged_up_to)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET kind = excluded.kind, cursor = excluded.cursor, is_paused = excluded.is_paused,
    last_sequence = excluded.last_sequence, last_event_id = excluded.last_event_id,
    passes_purged_up_to = excluded.passes_purged_up_to`;

const upsertDeadLetter = `INSERT INTO dead_letters (sink, sequence, event, cause, tries, refused_at_ms) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET cause = excluded.cause, tries = excluded.tries, refused_at_ms = excluded.refused_at_ms`;

const updateDeadLetter = "UPDATE dead_letters SET cause = ?, tries = ?, refused_at_ms = ? WHERE sink = ? AND sequence = ?";

const purgeAnswers = `DELETE FROM answers WHERE request_id IN
  (SELECT request_id FROM answers WHERE at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING 1`;

function statements({ puts = [], deadLetters = [], retried, dropped, request }: SinkBatch): Statement<Conflict>[] {
  return [
    ...(request === undefined
      ? []
      : [
          {
            sql: "INSERT INTO answers (request_id, digest, answer, at_ms) VALUES (?, ?, ?, ?)",
            params: [request.id, request.digest, request.answer, request.atMs],
            expect: { changes: 1, conflict: { type: "request-exists" } as const },
          },
        ]),
    ...puts.map(({ name, kind, cursor, isPaused, last, passesPurgedUpTo = 0 }) => ({
      sql: upsertSink,
      params: [name, kind, cursor, isPaused ? 1 : 0, last?.sequence ?? null, last?.eventId ?? null, passesPurgedUpTo],
    })),
    ...deadLetters.map(({ sink, event, cause, tries, refusedAtMs }) => ({
      sql: upsertDeadLetter,
      params: [sink, event.sequence, JSON.stringify(event), cause, tries, refusedAtMs],
    })),
    ...(retried === undefined
      ? []
      : [
          {
            sql: updateDeadLetter,
            params: [retried.cause, retried.tries, retried.refusedAtMs, retried.sink, retried.event.sequence],
          },
        ]),
    ...(dropped?.sequences ?? []).map((sequence) => ({
      sql: "DELETE FROM dead_letters WHERE sink = ? AND sequence = ?",
      params: [dropped?.sink ?? "", sequence],
    })),
  ];
}

const toSink = (row: Row): SinkRecord => ({
  name: row["name"] as string,
  kind: row["kind"] as SinkKind,
  cursor: Number(row["cursor"]),
  isPaused: Number(row["is_paused"]) === 1,
  ...(Number(row["passes_purged_up_to"]) > 0 && { passesPurgedUpTo: Number(row["passes_purged_up_to"]) }),
  last:
    row["last_event_id"] === null
      ? undefined
      : { sequence: Number(row["last_sequence"]), eventId: row["last_event_id"] as string },
});

const toDeadLetter = (row: Row): DeadLetter => ({
  sink: row["sink"] as string,
  event: JSON.parse(row["event"] as string) as SourceEvent,
  cause: row["cause"] as string,
  tries: Number(row["tries"]),
  refusedAtMs: Number(row["refused_at_ms"]),
});
