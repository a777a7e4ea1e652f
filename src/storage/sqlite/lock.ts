import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { err, ok, type Result } from "../../kernel/result.ts";
import { isBusy, openFailure } from "./sqlite-error.ts";
import type { OpenFailure } from "./statement.ts";

export type Lock = { readonly release: () => void };

/** How soon a lock that is waited for is noticed to be free. Until then the next process is told of the old holder. */
const retryIntervalMs = 1_000;

type Holder = { readonly pid: number; readonly host: string; readonly since: string };

/**
 * One process at a time: an exclusive SQLite transaction on `<path>.lock`, held for the life of the process, so the system drops it
 * even after kill -9. The lock file itself must never be read through another descriptor: closing that one would drop the lock
 * (POSIX). Who holds it stands in `<path>.holder.json`, for the message only.
 */
export function acquireLock(path: string): Result<Lock, OpenFailure> {
  const holderPath = `${path}.holder.json`;
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    db = new DatabaseSync(`${path}.lock`, { timeout: 0 });
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db?.close();
    return err(
      isBusy(error) ? { type: "locked", message: lockedMessage(path, readHolder(holderPath)) } : openFailure(path, error),
    );
  }
  const held = db;
  writeHolder(holderPath, { pid: process.pid, host: hostname(), since: new Date().toISOString() });
  return ok({
    release: () => {
      rmSync(holderPath, { force: true });
      held.close();
    },
  });
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
