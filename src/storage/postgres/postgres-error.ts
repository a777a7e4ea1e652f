import pg from "pg";

/** The SQLSTATEs that are told apart here. */
export const sqlState = {
  /** No prepared transaction has this gid. */
  undefinedObject: "42704",
  undefinedTable: "42P01",
  invalidSchemaName: "3F000",
  insufficientPrivilege: "42501",
} as const;

export const hasSqlState = (error: unknown, ...states: readonly string[]): boolean =>
  error instanceof pg.DatabaseError && states.includes(error.code ?? "");

/** What of it may be told to everybody. Empty: nothing. */
export const codeOf = (error: unknown): string => (error instanceof pg.DatabaseError ? `SQLSTATE ${error.code}` : "");

/** With the SQLSTATE, where there is one. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node reports a refused connection as several errors, and none in the message.
  const message = error instanceof AggregateError ? error.errors.map(messageOf).join("; ") : error.message;
  return error instanceof pg.DatabaseError ? `${message} (SQLSTATE ${error.code})` : message;
}
