import { AssertionError, assert } from "../../kernel/assert.ts";
import { type Clock, nextTurn } from "../../kernel/clock.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { StorageUnavailableError, type WriteFailure } from "../../kernel/write.ts";
import { systemClock } from "./clock.ts";
import type { Connections } from "./connections.ts";
import { displacedMessage, shortenedMessage } from "./file-identity.ts";
import { openPlace, type Place } from "./place.ts";
import { damagedMessage, isCorruptError, isEnvironmentError, messageOf } from "./sqlite-error.ts";
import type { Flush, Membership, OpenSqlite, Row, SqliteEngine, Statement } from "./statement.ts";
import { createStatementCache } from "./statement-cache.ts";
import { createStoreAge } from "./store-age.ts";
import { walBytesMax } from "./store-bytes.ts";
import { createWriteQueue, type StorageUnavailable, type Waiting } from "./write-queue.ts";
import { encodeFlush, type FlushReply } from "./writer-messages.ts";

/** How soon it is noticed that the files are gone, or that space has returned. */
const lookIntervalMs = 500;

/** A disk with less space than this is full: many a request is larger than what little may still fit. */
const spaceBytesMin = 1024 * 1024;

/** SQLite's bound of one value is a billion. */
const spaceBytesMax = 256 * 1024 * 1024;

/** Takes space that is returned at once: an update in place would succeed on a full disk too. What a crash has left goes first. */
const takeSpace = (bytes: number): Statement[] => [
  returnSpace,
  { sql: "INSERT INTO write_probe (filler) VALUES (zeroblob(?))", params: [bytes] },
];
const returnSpace: Statement = { sql: "DELETE FROM write_probe", params: [] };

type Applied<Conflict> = Result<readonly (readonly Row[])[], WriteFailure<Conflict>>;

export const openSqlite: OpenSqlite = async (options) => {
  const { set, onFlush, ...rest } = options;
  const place = openPlace(rest);
  if (!place.ok) return place;
  const opened = await place.value.connect();
  if (opened.ok) {
    const { marks = [] } = opened.value;
    const membership = set?.join({ path: place.value.path, kind: options.kind, marks });
    const engine = createEngine(place.value, opened.value, systemClock, membership);
    if (onFlush) engine.onFlush(onFlush);
    return ok(engine);
  }
  place.value.release();
  return opened;
};

/** On whatever files, and with whatever writer and clock, these are. */
export function createEngine(place: Place, opened: Connections, clock: Clock, membership?: Membership): SqliteEngine {
  const { path } = place;
  let { reader, writer } = opened;
  let prepareRead = createStatementCache(reader);
  const age = createStoreAge(opened.openTimes, clock);

  const queue = createWriteQueue();
  const flushListeners = new Set<(flush: Flush) => void>();
  const writableListeners = new Set<Parameters<SqliteEngine["onWritableChange"]>[0]>();
  let flushing: Promise<void> | undefined;
  let writable = writer !== undefined && place.freeBytes() >= spaceBytesMin;
  let houseworkIsDue = false;
  /** At least what a flush that failed would have needed: a smaller one that succeeds says nothing about the next of its size. */
  let spaceBytes = spaceBytesMin;
  /** Set once, for good: the file is damaged, gone, or closed. */
  let refusal: string | undefined;
  let walIsLost = false;
  let closing: Promise<void> | undefined;

  const submit = <Conflict>(batch: readonly Statement<Conflict>[]): Promise<Applied<Conflict>> =>
    new Promise((resolve, reject) => {
      const answer: Waiting["answer"] = (outcome) => {
        if (outcome.type === "applied") resolve(ok(outcome.rows));
        else if (outcome.type === "storage-unavailable") resolve(err(outcome));
        else if (outcome.type === "defect") reject(new AssertionError(outcome.message));
        else resolve(err({ type: "conflict", conflict: conflictOf(batch, outcome.statement) }));
      };
      queue.push({ batch, answer });
      flushing ??= flushAll();
    });

  const flushAll = async (): Promise<void> => {
    // Whoever else writes in this turn of the event loop joins the first flush.
    await nextTurn(clock);
    while (!queue.isEmpty() || houseworkIsDue) {
      if (houseworkIsDue) {
        houseworkIsDue = false;
        if (refusal === undefined && !writable) await probe();
        if (writer?.shortened() !== undefined) await askWriter();
        if (writable && age.isDue) await saveAge();
        if (writable && walIsLarge()) await writer?.truncateWal();
      }
      const flight = queue.take();
      if (flight.length > 0) settle(flight, await flush(flight.map(({ batch }) => batch)));
    }
    flushing = undefined;
  };

  const flush = async (batches: readonly (readonly Statement<unknown>[])[]): Promise<FlushReply> => {
    if (writer === undefined) return { type: "failed", cause: "the disk is full", outcomeUnknown: false, final: false };
    const reply = await writer.flush(encodeFlush(batches, membership?.statements()));
    if (reply.type === "flushed" && reply.marked?.type === "applied") membership?.written(reply.marked.rows.at(-1) ?? []);
    return reply;
  };

  const settle = (flight: readonly Waiting[], reply: FlushReply): void => {
    if (reply.type === "failed") {
      spaceBytes = Math.min(spaceBytesMax, Math.max(spaceBytes, bytesOf(flight)));
      for (const { answer } of flight) answer(unavailable(reply.cause, reply.outcomeUnknown));
      fail(reply);
      return;
    }
    const batches = reply.outcomes.filter(({ type }) => type === "applied").length;
    if (batches > 0) for (const listener of flushListeners) listener({ batches, tookMs: reply.tookMs });
    for (const [index, outcome] of reply.outcomes.entries()) flight[index]?.answer(outcome);
  };

  const setWritable = (now: boolean, cause: string): void => {
    if (now === writable) return;
    writable = now;
    for (const listener of writableListeners) listener(now, cause);
  };

  const fail = ({ final, cause }: Extract<FlushReply, { type: "failed" }>): void => {
    if (final) {
      checkWal();
      giveUp(cause);
    } else setWritable(false, cause);
  };

  const giveUp = (cause: string): void => {
    if (refusal !== undefined) return;
    refusal = cause;
    writable = false;
    for (const { answer } of queue.drop()) answer(unavailable(cause));
    for (const listener of writableListeners) listener(false, cause);
  };

  /** While nothing is under way. The next start must not take what is left for all that there was. */
  const checkWal = (): void => {
    const shortened = writer?.shortened();
    if (shortened === undefined) return;
    walIsLost = true;
    place.remember("wal-lost");
    giveUp(shortenedMessage(shortened));
  };

  const look = (): void => {
    if (refusal !== undefined) return;
    stopLooking = clock.setTimer(lookIntervalMs, look);
    const displaced = place.displaced(writer);
    if (displaced !== undefined) giveUp(displacedMessage(displaced));
    age.look();
    const isShort = flushing === undefined && writer?.shortened() !== undefined;
    if (refusal !== undefined || (writable && !age.isDue && !walIsLarge() && !isShort)) return;
    houseworkIsDue = true;
    flushing ??= flushAll();
  };
  let stopLooking = clock.setTimer(lookIntervalMs, look);

  /** Alone in its flush, so that nobody's small write fails with it. */
  const probe = async (): Promise<void> => {
    await mendConnections();
    const taken = await flush([takeSpace(spaceBytes)]);
    if (taken.type === "failed") return fail(taken);
    if (refusal !== undefined) return;
    await flush([[returnSpace]]);
    spaceBytes = spaceBytesMin;
    setWritable(true, "");
  };

  /** The writer knows whether what is gone was needed, and says so if it is asked to write. */
  const askWriter = async (): Promise<void> => {
    const asked = await flush([]);
    if (asked.type === "failed") fail(asked);
  };

  const walIsLarge = (): boolean => place.walBytes() > walBytesMax;

  const saveAge = async (): Promise<void> => {
    const saved = await flush([age.unsaved()]);
    if (saved.type === "failed") fail(saved);
    else age.saved();
  };

  /** A writer that has died is followed by another one; a reader that is alone makes room for one when there is space. */
  const mendConnections = async (): Promise<void> => {
    if (writer?.alive === true || (writer === undefined && place.freeBytes() < spaceBytes)) return;
    if (writer !== undefined) {
      const restarted = await place.replace(writer);
      if (restarted.ok) writer = restarted.value;
      return;
    }
    place.remember("made");
    if (reader.isOpen) reader.close();
    const reopened = await place.connect();
    if (!reopened.ok) return;
    ({ reader, writer } = reopened.value);
    prepareRead = createStatementCache(reader);
  };

  const readable = <T>(readWith: () => T): T => {
    if (!reader.isOpen) throw new StorageUnavailableError(refusal ?? `${path} is being opened for writing`);
    try {
      return readWith();
    } catch (error) {
      if (!isEnvironmentError(error)) throw error;
      const reason = messageOf(error);
      if (!isCorruptError(error)) throw new StorageUnavailableError(`${path} cannot be read (${reason})`, { cause: error });
      const cause = damagedMessage(path, reason);
      giveUp(cause);
      throw new StorageUnavailableError(cause, { cause: error });
    }
  };

  const shut = async (): Promise<void> => {
    stopLooking();
    while (flushing !== undefined) await flushing;
    if (writable) await flush([age.unsaved()]);
    if (writer?.shortened() !== undefined) await askWriter();
    // Before the WAL goes: a kill in between must not look like a loss.
    if (!walIsLost) place.remember("made");
    // The reader goes first, so that the writer is the last connection and moves the WAL into the file. One that has found the WAL cut has
    // left already, and the reader may not write.
    if (reader.isOpen) reader.close();
    await writer?.close();
    place.release();
  };

  const engine: SqliteEngine = {
    apply: async (batch) => {
      if (refusal !== undefined) return err(unavailable(refusal));
      if (queue.isFull()) return err(unavailable("too many writes wait for the disk"));
      return submit(batch);
    },
    read: (sql, ...params) => readable(() => prepareRead(sql).all(...params) as Row[]),
    readUntil: (isEnough, sql, ...params) =>
      readable(() => {
        const rows: Row[] = [];
        for (const row of prepareRead(sql).iterate(...params) as Iterable<Row>) {
          rows.push(row);
          if (isEnough(row)) break;
        }
        return rows;
      }),
    onFlush: (listener) => subscribe(flushListeners, listener),
    get writable() {
      return writable;
    },
    onWritableChange: (listener) => subscribe(writableListeners, listener),
    keptBeforeMs: age.keptBeforeMs,
    close: () => {
      refusal ??= `${path} is closed`;
      closing ??= shut();
      return closing;
    },
  };
  return engine;
}

/** What SQLite writes besides is covered by the least space that is asked for. */
const bytesOf = (flight: readonly Waiting[]): number => flight.reduce((sum, { bytes }) => sum + bytes, 0);

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
