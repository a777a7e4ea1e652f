import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { lostSequencesTable } from "../sqlite/lost-sequences.ts";
import type { Manifest, StoredCopy } from "./manifest.ts";

/** More than any store has had changes after its backup. In decimal it is seen at once where a restore lies in a history. */
export const sequenceLeap = 1_000_000_000;

/**
 * What was told after the backup is not in it, and whoever was told must be able to notice. So what comes after the restore is never taken
 * for it: sequences leap, stores have other ids, and the run that the backup was taken in has another claim of the decision log, which only
 * those know who are restored with it.
 */
export function adjust(path: string, { kind }: StoredCopy, { id: backupId, stores }: Manifest): void {
  const derived = (id: string): string => createHash("sha256").update(`${backupId}:${id}`).digest("hex").slice(0, 32);
  const find = (wanted: StoredCopy["kind"]): StoredCopy | undefined => stores.find((store) => store.kind === wanted);
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
    for (const store of stores) {
      const own = store.marks.find((mark) => mark.kind === store.kind);
      if (own === undefined || !hasColumn(db, "store_marks", "id")) continue;
      db.prepare("UPDATE store_marks SET id = ? WHERE kind = ? AND id = ?").run(derived(own.id), own.kind, own.id);
    }
    const log = find("decision-log");
    // A log that nobody had in use has told nothing since, unless it was claimed anew, and that is noticed.
    if (log?.claim !== undefined && log.wasServed) {
      const { coordinatorId, epoch, id } = log.claim;
      if (kind === "decision-log") db.prepare("UPDATE claims SET id = ? WHERE epoch = ? AND id = ?").run(derived(id), epoch, id);
      if (hasColumn(db, "coordinators", "claim_id")) {
        db.prepare("UPDATE coordinators SET claim_id = ? WHERE id = ? AND epoch = ? AND claim_id = ?").run(
          derived(id),
          coordinatorId,
          epoch,
          id,
        );
      }
    }
    if (kind === "workflows") leap(db, "UPDATE counters SET newest_sequence = ?", find(kind)?.newestSequence);
    if (kind === "rules") leap(db, "UPDATE rule_set SET sequence = ?", find(kind)?.newestSequence);
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}

function leap(db: DatabaseSync, sql: string, newest: number | undefined): void {
  if (newest === undefined) return;
  db.exec(lostSequencesTable);
  db.prepare("INSERT INTO lost_sequences VALUES (?, ?)").run(newest, newest + sequenceLeap);
  db.prepare(sql).run(newest + sequenceLeap);
}

/** A file of an earlier schema may not have it. */
const hasColumn = (db: DatabaseSync, table: string, column: string): boolean =>
  db.prepare("SELECT 1 FROM pragma_table_info(?) WHERE name = ?").get(table, column) !== undefined;
