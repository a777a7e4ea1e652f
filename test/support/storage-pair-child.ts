/**
 * Counts in two stores, first in the one and then in the other, until killed, or until the process that has started it is gone:
 * `storage-pair-child.ts <first> <second>`. Says when it begins.
 */
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";

process.stdin.once("end", () => process.exit()).resume();

const [first, second] = process.argv.slice(2).map((path) => {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS counter AS SELECT 0 AS n");
  return db.prepare("UPDATE counter SET n = n + 1");
});

process.stdout.write("begun\n");
for (;;) {
  first?.run();
  second?.run();
  // Longer than a cut takes, so that there is a moment for one.
  for (const untilMs = performance.now() + Math.random(); performance.now() < untilMs; );
  await setImmediate();
}
