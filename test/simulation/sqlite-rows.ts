import type { Row } from "../../src/storage/sqlite/statement.ts";
import type { SqliteDisk } from "./sqlite-disk.ts";

/** Tells of each row that a commit has made or changed, as it is on the disk, whether or not anybody is told of that commit. */
export function watchRows(disk: SqliteDisk, sql: string, key: string, onRow: (row: Row) => void): void {
  let known = new Map<unknown, string>();
  disk.onCommit(() => {
    const rows = disk.rows(sql).map((row) => ({ row, text: JSON.stringify(row) }));
    const changed = rows.filter(({ row, text }) => known.get(row[key]) !== text);
    known = new Map(rows.map(({ row, text }) => [row[key], text]));
    for (const { row } of changed) onRow(row);
  });
}
