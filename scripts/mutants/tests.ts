/** Tests that run in one process, those that say most about little first. The others start programs, kill them, and explore for minutes. */
export const testFolders = ["unit", "scenarios", "exploration", "storage", "property", "contract"] as const;

/** They start PostgreSQL, kill processes, cut recorded writes at thousands of places, measure how long the event loop is held, or explore for long. */
export const unfitTestFiles = new Set([
  "test/storage/postgres-resource.test.ts",
  "test/storage/power-loss.test.ts",
  "test/storage/sqlite-crash.test.ts",
  "test/contract/event-loop.test.ts",
  "test/contract/no-stall.test.ts",
  "test/contract/http-no-stall.test.ts",
  "test/exploration/exploration.test.ts",
]);

/** Left out of a sample, where finding out what they reach takes longer than all its mutants. */
export const isSlow = (file: string): boolean => slow.has(file) || /^test\/property\/(predicate|rpc|cli)\//.test(file);

const slow = new Set(
  [
    "batch",
    "bulk",
    "descriptors",
    "every-rpc",
    "expensive-rules",
    "fuzz",
    "http",
    "http-bounds",
    "http-rules",
    "http-watch-purged",
    "http2-abuse",
    "large-answers",
    "reflection-and-health",
    "request-id",
    "retention",
    "retention-policy",
    "rule-answers",
    "server-info",
    "stop",
    "transport",
    "verdict-log",
    "warnings",
  ].map((name) => `test/contract/${name}.test.ts`),
);
