import { cpSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { marksAtRest } from "../../src/storage/sqlite/marks-at-rest.ts";
import type { WriteMark } from "../../src/storage/sqlite/statement.ts";
import { createStoreSet } from "../../src/storage/sqlite/store-marks.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { storageDir } from "../support/storage-dir.ts";
import { creation } from "../support/storage-values.ts";

/** A store that is open, and was written so often. */
async function served(writes: number) {
  const folder = storageDir();
  const path = join(folder, "workflow.sqlite");
  const set = createStoreSet();
  const opened = await openSqliteWorkflowStore({ path, set });
  if (!opened.ok) throw new Error(opened.error.message);
  set.begin();
  for (let write = 0; write < writes; write += 1) await opened.value.apply(creation(`w${write}`));
  return { folder, path, close: opened.value.close };
}

const marksOf = (path: string, isTakenOver?: boolean): readonly WriteMark[] | string => {
  const found = marksAtRest(path, "workflows", isTakenOver);
  return found.type === "store" ? found.store.marks : found.type;
};

const written = (writes: number) => [{ kind: "workflows", id: expect.stringMatching(/^[0-9a-f]{32}$/), writes }];

test("a store at rest is read as it is, and nothing is made beside it", async () => {
  const { folder, path, close } = await served(3);
  await close();
  const before = readdirSync(folder);
  // Its age is written when it closes.
  expect(marksOf(path)).toEqual(written(4));
  expect(readdirSync(folder)).toEqual(before);
  expect(marksAtRest(path, "rules")).toEqual({ type: "unknown" });
});

test("of one that a kill has left, what is in its log counts; it is found behind a link", async () => {
  const { folder, close } = await served(3);
  const copy = storageDir();
  cpSync(folder, copy, { recursive: true });
  await close();
  const link = join(storageDir(), "link.sqlite");
  symlinkSync(join(copy, "workflow.sqlite"), link);
  expect(marksOf(link)).toEqual(written(3));
  expect(marksAtRest(link, "workflows")).toMatchObject({ store: { path: join(copy, "workflow.sqlite"), kind: "workflows" } });
  rmSync(join(copy, "workflow.sqlite-wal"));
  expect(marksOf(link)).toBe("unknown");
});

test("one that is in use is not looked at, unless it may be taken over", async () => {
  const { path, close } = await served(3);
  expect(marksOf(path)).toBe("unknown");
  expect(marksOf(path, true)).toEqual(written(3));
  await close();
});

test("what is not there is missing, unless it was; and what is none, or cannot be read, is for whoever opens it", async () => {
  const folder = storageDir();
  const path = join(folder, "workflow.sqlite");
  expect(marksOf(path)).toBe("missing");
  symlinkSync(join(folder, "nothing"), join(folder, "dangling.sqlite"));
  expect(marksOf(join(folder, "dangling.sqlite"))).toBe("unknown");
  writeFileSync(join(folder, "letter.sqlite"), "dear".repeat(1_024));
  expect(marksOf(join(folder, "letter.sqlite"))).toBe("unknown");
  const db = new DatabaseSync(join(folder, "foreign.sqlite"));
  db.exec("CREATE TABLE t (x)");
  db.close();
  expect(marksOf(join(folder, "foreign.sqlite"))).toBe("unknown");
  const { path: lost, close } = await served(1);
  await close();
  rmSync(lost);
  expect(marksOf(lost)).toBe("unknown");
});
