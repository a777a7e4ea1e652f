import type { StatementSync } from "node:sqlite";
import { expect, test } from "vitest";
import { createStatementCache } from "../../../../src/storage/sqlite/statement-cache.ts";

/** As many as are kept. */
const keptMax = 256;

test("a text is prepared once, as long as it is kept; the oldest goes when there are too many", () => {
  const prepared: string[] = [];
  const prepare = createStatementCache({
    prepare: (sql) => {
      prepared.push(sql);
      return { sql } as unknown as StatementSync;
    },
  });
  const texts = Array.from({ length: keptMax }, (_, index) => `SELECT ${index}`);
  const statements = texts.map(prepare);
  expect(texts.map(prepare)).toEqual(statements);
  expect(prepared.splice(0)).toEqual(texts);
  prepare("SELECT 'one more'");
  for (const text of texts.slice(1)) prepare(text);
  expect(prepared.splice(0)).toEqual(["SELECT 'one more'"]);
  prepare("SELECT 0");
  expect(prepared).toEqual(["SELECT 0"]);
});
