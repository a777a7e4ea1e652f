import type { DatabaseSync } from "node:sqlite";
import { assert } from "../../kernel/assert.ts";
import { pragma } from "./pragmas.ts";
import { isEnvironmentError, messageOf, openFailure } from "./sqlite-error.ts";
import type { Migration, OpenFailure } from "./statement.ts";
import { openTimesTable } from "./store-age.ts";
import { kindOf, type StoreKind, storeKinds } from "./store-kind.ts";
import { insertOwnMark, storeMarksTable } from "./store-marks.ts";

/** For the engine's probe of a full disk; no part of the versioned schema. */
const probeTable = "CREATE TABLE IF NOT EXISTS write_probe (filler BLOB NOT NULL) STRICT";

type Schema = { readonly path: string; readonly kind: StoreKind; readonly migrations: readonly Migration[] };

/** Why the file is not one that this program may write. Reads the schema, and so finds a damaged one. */
export function checkSchema(db: DatabaseSync, { path, kind, migrations }: Schema): OpenFailure | undefined {
  db.prepare("SELECT count(*) FROM sqlite_schema").get();
  const applicationId = pragma(db, "application_id");
  const { applicationId: own, title } = storeKinds[kind];
  if (applicationId !== own) {
    const other = kindOf(applicationId);
    const what = other ? `a Concord ${storeKinds[other].title}` : "a database that Concord did not make";
    const message = `${path} is ${what}, not a ${title}. It was not changed. Put the right file there, or choose another data directory.`;
    return { type: "foreign", message };
  }
  const stored = pragma(db, "user_version");
  const newest = newestVersion(migrations);
  if (stored <= newest) return undefined;
  return {
    type: "newer-schema",
    message:
      `${path} has schema version ${stored}, but this program knows versions up to ${newest} only. ` +
      "Use the program version that wrote it, or a newer one, or restore an older backup.",
  };
}

/** False if there are migrations to come. */
export const isNewest = (db: DatabaseSync, migrations: readonly Migration[]): boolean =>
  pragma(db, "user_version") === newestVersion(migrations);

/** Brings the file to the newest schema, one transaction per version. Writes nothing if it is there. */
export function migrate(db: DatabaseSync, { path, kind, migrations }: Schema): OpenFailure | undefined {
  const stored = pragma(db, "user_version");
  assert(
    migrations.every(({ version }, index) => version === index + 1),
    "each migration goes on from the one before it",
  );
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
  db.exec(openTimesTable);
  db.exec(storeMarksTable);
  const isMarked = db.prepare("SELECT 1 FROM store_marks WHERE kind = ?").get(kind) !== undefined;
  if (!isMarked) db.exec(insertOwnMark(kind));
  return undefined;
}

const newestVersion = (migrations: readonly Migration[]): number => migrations.at(-1)?.version ?? 0;
