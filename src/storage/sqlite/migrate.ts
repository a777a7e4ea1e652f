import type { DatabaseSync } from "node:sqlite";
import { isEnvironmentError, messageOf, openFailure } from "./sqlite-error.ts";
import type { Migration, OpenFailure } from "./statement.ts";

/** For the engine's probe of a full disk; no part of the versioned schema. */
const probeTable = "CREATE TABLE IF NOT EXISTS write_probe (filler BLOB NOT NULL) STRICT";

/** Brings the file to the newest schema, one transaction per version. Writes nothing when the file is newer than this program. */
export function migrate(
  db: DatabaseSync,
  { path, migrations }: { readonly path: string; readonly migrations: readonly Migration[] },
): OpenFailure | undefined {
  // Reads the schema, and so finds a damaged one before anything is written.
  db.prepare("SELECT count(*) FROM sqlite_schema").get();
  const stored = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  const newest = migrations.at(-1)?.version ?? 0;
  if (stored > newest) {
    return {
      type: "newer-schema",
      message:
        `${path} has schema version ${stored}, but this program knows versions up to ${newest} only. ` +
        "Use the program version that wrote it, or a newer one, or restore an older backup.",
    };
  }
  for (const { version, sql } of migrations.filter((migration) => migration.version > stored)) {
    try {
      db.exec(`BEGIN IMMEDIATE; ${sql}\n; PRAGMA user_version = ${version}; COMMIT`);
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      if (isEnvironmentError(error)) return openFailure(path, error);
      return { type: "inaccessible", message: `${path} could not be brought to schema version ${version}: ${messageOf(error)}` };
    }
  }
  db.exec(probeTable);
  return undefined;
}
