/**
 * A process that owns a workflow store, run by the tests with node: `storage-child.ts <mode> <file> <prefix>`.
 *   hold    opens it, says `opened`, and stays until killed
 *   load    writes as fast as it can and prints the number of each batch that was acknowledged, until killed; after a failed
 *           write it prints `failed <error>` and goes on when the store is writable again
 *   refuse  opens it as an unprivileged user, and prints why that failed
 */
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import { loadBatch } from "./storage-load.ts";

/** As many callers as a busy service has, so that there is always a flush under way. */
const callers = 64;

const [mode, path = "", prefix = ""] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (mode === "refuse" && process.getuid?.() === 0) process.setuid?.(65_534);

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
