import { lstatSync, mkdirSync, realpathSync, statfsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { err, ok, type Result } from "../../kernel/result.ts";
import { lockPath } from "./lock.ts";
import { openFailure } from "./sqlite-error.ts";
import type { OpenFailure } from "./statement.ts";

/** The real path of a store's file, so that it has one lock whatever its names. Makes the folder of a new one. */
export function resolveStorePath(path: string): Result<string, OpenFailure> {
  try {
    const entry = lstatSync(path, { throwIfNoEntry: false });
    if (entry?.isSymbolicLink() && statSync(path, { throwIfNoEntry: false }) === undefined) {
      const message = `${path} is a symbolic link to nothing. Check that the disk it leads to is mounted, or restore the file from a backup.`;
      return err({ type: "lost", message });
    }
    if (entry !== undefined) return ok(realpathSync(path));
    mkdirSync(dirname(path), { recursive: true });
    return ok(join(realpathSync(dirname(path)), basename(path)));
  } catch (error) {
    return err(openFailure(path, error));
  }
}

/**
 * Why the file must not be used as it is. A store that was there is never replaced by an empty one: an empty decision log would abort
 * what is decided. Only for who holds the lock, or knows that somebody does.
 */
export function checkStoreFile(path: string, wasMade: boolean): OpenFailure | undefined {
  const walPath = `${path}-wal`;
  const [file, wal] = [path, walPath].map((each) => statSync(each, { throwIfNoEntry: false }));
  if (file === undefined && (wasMade || (wal?.size ?? 0) > 0)) {
    const message =
      `${path} is missing, but it was there before. Restore it from a backup. ` +
      `Only to begin anew, without all that was in it, remove ${walPath} and ${lockPath(path)} too.`;
    return { type: "lost", message };
  }
  if (file?.size === 0) {
    const message = `${path} is empty: what was in it is lost. Restore it from a backup. Only if it never was a store, remove it.`;
    return { type: "lost", message };
  }
  for (const [name, stats] of [
    [path, file],
    [walPath, wal],
  ] as const) {
    if (stats === undefined || stats.nlink === 1) continue;
    const message =
      `${name} has ${stats.nlink} names (hard links). SQLite damages a file that is used under two names. ` +
      "Make sure that nothing uses the other one, then put a copy in its place (cp, then mv).";
    return { type: "hard-linked", message };
  }
  return undefined;
}

/** What the disk of a file can still take, or more than any disk if that cannot be said. */
export function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
