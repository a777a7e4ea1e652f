/**
 * A process that owns a workflow store, run by the tests with node, and gone with them: `storage-child.ts <mode> <file> <prefix>`.
 *   hold    opens it, says `opened`, and stays until killed
 *   load    writes as fast as it can and prints the number of each batch that was acknowledged, until killed; after a failed
 *           write it prints `failed <error>` and goes on when the store is writable again
 *   purge   as load, of workflows that have ended, and purges the oldest beside it; the prefix ends in how many it keeps, as in `a:100`. Prints
 *           the sequence of each event that was acknowledged
 *   rules   owns a rule store instead: changes all its rules as fast as it can, and prints the sequence of each change
 *   refuse  opens it as an unprivileged user, and prints why that failed
 */
import { createTurns } from "../../src/runtime/turns.ts";
import { openSqliteRuleStore } from "../../src/storage/sqlite/rule-store.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { loadBatch as loadRules } from "./rule-batches.ts";
import { loadBatch } from "./storage-load.ts";
import { creation } from "./storage-values.ts";

/** As many callers as a busy service has, so that there is always a flush under way. */
const callers = 64;

// Nobody writes here. It ends when the process that has started it is gone, however that went.
process.stdin
  .once("end", () => process.exit())
  .resume()
  .unref();

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
  const writeEnded = async (): Promise<void> => {
    for (;;) {
      const applied = await opened.value.apply(creation(`${prefix.replace(":", "-")}-${next++}`, { state: "COMPLETED" }));
      if (applied.ok) say(String(applied.value[0]?.sequence));
    }
  };
  const purge = async (): Promise<void> => {
    const keep = Number(prefix.split(":")[1]);
    for (;;) {
      const { workflows } = await opened.value.counts();
      const page = { type: "", beforeMs: Number.MAX_SAFE_INTEGER, limit: Math.min(500, Math.max(0, workflows - keep)) };
      const { rows } = await opened.value.ended(page);
      const wanted = { workflows: rows, beforeSequence: Number.MAX_SAFE_INTEGER, eventCountMax: 50, freeIds: false, atMs: 1 };
      await opened.value.purgeWorkflows(wanted);
    }
  };
  if (mode === "purge") {
    void purge();
    for (let caller = 0; caller < callers; caller += 1) void writeEnded();
  }
  if (mode === "load") for (let caller = 0; caller < callers; caller += 1) void write();
}
