import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rules } from "../../src/cli/participant-check/rules.ts";
import { shellWord } from "../../src/cli/shell-word.ts";
import { temporaryFolder } from "../support/concord.ts";
import { checkAddress, checkParticipant, commandLine } from "../support/participant-check.ts";
import { isMissing } from "../support/toolchain.ts";

const client = join(import.meta.dirname, "../../clients/java");
const target = join(client, "target");
/** For processes that live for seconds. */
const soon = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
const data = temporaryFolder();
afterAll(() => data.remove());

const missing = isMissing("mvn", "clients/java") || isMissing("javac", "clients/java");

describe.skipIf(missing)("in Java", { concurrent: true }, () => {
  // Both tests run what this makes. The first time it fetches what it needs: minutes, on a busy machine.
  beforeAll(() => {
    const goals = [
      "test-compile",
      "dependency:build-classpath",
      "-Dmdep.includeScope=test",
      "-Dmdep.outputFile=target/classpath",
    ];
    execFileSync("mvn", ["-q", "-B", ...goals], { cwd: client, stdio: "pipe" });
  }, 1_800_000);

  // clients/java/src/test has them, by name. They start servers of this clone, and kill them.
  test("the client and the participant pass their tests", { timeout: 1_800_000 }, async () => {
    const tests = promisify(execFile)("mvn", ["-B", "surefire:test", `-DargLine=${soon.join(" ")}`], {
      cwd: client,
      maxBuffer: 100_000_000,
    });
    const { stdout } = await tests.catch((error: { stdout?: string; stderr?: string }) => {
      throw new Error(`the tests have failed:\n${error.stdout}${error.stderr}`);
    });
    expect(stripVTControlCharacters(stdout)).toMatch(/^\[INFO\] Tests run: \d\d+, Failures: 0, Errors: 0, Skipped: 0$/m);
  });

  test("the participant keeps the contract", { timeout: 600_000 }, async () => {
    const classes = [
      join(target, "test-classes"),
      join(target, "classes"),
      readFileSync(join(target, "classpath"), "utf8").trim(),
    ];
    const seats = commandLine("java", ...soon, "-cp", classes.join(delimiter), "concord.client.participant.Seats");
    const start = `${seats} ${checkAddress} ${shellWord(join(data.path, "seats.sqlite"))}`;
    const flags = ["--payload", "seat-{id}", "--abort-payload", "fault", "--read-only-payload", "none"];
    const { amiss, passed } = await checkParticipant("seats", start, { flags });
    expect(amiss).toEqual({});
    expect(passed).toBe(rules.length);
  });
});
