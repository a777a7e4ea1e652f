import type { OpenFailure } from "./statement.ts";

/** SQLite's primary result codes that this program tells apart. */
const code = { busy: 5, corrupt: 11, full: 13, notADatabase: 26 } as const;

/** Extended result codes: a primary key or a unique index has this key already. */
const duplicateKeyCodes: ReadonlySet<number> = new Set([1555, 2067, 2579]);

/** perm, busy, locked, nomem, readonly, interrupt, ioerr, corrupt, full, cantopen, protocol, auth, notadb. */
const environmentCodes: ReadonlySet<number> = new Set([3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 23, 26]);

const extendedCode = (error: unknown): number =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : 0;

const primaryCode = (error: unknown): number => extendedCode(error) & 0xff;

/** The disk, the file or the system is at fault, not the statement. */
export const isEnvironmentError = (error: unknown): boolean => environmentCodes.has(primaryCode(error));

export const isBusy = (error: unknown): boolean => primaryCode(error) === code.busy;

export const isFull = (error: unknown): boolean => primaryCode(error) === code.full;

export const isDuplicateKey = (error: unknown): boolean => duplicateKeyCodes.has(extendedCode(error));

export const isCorruptError = (error: unknown): boolean =>
  primaryCode(error) === code.corrupt || primaryCode(error) === code.notADatabase;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What the operator is told when `path` cannot be opened. */
export function openFailure(path: string, error: unknown): OpenFailure {
  const reason = messageOf(error);
  if (isCorruptError(error)) {
    return {
      type: "corrupt",
      message: `${path} is damaged or is no SQLite database (${reason}). It was not changed. Move it away and restore it from a backup.`,
    };
  }
  const advice =
    "Check that its directory can be made, is writable by this user and has space, and that no other program locks the file.";
  return { type: "inaccessible", message: `${path} cannot be opened for writing (${reason}). ${advice}` };
}
