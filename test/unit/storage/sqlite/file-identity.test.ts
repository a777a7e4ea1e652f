import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { displacedPath, identify, shortenedPath } from "../../../../src/storage/sqlite/file-identity.ts";
import { storageDir } from "../../../support/storage-dir.ts";

/** A file as it was opened. */
function opened(name: string) {
  const path = join(storageDir(), name);
  writeFileSync(path, "0123456789");
  return { path, file: identify(path) };
}

test("a write-ahead log that lost some of what was written is told; one that is as it was, or another file, is not", () => {
  const { path, file } = opened("store.db-wal");
  expect(shortenedPath([file], 10)).toBeUndefined();
  writeFileSync(path, "012345678");
  expect(shortenedPath([file], 10)).toBe(path);
  expect(shortenedPath([], 10)).toBeUndefined();
  writeFileSync(`${path}.other`, "01");
  renameSync(`${path}.other`, path);
  // It was replaced, which is told as that.
  expect([shortenedPath([file], 10), displacedPath([file])]).toEqual([undefined, path]);
  rmSync(path);
  expect(shortenedPath([file], 10)).toBeUndefined();
});

test("only the log can be shortened: the file itself is cut by a checkpoint", () => {
  const { path, file } = opened("store.db");
  writeFileSync(path, "0");
  expect(shortenedPath([file], 10)).toBeUndefined();
  expect(displacedPath([file])).toBeUndefined();
  rmSync(path);
  expect(displacedPath([file])).toBe(path);
});

test("what was not there when it was to be opened is displaced, whether it has come since or not", () => {
  const path = join(storageDir(), "store.db-shm");
  const missing = identify(path);
  expect([missing, displacedPath([missing])]).toEqual([{ path, device: undefined, inode: undefined }, path]);
  writeFileSync(path, "");
  expect([displacedPath([missing]), displacedPath([identify(path)]), displacedPath([])]).toEqual([path, undefined, undefined]);
  const elsewhere = { ...identify(path), device: -1 };
  expect(displacedPath([elsewhere])).toBe(path);
});
