import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const scripts = globSync(["scripts/*.ts", "test/bench/*.ts", "test/bench/peers/main.ts"], { cwd: root }).filter((script) =>
  /^const help = `/m.test(readFileSync(join(root, script), "utf8")),
);

test.concurrent.each(scripts.filter((script) => script !== "test/bench/options.ts"))("%s --help is a page", async (script) => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, script), "--help"]);
  expect(stdout.split("\n").length).toBeGreaterThan(4);
  expect(stdout).not.toContain("\\n");
});
