import { execFile, execFileSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { isMissing } from "../support/toolchain.ts";

const client = join(import.meta.dirname, "../../clients/go");
const buf = join(import.meta.dirname, "../../node_modules/.bin");

// clients/go/client_test.go has them, by name. They start servers of this clone, and kill them.
test.skipIf(isMissing("go", "clients/go"))("the client in Go passes its tests", { timeout: 1_800_000 }, async () => {
  const env = { ...process.env, PATH: `${buf}${delimiter}${process.env["PATH"]}` };
  execFileSync("sh", ["generate"], { cwd: client, env, stdio: "pipe" });
  const tests = promisify(execFile)("go", ["test", "-count=1", "."], { cwd: client, env });
  const { stdout } = await tests.catch((error: { stdout?: string; stderr?: string }) => {
    throw new Error(`go test has failed:\n${error.stdout}${error.stderr}`);
  });
  expect(stdout).toMatch(/^ok\s+concord\/clients\/go\s/m);
});
