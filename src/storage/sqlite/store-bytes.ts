import { realpathSync, statSync } from "node:fs";

/**
 * Of 4 KiB: so many pages of the write-ahead log are moved into the file at a time. A move changes a dozen, in five indexes, and what is changed
 * again meanwhile is moved once; with SQLite's 1,000, every second flush of 64 moves waited for that.
 */
export const checkpointPages = 4_000;

/** SQLite keeps a WAL as large as it ever was. It is 16 MB as a rule; above that are large flushes, and what a reader keeps. */
export const walBytesMax = 32 * 1024 * 1024;

/** Of the connection that writes. With SQLite's 2 MB, a flush of some hundred moves reads back from the WAL what it has just written there. */
export const writerCacheBytes = 8 * 1024 * 1024;

/** The sizes of a store's file, by whatever name, and of its write-ahead log. 0 for what is not there or cannot be seen. */
export function storeBytes(path: string): { readonly database: number; readonly wal: number } {
  try {
    const file = realpathSync(path);
    const [database, wal] = [file, `${file}-wal`].map((each) => statSync(each, { throwIfNoEntry: false })?.size ?? 0);
    return { database: database ?? 0, wal: wal ?? 0 };
  } catch {
    return { database: 0, wal: 0 };
  }
}
