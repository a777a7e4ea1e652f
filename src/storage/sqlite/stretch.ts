import { stretchBytesMax } from "../../kernel/limits.ts";
import type { Row, SqliteEngine, SqlValue } from "./statement.ts";

/** Reads rows until there are enough of them, or enough text. `length`: of their text. `isCut`: there may be more. The last parameter of the text is the limit. */
export function readStretch(
  engine: SqliteEngine,
  sql: string,
  params: readonly SqlValue[],
  limit: number,
): { readonly rows: readonly Row[]; readonly length: number; readonly isCut: boolean } {
  let length = 0;
  const isEnough = (row: Row): boolean => {
    length += textLength(row);
    return length >= stretchBytesMax;
  };
  const rows = engine.readUntil(isEnough, sql, ...params, limit);
  return { rows, length, isCut: rows.length === limit || length >= stretchBytesMax };
}

/** Of all its columns. Numbers are short. */
function textLength(row: Row): number {
  let length = 0;
  for (const column in row) {
    const value = row[column];
    if (typeof value === "string") length += value.length;
  }
  return length;
}
