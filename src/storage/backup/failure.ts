import { damagedMessage, isCorruptError, isFull, messageOf } from "../sqlite/sqlite-error.ts";
import type { OpenFailure } from "../sqlite/statement.ts";

/** Why there is no backup, or why it was not restored. The message is for the operator: it names the file and says what to do. */
export type BackupFailure = {
  readonly type:
    | OpenFailure["type"]
    /** No moment was found between two writes. */
    | "busy"
    /** There is nothing to back up. */
    | "no-store"
    /** Something is there that would be lost, or mixed up. */
    | "in-the-way"
    /** It was not finished, or is none. */
    | "no-backup"
    /** It is not as it was made. */
    | "mangled"
    | "newer-format";
  readonly message: string;
};

export const unreadable = (path: string, error: unknown): BackupFailure =>
  isCorruptError(error)
    ? { type: "corrupt", message: damagedMessage(path, messageOf(error)) }
    : {
        type: "inaccessible",
        message: `${path} cannot be read (${messageOf(error)}). Check that this user may read it and write beside it.`,
      };

export function unwritable(path: string, error: unknown): BackupFailure {
  const reason = messageOf(error);
  const isWithoutSpace = isFull(error) || (error as NodeJS.ErrnoException).code === "ENOSPC";
  return isWithoutSpace
    ? {
        type: "no-space",
        message: `${path} cannot be written (${reason}). Its disk is full: free some space, or choose another one.`,
      }
    : {
        type: "inaccessible",
        message: `${path} cannot be written (${reason}). Check its folder, and that it is writable by this user.`,
      };
}
