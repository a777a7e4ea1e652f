import { closeSync, openSync, readSync } from "node:fs";
import type { Migration } from "./statement.ts";

/** sqlite.org/fileformat2.html, section 1.3: the user version, four bytes, the most significant first. */
const userVersionAt = 60;

/**
 * From which version of the schema a file is brought to which when it is opened. Undefined: it is there, or is no file that can be read. What
 * only the write-ahead log has is not seen.
 */
export function schemaChange(
  path: string,
  migrations: readonly Migration[],
): { readonly from: number; readonly to: number } | undefined {
  const to = migrations.at(-1)?.version ?? 0;
  try {
    const file = openSync(path, "r");
    const bytes = Buffer.alloc(4);
    const count = readSync(file, bytes, 0, 4, userVersionAt);
    closeSync(file);
    const from = bytes.readUInt32BE();
    return count === 4 && from < to ? { from, to } : undefined;
  } catch {
    return undefined;
  }
}
