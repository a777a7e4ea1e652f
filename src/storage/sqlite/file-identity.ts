import { statSync } from "node:fs";

/** Which file a path leads to, whatever its name. */
export type FileIdentity = { readonly path: string; readonly device: number | undefined; readonly inode: number | undefined };

/** Opens no descriptor: closing one would drop the locks that this process has on the file (POSIX). What is not there has no identity. */
export function identify(path: string): FileIdentity {
  const found = statSync(path, { throwIfNoEntry: false });
  return { path, device: found?.dev, inode: found?.ino };
}

/**
 * The first path that does not lead to its file any more: removed, renamed, or replaced. While the file is open, no other one gets its
 * inode.
 */
export function displacedPath(files: readonly FileIdentity[]): string | undefined {
  return files.find(({ path, device, inode }) => {
    try {
      const found = identify(path);
      return inode === undefined || found.device !== device || found.inode !== inode;
    } catch {
      // It cannot be said now. The next write or look will.
      return false;
    }
  })?.path;
}

/** The path that leads to its file still, but to less of it. Nobody but the writer makes a write-ahead log smaller, and it knows to what. */
export function shortenedPath(files: readonly FileIdentity[], walBytes: number): string | undefined {
  const wal = files.find(({ path }) => path.endsWith("-wal"));
  const found = wal && statSync(wal.path, { throwIfNoEntry: false });
  return found && found.ino === wal.inode && found.size < walBytes ? wal.path : undefined;
}

/** Nothing may be written any more. */
export class DisplacedError extends Error {}

export const shortenedMessage = (walPath: string): string =>
  `${walPath} was shortened while it was in use. Nothing more is written, and nothing of it is moved into the file. Stop and restore a backup.`;

export const displacedMessage = (path: string): string =>
  `${path} was removed or replaced while it was in use. Nothing more is written. Stop, put the file back or restore a backup, and start again.`;
