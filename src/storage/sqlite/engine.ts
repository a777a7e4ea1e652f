import { DatabaseSync } from "node:sqlite";
import { AssertionError, assert } from "../../kernel/assert.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { WriteFailure } from "../../kernel/write.ts";
import { acquireLock, awaitLock } from "./lock.ts";
import { openFailure } from "./sqlite-error.ts";
import type { Flush, OpenSqlite, Row, SqliteEngine, Statement } from "./statement.ts";
import { createStatementCache } from "./statement-cache.ts";
import { type BatchOutcome, encodeFlush, type FlushReply } from "./writer-messages.ts";
import { startWriter } from "./writer-thread.ts";

/** Bounds the work that one failure takes down, and the time that a batch waits behind others. */
const flushBatchesMax = 1_024;

/** Callers beyond this are refused at once: a queue this long means that the disk does not keep up. */
const waitingBatchesMax = 65_536;

/** How soon space that has returned is noticed without a write. */
const probeIntervalMs = 500;

/** A reader waits for nobody in WAL mode, except while a crashed file is recovered. */
const readerBusyTimeoutMs = 1_000;

/** Takes space that is returned at once: an update in place would succeed on a full disk too. */
const probeTake: Statement = { sql: "INSERT INTO write_probe (filler) VALUES (zeroblob(65536))", params: [] };
const probeReturn: Statement = { sql: "DELETE FROM write_probe", params: [] };

type Applied<Conflict> = Result<readonly (readonly Row[])[], WriteFailure<Conflict>>;

type Waiting = {
  readonly batch: readonly Statement<unknown>[];
  readonly answer: (outcome: BatchOutcome | StorageUnavailable) => void;
};

type StorageUnavailable = Extract<WriteFailure<never>, { type: "storage-unavailable" }>;

export const openSqlite: OpenSqlite = async ({ path, migrations, takeOver, pageCountMax }) => {
  const locked = takeOver ? ok(awaitLock(path)) : acquireLock(path);
  if (!locked.ok) return locked;
  const lock = locked.value;
  const writerOptions = { path, migrations, pageCountMax };
  const started = await startWriter(writerOptions);
  if (!started.ok) {
    lock.release();
    return started;
  }
  let writer = started.value;
  let reader: DatabaseSync;
  try {
    reader = new DatabaseSync(path, { readOnly: true, timeout: readerBusyTimeoutMs });
  } catch (error) {
    await writer.close();
    lock.release();
    return err(openFailure(path, error));
  }
  const prepareRead = createStatementCache(reader);

  const waiting: Waiting[] = [];
  const flushListeners = new Set<(flush: Flush) => void>();
  const writableListeners = new Set<(writable: boolean) => void>();
  let flushing: Promise<void> | undefined;
  let writable = true;
  let probeTimer: NodeJS.Timeout | undefined;
  let probing: Promise<void> | undefined;
  /** Set once, for good: the file is damaged, or closed. */
  let refusal: string | undefined;
  let closing: Promise<void> | undefined;

  const submit = <Conflict>(batch: readonly Statement<Conflict>[]): Promise<Applied<Conflict>> =>
    new Promise((resolve, reject) => {
      const answer: Waiting["answer"] = (outcome) => {
        if (outcome.type === "applied") resolve(ok(outcome.rows));
        else if (outcome.type === "storage-unavailable") resolve(err(outcome));
        else if (outcome.type === "defect") reject(new AssertionError(outcome.message));
        else resolve(err({ type: "conflict", conflict: conflictOf(batch, outcome.statement) }));
      };
      waiting.push({ batch, answer });
      flushing ??= flushAll();
    });

  const flushAll = async (): Promise<void> => {
    // Whoever else writes in this turn of the event loop joins the first flush.
    await new Promise(setImmediate);
    while (waiting.length > 0) {
      const flight = waiting.splice(0, flushBatchesMax);
      settle(flight, await writer.flush(encodeFlush(flight.map(({ batch }) => batch))));
    }
    flushing = undefined;
  };

  const settle = (flight: readonly Waiting[], reply: FlushReply): void => {
    if (reply.type === "failed") {
      if (reply.corrupt) refusal ??= `${path} is damaged (${reply.cause}); restore it from a backup`;
      setWritable(false);
      // What waits must not be written into a damaged file.
      const failed = reply.corrupt ? [...flight, ...waiting.splice(0)] : flight;
      for (const { answer } of failed) answer(unavailable(reply.cause, reply.outcomeUnknown));
      return;
    }
    const batches = reply.outcomes.filter(({ type }) => type === "applied").length;
    if (batches > 0) {
      setWritable(true);
      for (const listener of flushListeners) listener({ batches, tookMs: reply.tookMs });
    }
    for (const [index, outcome] of reply.outcomes.entries()) flight[index]?.answer(outcome);
  };

  const setWritable = (now: boolean): void => {
    if (now || refusal !== undefined) stopProbing();
    else startProbing();
    if (now === writable) return;
    writable = now;
    for (const listener of writableListeners) listener(now);
  };

  const startProbing = (): void => {
    probeTimer ??= setInterval(() => {
      probing ??= probe();
    }, probeIntervalMs).unref();
  };

  const stopProbing = (): void => {
    clearInterval(probeTimer);
    probeTimer = undefined;
  };

  const probe = async (): Promise<void> => {
    if (!writer.alive) {
      const restarted = await startWriter(writerOptions);
      if (restarted.ok) writer = restarted.value;
    }
    const taken = await submit([probeTake]);
    if (taken.ok) await submit([probeReturn]);
    probing = undefined;
  };

  const shut = async (): Promise<void> => {
    stopProbing();
    await probing;
    while (flushing !== undefined) await flushing;
    // The reader goes first, so that the writer is the last connection and moves the WAL into the file.
    reader.close();
    await writer.close();
    lock.release();
  };

  const engine: SqliteEngine = {
    apply: async (batch) => {
      if (refusal !== undefined) return err(unavailable(refusal));
      if (waiting.length >= waitingBatchesMax) return err(unavailable("too many writes wait for the disk"));
      return submit(batch);
    },
    read: (sql, ...params) => prepareRead(sql).all(...params) as Row[],
    onFlush: (listener) => subscribe(flushListeners, listener),
    get writable() {
      return writable;
    },
    onWritableChange: (listener) => subscribe(writableListeners, listener),
    close: () => {
      refusal ??= `${path} is closed`;
      closing ??= shut();
      return closing;
    },
  };
  return ok(engine);
};

const unavailable = (cause: string, outcomeUnknown = false): StorageUnavailable => ({
  type: "storage-unavailable",
  cause,
  outcomeUnknown,
});

function conflictOf<Conflict>(batch: readonly Statement<Conflict>[], index: number): Conflict {
  const expect = batch[index]?.expect;
  assert(expect !== undefined, "only an expectation can fail");
  return expect.conflict;
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
