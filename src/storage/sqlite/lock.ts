import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { err, ok, type Result } from "../../kernel/result.ts";
import { isBusy, isCorruptError, openFailure } from "./sqlite-error.ts";
import type { OpenFailure } from "./statement.ts";

/** What a process leaves for the next one who locks the store, which may come after kill -9. */
export type StoreMark = keyof typeof storeMarks;

/** As SQLite's `user_version` of the lock file. */
const storeMarks = {
  none: 0,
  /** The store is there, whole without its write-ahead log unless that is there too. */
  made: 1,
  /** It is open, or was when its process died: its write-ahead log belongs to it. */
  "in-use": 2,
  /** Its write-ahead log was shortened: what was acknowledged is not in it any more. */
  "wal-lost": 3,
} as const;

export type Lock = {
  /** As the one before left it. `made` while another process holds the lock. */
  readonly found: StoreMark;
  /** Durable when it returns. If the disk refuses it, the mark before stays. */
  remember(mark: StoreMark): void;
  release(): void;
};

/** How soon a lock that is waited for is noticed to be free. Until then the next process is told of the old holder. */
export const lockRetryMs = 1_000;

type Holder = { readonly pid: number; readonly host: string; readonly since: string };

export const lockPath = (path: string): string => `${path}.lock`;

/**
 * One process at a time: an exclusive SQLite transaction on `<path>.lock`, held for the life of the process, so the system drops it
 * even after kill -9. The lock file itself must never be read through another descriptor: closing that one would drop the lock
 * (POSIX). Who holds it stands in `<path>.holder.json`, for the message only. `path` is the real one.
 */
export function acquireLock(path: string): Result<Lock, OpenFailure> {
  const holderPath = `${path}.holder.json`;
  let db: DatabaseSync | undefined;
  let found: StoreMark;
  try {
    db = new DatabaseSync(lockPath(path), { timeout: 0 });
    // A mark is one page, written in one piece: it needs no journal, and so no space on a full disk.
    db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    found = markIn(db);
  } catch (error) {
    db?.close();
    if (isBusy(error)) return err({ type: "locked", message: lockedMessage(path, readHolder(holderPath)) });
    return err(openFailure(isCorruptError(error) ? lockPath(path) : path, error));
  }
  const held = db;
  let current = found;
  writeHolder(holderPath, { pid: process.pid, host: hostname(), since: new Date().toISOString() });
  return ok({
    found,
    remember: (mark) => {
      if (mark !== current && commitMark(held, mark)) current = mark;
    },
    release: () => {
      rmSync(holderPath, { force: true });
      held.close();
    },
  });
}

/** What the lock says to who does not take it. */
export function lookAtLock(path: string): { readonly isHeld: boolean; readonly mark: StoreMark } {
  if (!existsSync(lockPath(path))) return { isHeld: false, mark: "none" };
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(lockPath(path), { readOnly: true, timeout: 0 });
    return { isHeld: false, mark: markIn(db) };
  } catch (error) {
    if (isBusy(error)) return { isHeld: true, mark: "made" };
    throw error;
  } finally {
    db?.close();
  }
}

function markIn(held: DatabaseSync): StoreMark {
  const version = held.prepare("PRAGMA user_version").get()?.["user_version"];
  const names = Object.keys(storeMarks) as StoreMark[];
  return names.find((name) => storeMarks[name] === version) ?? "none";
}

/** In exclusive locking mode the lock outlives the commit. */
function commitMark(held: DatabaseSync, mark: StoreMark): boolean {
  let isCommitted = false;
  held.exec("PRAGMA locking_mode = EXCLUSIVE");
  try {
    held.exec(`PRAGMA user_version = ${storeMarks[mark]}; COMMIT`);
    isCommitted = true;
  } catch {
    // A full disk must not keep the store from being read. The next start remembers.
    if (held.isTransaction) held.exec("ROLLBACK");
  }
  held.exec("PRAGMA locking_mode = NORMAL; BEGIN EXCLUSIVE");
  return isCommitted;
}

/** The lock, as soon as its holder lets it go. */
export function awaitLock(path: string): Lock {
  let held: Lock | undefined;
  let marked: StoreMark | undefined;
  const attempt = (): void => {
    const acquired = acquireLock(path);
    if (!acquired.ok) return;
    held = acquired.value;
    if (marked) held.remember(marked);
    clearInterval(timer);
  };
  const timer = setInterval(attempt, lockRetryMs).unref();
  attempt();
  return {
    found: held?.found ?? "made",
    remember: (mark) => {
      marked = mark;
      held?.remember(mark);
    },
    release: () => {
      clearInterval(timer);
      held?.release();
    },
  };
}

function lockedMessage(path: string, holder: Holder | undefined): string {
  const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
  return `${path} is in use by ${who}. Only one process may use it at a time: stop that one, or choose another data directory.`;
}

function writeHolder(holderPath: string, holder: Holder): void {
  try {
    writeFileSync(holderPath, JSON.stringify(holder));
  } catch {
    // A full disk must not keep the store from being read. The lock holds without its label.
  }
}

function readHolder(holderPath: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(holderPath, "utf8")) as Holder;
  } catch {
    return undefined;
  }
}
