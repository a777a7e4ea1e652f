import type { SqliteEngine } from "./statement.ts";

/** Beside the versioned schema: what a restore has lost. Sequences between the two were given to others before it. */
export const lostSequencesTable = `CREATE TABLE IF NOT EXISTS lost_sequences (
  after_sequence INTEGER PRIMARY KEY,
  up_to INTEGER NOT NULL
) STRICT`;

/** The newest that a restore has kept, if what had this sequence is lost. */
export function keptBeforeLoss(engine: SqliteEngine, sequence: number): number | undefined {
  if (engine.read("SELECT 1 FROM sqlite_schema WHERE name = 'lost_sequences'").length === 0) return undefined;
  const [row] = engine.read(
    "SELECT after_sequence FROM lost_sequences WHERE after_sequence < ? AND up_to > ?",
    sequence,
    sequence,
  );
  return row && Number(row["after_sequence"]);
}
