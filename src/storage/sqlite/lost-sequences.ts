import type { SqliteEngine } from "./statement.ts";

/** Beside the versioned schema: what a restore has lost. Sequences between the two were given to others before it. */
export const lostSequencesTable = `CREATE TABLE IF NOT EXISTS lost_sequences (
  after_sequence INTEGER PRIMARY KEY,
  up_to INTEGER NOT NULL
) STRICT`;

/** Tells the newest that a restore has kept, if what had this sequence is lost. Read once: nothing is restored into a store that is open. */
export function keptBeforeLossIn(engine: SqliteEngine): (sequence: number) => number | undefined {
  const isThere = engine.read("SELECT 1 FROM sqlite_schema WHERE name = 'lost_sequences'").length > 0;
  const lost = (isThere ? engine.read("SELECT after_sequence, up_to FROM lost_sequences") : []).map((row) => ({
    after: Number(row["after_sequence"]),
    upTo: Number(row["up_to"]),
  }));
  return (sequence) => lost.find(({ after, upTo }) => after < sequence && sequence < upTo)?.after;
}
