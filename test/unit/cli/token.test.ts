import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tokenCommand } from "../../../src/cli/token.ts";
import { sha256Of } from "../../support/access.ts";
import { runCommand } from "../../support/command.ts";
import { storageDir } from "../../support/storage-dir.ts";

test("a token is shown once, with the line that knows it", async () => {
  const ran = await runCommand(tokenCommand(), "new", "--principal", "ada", "--not-after", "2027-01-01T00:00:00Z");
  const [, token = ""] = /^token: +(concord_\S{43})$/m.exec(ran.out) ?? [];
  expect(ran.out).toContain(`- {"principal":"ada","sha256":"${sha256Of(token)}","not_after":"2027-01-01T00:00:00.000Z"}`);
  const again = await runCommand(tokenCommand(), "new", "--principal", "ada", "-o", "json");
  expect(JSON.parse(again.out)).toEqual({
    token: expect.stringMatching(/^concord_\S{43}$/),
    entry: { principal: "ada", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
  });
  expect(again.out).not.toContain(token);
});

test("a token that goes into a file is its owner's alone, and shown nowhere; a file that is there stays", async () => {
  const path = join(storageDir(), "token");
  const ran = await runCommand(tokenCommand(), "new", "--principal", "ada", "--to", path);
  const token = readFileSync(path, "utf8").trim();
  expect(ran.out).toContain(sha256Of(token));
  expect(ran.out).not.toContain(token);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const again = await runCommand(tokenCommand(), "new", "--principal", "ada", "--to", path);
  expect(again).toMatchObject({ code: 1, err: expect.stringContaining("EEXIST") });
  expect(readFileSync(path, "utf8").trim()).toBe(token);
});

test.each([
  [["--principal", "system:me"], "does not begin with system:"],
  [["--principal", "ada", "--not-after", "soon"], "must be a time such as"],
])("what cannot be is refused: %j", async (args, words) => {
  const command = tokenCommand();
  for (const each of command.commands) each.exitOverride().configureOutput({ writeErr: () => undefined });
  await expect(command.parseAsync(["new", ...args], { from: "user" })).rejects.toThrow(words);
});
