/**
 * Owns a workflow store under the recording library, run by power-loss.test.ts with node: `child.ts <file> <acks>`. Opens the store twice; writes,
 * moves the log into the file, and closes. Each batch that was acknowledged is a line of `acks`.
 */
import { openSync, writeSync } from "node:fs";
import { openSqliteWorkflowStore } from "../../../src/storage/sqlite/workflow-store.ts";
import { loadBatch } from "../storage-load.ts";

/** Some flushes have one batch, some have several. */
const callers = 3;
const batchesEach = 5;

const [path = "", acks = ""] = process.argv.slice(2);
const acknowledged = openSync(acks, "a");
for (const prefix of ["first", "second"]) {
  const opened = await openSqliteWorkflowStore({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  writeSync(acknowledged, "opened\n");
  const write = async (caller: number): Promise<void> => {
    for (let index = 0; index < batchesEach; index += 1) {
      const number = caller * batchesEach + index;
      const applied = await opened.value.apply(loadBatch(prefix, number));
      if (!applied.ok) throw new Error(JSON.stringify(applied.error));
      writeSync(acknowledged, `${prefix}-${number}\n`);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => write(caller)));
  await opened.value.close();
}
