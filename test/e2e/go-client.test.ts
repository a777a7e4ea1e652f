import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rules } from "../../src/cli/participant-check/rules.ts";
import { shellWord } from "../../src/cli/shell-word.ts";
import { temporaryFolder } from "../support/concord.ts";
import { checkAddress, checkParticipant, commandLine } from "../support/participant-check.ts";
import { isMissing } from "../support/toolchain.ts";

const client = join(import.meta.dirname, "../../clients/go");
const readme = readFileSync(join(client, "README.md"), "utf8");
const buf = join(import.meta.dirname, "../../node_modules/.bin");
const env = { ...process.env, PATH: `${buf}${delimiter}${process.env["PATH"]}` };
const data = temporaryFolder();
afterAll(() => data.remove());

describe.skipIf(isMissing("go", "clients/go"))("in Go", { concurrent: true }, () => {
  const seats = join(data.path, "seats");

  // The first time it compiles SQLite: minutes, on a busy machine.
  beforeAll(() => {
    execFileSync("sh", ["generate"], { cwd: client, env, stdio: "pipe" });
    execFileSync("go", ["build", "-o", seats, "./examples/seats"], { cwd: client, env, stdio: "pipe" });
  }, 1_800_000);

  // The files *_test.go have them, by name. They start servers of this clone, and kill them.
  test("the client and the participant pass their tests", { timeout: 1_800_000 }, async () => {
    const tests = promisify(execFile)("go", ["test", "-count=1", "./..."], { cwd: client, env });
    const { stdout } = await tests.catch((error: { stdout?: string; stderr?: string }) => {
      throw new Error(`go test has failed:\n${error.stdout}${error.stderr}`);
    });
    expect(stdout.match(/^ok\s+\S+/gm)?.map((line) => line.split(/\s+/)[1])).toEqual([
      "concord/clients/go",
      "concord/clients/go/examples/seats",
      "concord/clients/go/participant",
    ]);
  });

  test("the participant keeps the contract", { timeout: 600_000 }, async () => {
    const start = `${commandLine(seats)} ${checkAddress} ${shellWord(join(data.path, "seats.sqlite"))}`;
    // As its README has them.
    const shown = /--payload '(\S+)' --abort-payload (\S+) --read-only-payload (\S+)$/m.exec(readme)?.slice(1) ?? [];
    const flags = ["--payload", "--abort-payload", "--read-only-payload"].flatMap((flag, index) => [flag, shown[index] ?? ""]);
    const { amiss, passed } = await checkParticipant("seats", start, { flags });
    expect(amiss).toEqual({});
    expect(passed).toBe(rules.length);
  });
});
