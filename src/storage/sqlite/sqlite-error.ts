import type { OpenFailure } from "./statement.ts";

/** SQLite's primary result codes that this program tells apart. */
const code = { busy: 5, corrupt: 11, full: 13, notADatabase: 26 } as const;

/** Extended result code: the index of the write-ahead log, which is shared memory in a file, has no space. */
const noSpaceForIndex = 4874;

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

/** Says that the commit is no commit, which an I/O error does not. */
export const isFull = (error: unknown): boolean => primaryCode(error) === code.full;

const isWithoutSpace = (error: unknown): boolean => isFull(error) || extendedCode(error) === noSpaceForIndex;

export const isDuplicateKey = (error: unknown): boolean => duplicateKeyCodes.has(extendedCode(error));

export const isCorruptError = (error: unknown): boolean =>
  primaryCode(error) === code.corrupt || primaryCode(error) === code.notADatabase;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What the operator is told of a damaged file. Nothing is repaired silently: nobody can say what would be missing. */
export const damagedMessage = (path: string, reason: string): string =>
  `${path} is damaged or is no SQLite database (${reason}). Nothing more is written to it. Move it away and restore it from a backup.`;

/** What the operator is told when `path` cannot be opened. */
export function openFailure(path: string, error: unknown): OpenFailure {
  const reason = messageOf(error);
  if (isCorruptError(error)) return { type: "corrupt", message: damagedMessage(path, reason) };
  if (isWithoutSpace(error)) {
    const message = `${path} cannot be made, opened or brought to the newest schema (${reason}). Its disk is full: free some space.`;
    return { type: "no-space", message };
  }
  const advice =
    "Check that its directory can be made, is writable by this user and has space, and that no other program locks the file.";
  return { type: "inaccessible", message: `${path} cannot be opened for writing (${reason}). ${advice}` };
}
