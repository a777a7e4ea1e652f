import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Texts are constants of the program; the bound only stops a caller that builds them from values. */
const preparedStatementsMax = 256;

/** Prepares each distinct text once; the oldest goes first when there are too many. */
export function createStatementCache(db: Pick<DatabaseSync, "prepare">): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>();
  return (sql) => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const oldest = statements.keys().next();
    if (statements.size >= preparedStatementsMax && !oldest.done) statements.delete(oldest.value);
    const statement = db.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
}
