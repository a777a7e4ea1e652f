import { realpathSync, statSync } from "node:fs";

/** SQLite keeps a WAL as large as it ever was. It moves 4 MB at a time into the file; above that are large flushes, and what a reader keeps. */
export const walBytesMax = 16 * 1024 * 1024;

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
