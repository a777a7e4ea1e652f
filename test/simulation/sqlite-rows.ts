import type { Row, SqliteEngine, SqlValue } from "../../src/storage/sqlite/statement.ts";
import type { Process } from "./schedule.ts";
import type { SqliteDisk, WrittenBatch } from "./sqlite-disk.ts";

/** What is durable on a disk, for a store that is only looked at: nothing can be written with it, and no process has it open. */
export const lookingAt = (disk: SqliteDisk): SqliteEngine => ({
  read: (sql, ...params) => disk.prepare(sql).all(...params) as Row[],
  readUntil(isEnough, sql, ...params) {
    const rows = disk.prepare(sql).all(...params) as Row[];
    const last = rows.findIndex(isEnough);
    return last < 0 ? rows : rows.slice(0, last + 1);
  },
  apply: async () => {
    throw new Error(`${disk.path} is only looked at`);
  },
  writable: true,
  onWritableChange: () => () => {},
  onFlush: () => () => {},
  keptBeforeMs: () => 0,
  close: async () => {},
});

/**
 * Tells of each row that a commit has made, changed or dropped, whether or not anybody is told of that commit. Of one that is gone, as it was
 * before.
 */
export function watchRows(
  disk: SqliteDisk,
  { table, key }: { readonly table: string; readonly key: string },
  on: { readonly row: (row: Row, by: Process) => void; readonly gone: (row: Row, by: Process) => void },
): void {
  type Known = ReadonlyMap<unknown, { readonly row: Row; readonly text: string }>;
  let known: Known = new Map();
  disk.onCommit((by) => {
    const before = known;
    const now: Known = new Map(disk.rows(`SELECT * FROM ${table}`).map((row) => [row[key], { row, text: JSON.stringify(row) }]));
    known = now;
    for (const [of, { row, text }] of now) if (before.get(of)?.text !== text) on.row(row, by);
    for (const [of, { row }] of before) if (!now.has(of)) on.gone(row, by);
  });
}

/** Were these the statements? */
export const isSameBatch = (written: WrittenBatch, asked: WrittenBatch): boolean =>
  written.length === asked.length &&
  written.every(({ sql, params }, index) => {
    const other = asked[index];
    return other?.sql === sql && params.every((value, place) => isSameValue(value, other.params[place]));
  });

const isSameValue = (a: SqlValue, b: SqlValue | undefined): boolean =>
  a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.from(a).equals(b) : a === b;
