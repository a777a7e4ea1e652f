import { accessSync, constants, existsSync, lstatSync, mkdirSync, realpathSync, statfsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { err, ok, type Result } from "../../kernel/result.ts";
import { lockPath, type StoreMark } from "./lock.ts";
import { messageOf, openFailure } from "./sqlite-error.ts";
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
    makeFolder(dirname(path));
    return ok(join(realpathSync(dirname(path)), basename(path)));
  } catch (error) {
    return err(openFailure(path, error));
  }
}

/** With its parents. Level by level, because Node's recursive way never ends below a folder that was removed, or in /proc. */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Somebody else may have made it at the same time.
    if (!existsSync(path)) throw error;
  }
}

/** Why SQLite must not be given these files: it would wait, or only read, or not keep others out. */
export function checkAccess(path: string): OpenFailure | undefined {
  for (const name of [path, `${path}-wal`, `${path}-shm`, lockPath(path)]) {
    const stats = statSync(name, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (!stats.isFile()) {
      const message = `${name} is no regular file. Put the right file there, or move away what is there.`;
      return { type: "inaccessible", message };
    }
    try {
      accessSync(name, constants.R_OK | constants.W_OK);
    } catch (error) {
      const message = `${name} may not be read and written by this user (${messageOf(error)}). Change its owner or its mode, or start as its user.`;
      // The process before may just have removed it.
      if (existsSync(name)) return { type: "inaccessible", message };
    }
  }
  return undefined;
}

/**
 * Why the file must not be used as it is. A store that was there is never replaced by an empty one: an empty decision log would abort
 * what is decided. Only for who holds the lock, or knows that somebody does.
 */
export function checkStoreFile(path: string, left: StoreMark): OpenFailure | undefined {
  const walPath = `${path}-wal`;
  const [file, wal] = [path, walPath].map((each) => statSync(each, { throwIfNoEntry: false }));
  if (file === undefined && (left !== "none" || (wal?.size ?? 0) > 0)) {
    const message =
      `${path} is missing, but it was there before. Restore it from a backup. ` +
      `Only to begin anew, without all that was in it, remove ${walPath} and ${lockPath(path)} too.`;
    return { type: "lost", message };
  }
  if (file?.size === 0) {
    const message = `${path} is empty: what was in it is lost. Restore it from a backup. Only if it never was a store, remove it.`;
    return { type: "lost", message };
  }
  if (left === "wal-lost" || (left === "in-use" && wal === undefined)) {
    const [what, unless] =
      left === "wal-lost"
        ? [`${walPath} was shortened while it was in use`, ""]
        : [
            `${walPath} is missing, but it was there before, and the process that used it did not end in order`,
            ", or if another program has opened the file since and so moved the log into it",
          ];
    const message =
      `${what}: what was written last is lost. Restore ${path} from a backup and remove ${lockPath(path)}. Only to go on without ` +
      `what was written last${unless}, just remove that lock.`;
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
