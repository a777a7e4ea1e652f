import { rmSync } from "node:fs";

/** What SQLite names its files by, behind the name of a database: itself, the log with its index, and the journal of one that has no log. */
export const databaseSuffixes = ["", "-wal", "-shm", "-journal"] as const;

/** Of one that nobody has open. What is not there need not be. */
export function removeDatabase(path: string): void {
  for (const suffix of databaseSuffixes) rmSync(`${path}${suffix}`, { force: true });
}
