import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");

const shownBy = [...readFileSync(join(root, "docs/engines.md"), "utf8").matchAll(/\| (test\/\S+\.ts): (.+) \|$/gm)];

test("docs/engines.md names tests", () => {
  expect(shownBy.length).toBeGreaterThan(5);
});

test.each(shownBy.map(([, file = "", title = ""]) => [file, title]))(
  "docs/engines.md names a test that is there: %s: %s",
  (file, title) => {
    expect(existsSync(join(root, file))).toBe(true);
    expect(readFileSync(join(root, file), "utf8")).toContain(title);
  },
);
