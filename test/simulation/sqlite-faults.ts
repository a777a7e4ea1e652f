import type { DurationMs } from "../../src/kernel/time.ts";

/** How a disk misbehaves. */
export type DiskFaults = {
  /** A flush takes so long at most. */
  readonly flushMs: DurationMs;
  /** How often one of `flushFaults` befalls a flush. */
  readonly failure: number;
  /** How often a flush takes a hundred times as long. */
  readonly slow: number;
  /** How often a read of a process fails. */
  readonly unread: number;
};

/** What can befall a flush. What the engine is told and what is durable are two things. */
export const flushFaults = [
  /** The transaction cannot begin. */
  "begin fails",
  "commit fails, not durable",
  /** The worst of both. */
  "commit fails, durable",
  /** For a while, all that is written finds no space. */
  "disk full",
  "writer dies, not durable",
  "writer dies, durable",
] as const;

export type FlushFault = (typeof flushFaults)[number];

/** As SQLite's driver throws them: production code tells them apart by the result code. */
const sqliteError = (message: string, errcode: number): Error =>
  Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR", errcode });

/** SQLITE_IOERR_FSYNC. */
export const ioError = (): Error => sqliteError("disk I/O error", 1034);

/** SQLITE_IOERR_READ, and SQLITE_BUSY while somebody recovers the file. */
export const readErrors: readonly (() => Error)[] = [
  () => sqliteError("disk I/O error", 266),
  () => sqliteError("database is locked", 5),
];

/** SQLITE_FULL. */
export const fullError = (): Error => sqliteError("database or disk is full", 13);
