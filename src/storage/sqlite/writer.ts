/** The writer thread: owns the only writing connection of one file. Started by writer-thread.ts. */
import { existsSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../kernel/assert.ts";
import { systemClock } from "./clock.ts";
import { removeDatabase } from "./database-files.ts";
import { DisplacedError, displacedMessage, displacedPath, identify, shortenedMessage, shortenedPath } from "./file-identity.ts";
import { type FlushTarget, flush } from "./group-commit.ts";
import { checkSchema, migrate } from "./migrate.ts";
import { damageIn } from "./pragmas.ts";
import { damagedMessage, openFailure } from "./sqlite-error.ts";
import type { OpenFailure } from "./statement.ts";
import { createStatementCache } from "./statement-cache.ts";
import { checkpointPages, walBytesMax, writerCacheBytes } from "./store-bytes.ts";
import { storeKinds } from "./store-kind.ts";
import { sync } from "./sync.ts";
import type { WriterOptions, WriterReply, WriterRequest } from "./writer-messages.ts";

/** A whole file up to this size is checked at start: half a second from memory, a few from a disk. */
const checkedBytesMax = 512 * 1024 * 1024;

/** sqlite.org/fileformat2.html, section 4.1. */
const walHeaderBytes = 32;
const frameHeaderBytes = 24;

/** How long a write waits for another program's lock on the file, a backup for example. */
const busyTimeoutMs = 5_000;

type Connection = { readonly db: DatabaseSync; readonly prepare: ReturnType<typeof createStatementCache> };

const port = parentPort;
assert(port !== null, "the writer runs in a worker thread");
const options = workerData as WriterOptions;
const reply = (message: WriterReply): void => port.postMessage(message);

let connection: Connection | undefined;
let files = options.files;
/** Of the write-ahead log, after what was done last. */
let walBytes = 0;

const target: FlushTarget = {
  path: options.path,
  monotonicMs: systemClock.monotonicMs,
  connect: () => {
    connection ??= connect();
    assertWhole(walBytes);
    return connection.prepare;
  },
  checkCommit: () => {
    assertInPlace();
    // The commit may have begun the log anew, and so made it smaller itself, but not smaller than this.
    assertWhole(Math.min(walBytes, walBytesMax));
    walBytes = walSize();
    return walBytes;
  },
  disconnect,
};

try {
  const failure = open();
  if (failure) disconnect();
  reply(failure ? { type: "open-failed", failure } : { type: "opened", files: files ?? [], walBytes });
} catch (error) {
  disconnect();
  reply({ type: "open-failed", failure: openFailure(options.path, error) });
}

port.on("message", (request: WriterRequest) => {
  switch (request.type) {
    case "flush":
      return reply(flush(target, request));
    case "truncate-wal":
      truncateWal();
      return reply({ type: "wal-truncated", walBytes });
    case "close":
      disconnect();
      return reply({ type: "closed" });
  }
});

function open(): OpenFailure | undefined {
  const isFirst = files === undefined;
  const uncreated = isFirst && !existsSync(options.path) ? create() : undefined;
  if (uncreated) return uncreated;
  connection = connect();
  const { db } = connection;
  // Before anything is written: a file of another program is left as it is.
  const unfit = checkSchema(db, options) ?? (isFirst ? checkPages(db) : undefined);
  if (unfit) return unfit;
  db.exec("PRAGMA journal_mode = WAL");
  const failure = migrate(db, options);
  if (failure) return failure;
  files ??= ["", "-wal", "-shm"].map((suffix) => identify(`${options.path}${suffix}`));
  walBytes = walSize();
  // The mark of a store in use says that there is a log.
  if (isFirst) sync(dirname(options.path));
  return undefined;
}

/** A new file is made beside its place and moved there whole: what is empty or half made at its place is no new store. */
function create(): OpenFailure | undefined {
  const draft = `${options.path}.new`;
  removeDatabase(draft);
  const db = new DatabaseSync(draft);
  try {
    db.exec(`PRAGMA synchronous = FULL; PRAGMA application_id = ${storeKinds[options.kind].applicationId}`);
    const failure = migrate(db, options);
    db.close();
    if (failure) return failure;
    renameSync(draft, options.path);
    sync(dirname(options.path));
    return undefined;
  } finally {
    if (db.isOpen) db.close();
    removeDatabase(draft);
  }
}

/** Damage that SQLite can see, in any page, of a file that is read in a moment. In a larger one it is found when it is met. */
function checkPages(db: DatabaseSync): OpenFailure | undefined {
  if (statSync(options.path).size > checkedBytesMax) return undefined;
  const damage = damageIn(db, "quick_check");
  return damage === undefined ? undefined : { type: "corrupt", message: damagedMessage(options.path, damage) };
}

function connect(): Connection {
  const db = new DatabaseSync(options.path, { timeout: busyTimeoutMs });
  try {
    assertInPlace();
    db.exec(`PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = ${walBytesMax}`);
    db.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}; PRAGMA cache_size = -${writerCacheBytes / 1024}`);
    if (options.pageCountMax !== undefined) db.exec(`PRAGMA max_page_count = ${options.pageCountMax}`);
    return { db, prepare: createStatementCache(db) };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** What is written into a file that was removed is written for nobody, and one that was put in its place is not ours to write. */
function assertInPlace(): void {
  const displaced = files && displacedPath(files);
  if (displaced !== undefined) throw new DisplacedError(displacedMessage(displaced));
}

/** SQLite does not look: it goes on behind the end that it knows of, leaves a gap, and moves the gap into the file. */
function assertWhole(walBytesMin: number): void {
  const shortened = files && shortenedPath(files, walBytesMin);
  if (shortened !== undefined && !hasAllFrames()) throw new DisplacedError(shortenedMessage(shortened));
}

/**
 * Another program's checkpoint may have emptied the log in order; SQLite knows then how many frames are left. One that is older would take
 * the question for a checkpoint.
 */
function hasAllFrames(): boolean {
  const [, minor = 0] = (process.versions["sqlite"] ?? "").split(".").map(Number);
  if (connection === undefined || minor < 51) return false;
  const frames = Number(connection.db.prepare("PRAGMA wal_checkpoint(NOOP)").get()?.["log"]);
  const pageBytes = Number(connection.db.prepare("PRAGMA page_size").get()?.["page_size"]);
  return frames === 0 || walSize() >= walHeaderBytes + frames * (frameHeaderBytes + pageBytes);
}

function walSize(): number {
  return statSync(`${options.path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

/** Rolls back what is open. The last connection to go also moves the WAL into the file. */
function disconnect(): void {
  connection?.db.close();
  connection = undefined;
}

/**
 * Moves the WAL into the file and gives its space back, unless somebody still reads what is in it: writes do not wait for that. SQLite itself
 * does so only in the second commit after the reader has gone, which may never come.
 */
function truncateWal(): void {
  try {
    assertWhole(walBytes);
    connection?.db.exec(`PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = ${busyTimeoutMs}`);
    walBytes = walSize();
  } catch {
    // The WAL still has everything. Whatever is wrong with the disk meets the next flush too, with a new connection.
    disconnect();
  }
}
