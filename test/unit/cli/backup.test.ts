import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { storageDir } from "../../support/storage-dir.ts";
import { typed } from "../../support/typed.ts";

const concord = (...args: readonly string[]) => typed(args, { address: "127.0.0.1:1" });

test("a folder without a store is no backup, and nothing is made", async () => {
  const folder = storageDir();
  const to = join(storageDir(), "backup");
  const { code, err } = await concord("backup", "--data-dir", folder, "--to", to, "-o", "json");
  expect(code).toBe(1);
  expect(JSON.parse(err)).toEqual({ error: { exitCode: 1, message: expect.stringContaining(`no store in ${folder}`) } });
  expect(existsSync(to)).toBe(false);
});

test("a store of the folder that is none is a failure, and not left out", async () => {
  const folder = storageDir();
  writeFileSync(join(folder, "workflow.sqlite"), "");
  const { code, err } = await concord("backup", "--data-dir", folder, "--to", join(storageDir(), "backup"));
  expect([code, err]).toEqual([1, expect.stringContaining("workflow.sqlite is empty")]);
});

test.each(["", "backup", "a/backup", "..backup"])("a backup is not made within the folder of the stores: %j", async (name) => {
  const folder = storageDir();
  const to = join(folder, name);
  const { code, err } = await concord("backup", "--data-dir", folder, "--to", to);
  expect([code, err]).toEqual([2, expect.stringContaining(`--to ${to} is within ${folder}: `)]);
  expect(readdirSync(folder)).toEqual([]);
});

test("a backup beside the folder of the stores is none within", async () => {
  const folder = join(storageDir(), "data");
  const { err } = await concord("backup", "--data-dir", folder, "--to", `${folder}-backup`);
  expect(err).toContain(`no store in ${folder}`);
});

test("a folder that is no backup is not restored", async () => {
  const folder = storageDir();
  const { code, err } = await concord("restore", "--from", folder, "--data-dir", join(folder, "new"), "-o", "json");
  expect([code, JSON.parse(err).error.message]).toEqual([1, expect.stringContaining("is no backup that was finished")]);
});

test("where a backup goes must be said", async () => {
  expect(await concord("backup")).toMatchObject({ code: 2, err: expect.stringContaining("--to <folder>") });
});
