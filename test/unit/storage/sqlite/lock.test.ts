import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import { acquireLock, awaitLock, type Lock, lockPath, lockRetryMs, lookAtLock } from "../../../../src/storage/sqlite/lock.ts";
import { storageDir } from "../../../support/storage-dir.ts";

afterEach(() => void vi.useRealTimers());

const newPath = (): string => join(storageDir(), "store.sqlite");

function acquired(path: string): Lock {
  const lock = acquireLock(path);
  if (!lock.ok) throw new Error(lock.error.message);
  return lock.value;
}

test("who takes a lock finds the mark that was left; a mark outlives its holder, and the holder's label does not", () => {
  const path = newPath();
  expect(lookAtLock(path)).toEqual({ isHeld: false, mark: "none" });
  expect(existsSync(lockPath(path))).toBe(false);
  const lock = acquired(path);
  expect(lock.found).toBe("none");
  expect(existsSync(`${path}.holder.json`)).toBe(true);
  for (const mark of ["in-use", "in-use", "made"] as const) {
    lock.remember(mark);
    expect(lookAtLock(path)).toEqual({ isHeld: true, mark: "made" });
    expect(acquireLock(path)).toMatchObject({ error: { type: "locked", message: expect.stringContaining(`${process.pid}`) } });
  }
  lock.remember("wal-lost");
  lock.release();
  expect(existsSync(`${path}.holder.json`)).toBe(false);
  expect(lookAtLock(path)).toEqual({ isHeld: false, mark: "wal-lost" });
  const next = acquired(path);
  expect(next.found).toBe("wal-lost");
  for (const mark of ["in-use", "wal-lost"] as const) next.remember(mark);
  next.release();
  expect(lookAtLock(path).mark).toBe("wal-lost");
});

test("a lock that holds something else is no lock", () => {
  const path = newPath();
  const db = new DatabaseSync(lockPath(path));
  db.exec("PRAGMA user_version = 77");
  db.close();
  expect(lookAtLock(path)).toEqual({ isHeld: false, mark: "none" });
});

test("a lock that is waited for is taken once it is free, with what was to be remembered meanwhile", () => {
  vi.useFakeTimers();
  const path = newPath();
  const holder = acquired(path);
  const waiting = awaitLock(path);
  expect(waiting.found).toBe("made");
  waiting.remember("in-use");
  vi.advanceTimersByTime(lockRetryMs);
  holder.release();
  expect(lookAtLock(path)).toEqual({ isHeld: false, mark: "none" });
  vi.advanceTimersByTime(lockRetryMs - 1);
  expect(lookAtLock(path).isHeld).toBe(false);
  vi.advanceTimersByTime(1);
  expect(lookAtLock(path).isHeld).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
  waiting.release();
  expect(lookAtLock(path)).toEqual({ isHeld: false, mark: "in-use" });
});

test("one that is free is taken at once, and keeps what it is told; one that nobody waits for any more stays free", () => {
  vi.useFakeTimers();
  const path = newPath();
  const taken = awaitLock(path);
  expect([taken.found, lookAtLock(path).isHeld, vi.getTimerCount()]).toEqual(["none", true, 0]);
  const waiting = awaitLock(path);
  waiting.release();
  taken.remember("made");
  taken.release();
  vi.advanceTimersByTime(2 * lockRetryMs);
  expect(lookAtLock(path)).toEqual({ isHeld: false, mark: "made" });
});
