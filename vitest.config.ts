import { defineConfig } from "vitest/config";
import { slowestFiles } from "./test/support/slowest-files.ts";

const project = (name: string, timeoutMs: number, more: { readonly isolate?: boolean; readonly setupFiles?: string } = {}) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: timeoutMs, hookTimeout: timeoutMs, ...more },
});

/** Where properties are: what they draw is drawn again by SEED=n. */
const seed = "test/support/seed.ts";

export default defineConfig({
  test: {
    // For two cores: the third works while the others wait for a process, a timer, or a disk.
    maxWorkers: 3,
    // A timeout is for a test that hangs, never for one that is slow.
    projects: [
      // Many files: to load everything anew for each would take as long as the tests do.
      project("unit", 120_000, { isolate: false, setupFiles: seed }),
      project("property", 120_000, { isolate: false, setupFiles: seed }),
      project("scenarios", 120_000, { isolate: false }),
      project("storage", 120_000, { setupFiles: seed }),
      project("contract", 180_000, { isolate: false }),
      project("e2e", 180_000),
      project("specs", 180_000),
      project("simulation", 180_000),
      project("exploration", 180_000),
    ],
    globalSetup: "test/support/no-process-left.ts",
    reporters: ["default", slowestFiles, ...(process.env["CI"] === undefined ? [] : ["json"])],
    outputFile: { json: ".cache/test-results.json" },
    coverage: {
      provider: "v8",
      include: ["src/*/core/**/*.ts", "src/kernel/**/*.ts"],
      reporter: ["text-summary", "json-summary"],
      // The cores are what is model-checked; a statement that no test reaches has no business there.
      thresholds: { "src/*/core/**/*.ts": { statements: 100 } },
    },
  },
});
