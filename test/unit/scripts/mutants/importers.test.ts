import { join } from "node:path";
import { expect, test } from "vitest";
import { createImporters } from "../../../../scripts/mutants/importers.ts";

const root = join(import.meta.dirname, "../../../..");

test("a test file loads what it imports, and what that imports", () => {
  const limits = "test/unit/docs/limits.test.ts";
  const importersOf = createImporters(root, [limits, "test/unit/workflow/at-once.test.ts"]);
  expect([...importersOf("src/commit/limits.ts")]).toEqual([limits]);
  expect([...importersOf("test/support/pausing.ts")]).toEqual(["test/unit/workflow/at-once.test.ts"]);
  expect([...importersOf("src/main.ts")]).toEqual([]);
});
