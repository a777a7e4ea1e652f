/** The writer thread: owns the only writing connection of one file. Started by writer-thread.ts. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../kernel/assert.ts";
import { migrate } from "./migrate.ts";
import { isCorruptError, isDuplicateKey, isEnvironmentError, isFull, messageOf, openFailure } from "./sqlite-error.ts";
import type { Row } from "./statement.ts";
import { createStatementCache } from "./statement-cache.ts";
import type { BatchOutcome, FlushReply, WireStatement, WriterOptions, WriterReply, WriterRequest } from "./writer-messages.ts";

/** How long a write waits for another program's lock on the file, a backup for example. */
const busyTimeoutMs = 5_000;

type Connection = { readonly db: DatabaseSync; readonly prepare: ReturnType<typeof createStatementCache> };

type Flush = Extract<WriterRequest, { type: "flush" }>;

const port = parentPort;
assert(port !== null, "the writer runs in a worker thread");
const options = workerData as WriterOptions;
const reply = (message: WriterReply): void => port.postMessage(message);

let connection: Connection | undefined;

try {
  connection = connect();
  const failure = migrate(connection.db, options);
  reply(failure === undefined ? { type: "opened" } : { type: "open-failed", failure });
} catch (error) {
  reply({ type: "open-failed", failure: openFailure(options.path, error) });
}

port.on("message", (request: WriterRequest) => {
  if (request.type === "flush") reply(flush(request));
  else {
    disconnect();
    reply({ type: "closed" });
  }
});

function connect(): Connection {
  const db = new DatabaseSync(options.path, { timeout: busyTimeoutMs });
  try {
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY");
    if (options.pageCountMax !== undefined) db.exec(`PRAGMA max_page_count = ${options.pageCountMax}`);
    return { db, prepare: createStatementCache(db) };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Rolls back what is open. The last connection to go also moves the WAL into the file. */
function disconnect(): void {
  connection?.db.close();
  connection = undefined;
}

/** One transaction on the disk for all batches; each batch stands or falls alone within it. */
function flush({ sql, batches }: Flush): FlushReply {
  let committing = false;
  const startedMs = performance.now();
  try {
    connection ??= connect();
    const { prepare } = connection;
    prepare("BEGIN IMMEDIATE").run();
    const outcomes = batches.map((batch) => applyBatch(prepare, sql, batch));
    committing = true;
    prepare("COMMIT").run();
    return { type: "flushed", outcomes, tookMs: performance.now() - startedMs };
  } catch (error) {
    // A full disk fails a write of the commit, which then is no commit. After any other error of COMMIT the frames may or may not
    // have reached the disk, and what a failed fsync leaves behind is unknown: start over with a new connection.
    disconnect();
    return {
      type: "failed",
      cause: messageOf(error),
      outcomeUnknown: committing && !isFull(error),
      corrupt: isCorruptError(error),
    };
  }
}

function applyBatch(prepare: Connection["prepare"], sql: readonly string[], batch: readonly WireStatement[]): BatchOutcome {
  prepare("SAVEPOINT batch").run();
  const outcome = runStatements(prepare, sql, batch);
  if (outcome.type !== "applied") prepare("ROLLBACK TO batch").run();
  prepare("RELEASE batch").run();
  return outcome;
}

/** Throws what ends the whole flush. */
function runStatements(prepare: Connection["prepare"], sql: readonly string[], batch: readonly WireStatement[]): BatchOutcome {
  const rows: (readonly Row[])[] = [];
  for (const [index, [text, params, expected, returning]] of batch.entries()) {
    try {
      const statement = prepare(sql[text] ?? "");
      let changes: number | bigint;
      if (returning) {
        const returned = statement.all(...params) as Row[];
        rows.push(returned);
        changes = returned.length;
      } else changes = statement.run(...params).changes;
      if (expected !== undefined && changes !== expected) return { type: "conflict", statement: index };
    } catch (error) {
      if (isEnvironmentError(error)) throw error;
      if (expected !== undefined && isDuplicateKey(error)) return { type: "conflict", statement: index };
      return { type: "defect", message: `${messageOf(error)} in: ${sql[text]}` };
    }
  }
  return { type: "applied", rows };
}
