import { execFileSync } from "node:child_process";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readSmallFile } from "../../../src/runtime/small-file.ts";
import { temporaryFolder } from "../../support/concord.ts";

const folder = temporaryFolder();
afterAll(folder.remove);
const place = (name: string): string => join(folder.path, name);

test("reads a file", () => {
  writeFileSync(place("file"), "grants: []\n");
  expect(readSmallFile(place("file"))).toBe("grants: []\n");
});

test("waits for no pipe, and reads nothing that has no end", () => {
  execFileSync("mkfifo", [place("pipe")]);
  for (const path of [place("pipe"), "/dev/zero", folder.path]) expect(() => readSmallFile(path)).toThrow("it is no file");
});

test("reads no file that is larger than what it is for", () => {
  writeFileSync(place("large"), "");
  truncateSync(place("large"), 16 * 2 ** 20 + 1);
  expect(() => readSmallFile(place("large"))).toThrow("it is larger than 16 MiB");
});
