import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { err, ok, type Result } from "../../kernel/result.ts";
import { isBusy, isCorruptError, openFailure } from "./sqlite-error.ts";
import type { OpenFailure } from "./statement.ts";

export type Lock = {
  /** The store was there when it was locked before. True while another process holds the lock. */
  readonly storeWasMade: boolean;
  /** Remembers for the next one who locks it that the store is there. */
  rememberStore(): void;
  release(): void;
};

/** How soon a lock that is waited for is noticed to be free. Until then the next process is told of the old holder. */
const retryIntervalMs = 1_000;

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
  let storeWasMade: boolean;
  try {
    db = new DatabaseSync(lockPath(path), { timeout: 0 });
    db.exec("BEGIN EXCLUSIVE");
    storeWasMade = db.prepare("PRAGMA user_version").get()?.["user_version"] === 1;
  } catch (error) {
    db?.close();
    if (isBusy(error)) return err({ type: "locked", message: lockedMessage(path, readHolder(holderPath)) });
    return err(openFailure(isCorruptError(error) ? lockPath(path) : path, error));
  }
  const held = db;
  writeHolder(holderPath, { pid: process.pid, host: hostname(), since: new Date().toISOString() });
  return ok({
    storeWasMade,
    rememberStore: () => {
      if (!storeWasMade) commitMark(held);
    },
    release: () => {
      rmSync(holderPath, { force: true });
      held.close();
    },
  });
}

/** In exclusive locking mode the lock outlives the commit. */
function commitMark(held: DatabaseSync): void {
  held.exec("PRAGMA locking_mode = EXCLUSIVE");
  try {
    held.exec("PRAGMA user_version = 1; COMMIT");
  } catch {
    // A full disk must not keep the store from being read. The next start remembers.
    if (held.isTransaction) held.exec("ROLLBACK");
  }
  held.exec("PRAGMA locking_mode = NORMAL; BEGIN EXCLUSIVE");
}

/** The lock, as soon as its holder lets it go. */
export function awaitLock(path: string): Lock {
  let held: Lock | undefined;
  const attempt = (): void => {
    const acquired = acquireLock(path);
    if (!acquired.ok) return;
    held = acquired.value;
    clearInterval(timer);
  };
  const timer = setInterval(attempt, retryIntervalMs).unref();
  attempt();
  return {
    storeWasMade: held?.storeWasMade ?? true,
    rememberStore: () => held?.rememberStore(),
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
