import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const folder = join(import.meta.dirname, "../../examples/two-phase-commit");

test("examples/two-phase-commit prints what its README says", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "main.ts")]);
  const [, shown] = /```console\n\$ .*\n([^`]*)```/.exec(readFileSync(join(folder, "README.md"), "utf8")) ?? [];
  expect(stdout).toBe(shown);
});
