/**
 * A process that owns a workflow store, run by the tests with node: `storage-child.ts <mode> <file> <prefix>`.
 *   hold    opens it, says `opened`, and stays until killed
 *   load    writes as fast as it can and prints the number of each batch that was acknowledged, until killed; after a failed
 *           write it prints `failed <error>` and goes on when the store is writable again
 *   rules   owns a rule store instead: changes all its rules as fast as it can, and prints the sequence of each change
 *   refuse  opens it as an unprivileged user, and prints why that failed
 */
import { createTurns } from "../../src/runtime/turns.ts";
import { openSqliteRuleStore } from "../../src/storage/sqlite/rule-store.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { loadBatch as loadRules } from "./rule-batches.ts";
import { loadBatch } from "./storage-load.ts";

/** As many callers as a busy service has, so that there is always a flush under way. */
const callers = 64;

const [mode, path = "", prefix = ""] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (mode === "refuse" && process.getuid?.() === 0) process.setuid?.(65_534);

if (mode === "rules") {
  const opened = await openSqliteRuleStore({ path, turns: createTurns() });
  if (!opened.ok) throw new Error(opened.error.message);
  for (let { sequence } = await opened.value.load(); ; sequence += 1) {
    const applied = await opened.value.apply(loadRules(sequence));
    say(applied.ok ? String(sequence + 1) : `failed ${JSON.stringify(applied.error)}`);
  }
}

const opened = await openSqliteWorkflowStore({ path });
if (!opened.ok) say(`${opened.error.type}: ${opened.error.message}`);
else {
  say("opened");
  let next = 0;
  const writable = (): Promise<void> =>
    new Promise((resolve) => {
      if (opened.value.writable) return resolve();
      const unsubscribe = opened.value.onWritableChange(() => {
        unsubscribe();
        resolve();
      });
    });
  const write = async (): Promise<void> => {
    for (;;) {
      const index = next++;
      const applied = await opened.value.apply(loadBatch(prefix, index));
      say(applied.ok ? String(index) : `failed ${JSON.stringify(applied.error)}`);
      if (!applied.ok) await writable();
    }
  };
  if (mode === "load") for (let caller = 0; caller < callers; caller += 1) void write();
}
