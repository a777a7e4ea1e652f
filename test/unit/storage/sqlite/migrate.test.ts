import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { checkSchema, isNewest, migrate } from "../../../../src/storage/sqlite/migrate.ts";
import { schemaChange } from "../../../../src/storage/sqlite/schema-change.ts";
import { storeKinds } from "../../../../src/storage/sqlite/store-kind.ts";
import { storageDir } from "../../../support/storage-dir.ts";

const first = { version: 1, sql: "CREATE TABLE notes (text TEXT) STRICT" };
const second = { version: 2, sql: "ALTER TABLE notes ADD COLUMN author TEXT" };

function newFile() {
  const path = join(storageDir(), "notes.db");
  const db = new DatabaseSync(path, { timeout: 0 });
  db.exec(`PRAGMA application_id = ${storeKinds.rules.applicationId}`);
  return { db, schema: { path, kind: "rules", migrations: [first, second] } as const };
}

const version = (db: DatabaseSync): unknown => db.prepare("PRAGMA user_version").get()?.["user_version"];

test("a file is brought to the newest schema, and then is not written", () => {
  const { db, schema } = newFile();
  expect(schemaChange(schema.path, schema.migrations)).toEqual({ from: 0, to: 2 });
  expect([isNewest(db, schema.migrations), migrate(db, schema), isNewest(db, schema.migrations)]).toEqual([
    false,
    undefined,
    true,
  ]);
  const changes = (): unknown => db.prepare("SELECT total_changes() AS n").get()?.["n"];
  const before = changes();
  const mark = db.prepare("SELECT * FROM store_marks").all();
  expect(mark).toMatchObject([{ kind: "rules", writes: 0 }]);
  expect([migrate(db, schema), changes(), db.prepare("SELECT * FROM store_marks").all()]).toEqual([undefined, before, mark]);
  expect(schemaChange(schema.path, schema.migrations)).toBeUndefined();
  expect(checkSchema(db, schema)).toBeUndefined();
  for (const migrations of [[first], []])
    expect(checkSchema(db, { ...schema, migrations })).toMatchObject({ type: "newer-schema" });
  expect(checkSchema(db, { ...schema, kind: "workflows" })).toMatchObject({
    message: expect.stringContaining("is a Concord rule store"),
  });
  db.close();
});

test("one that another program writes just then is left as it is, and is told by what is in the way", () => {
  const { db, schema } = newFile();
  expect(isNewest(db, [])).toBe(true);
  migrate(db, { ...schema, migrations: [first] });
  expect(checkSchema(db, { ...schema, migrations: [] })).toMatchObject({ type: "newer-schema" });
  const other = new DatabaseSync(schema.path);
  other.exec("BEGIN IMMEDIATE");
  expect(migrate(db, schema)).toMatchObject({
    type: "inaccessible",
    message: expect.stringContaining("cannot be opened for writing (database is locked)"),
  });
  expect(version(db)).toBe(1);
  other.close();
  expect(migrate(db, schema)).toBeUndefined();
  db.close();
});

test("a migration that fails is undone, and the connection can go on", () => {
  const { db, schema } = newFile();
  const wrong = { version: 2, sql: "CREATE TABLE more (text TEXT); INSERT INTO nowhere VALUES (1)" };
  const failure = migrate(db, { ...schema, migrations: [first, wrong] });
  expect(failure?.message).toContain("could not be brought to schema version 2: no such table: nowhere");
  expect([version(db), db.isTransaction]).toEqual([1, false]);
  expect([migrate(db, schema), version(db)]).toEqual([undefined, 2]);
  db.close();
});

test("what is no file, or is too short for one, has no schema that would change", () => {
  const path = join(storageDir(), "notes.db");
  expect(schemaChange(path, [first])).toBeUndefined();
  const db = new DatabaseSync(path);
  expect(schemaChange(path, [first])).toBeUndefined();
  db.close();
});
