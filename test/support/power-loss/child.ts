/**
 * Owns a workflow store under the recording library, run by power-loss.test.ts with node: `child.ts <file> <acks>`. Opens the store twice, the second time with a write that fails; writes,
 * moves the log into the file, and closes. Each batch that was acknowledged is a line of `acks`.
 */
import { openSync, writeSync } from "node:fs";
import { openSqliteWorkflowStore } from "../../../src/storage/sqlite/workflow-store.ts";
import type { WorkflowBatch } from "../../../src/workflow/ports.ts";
import { loadBatch } from "../storage-load.ts";

/** Room for all that is written here, and not for `tooLarge`. */
const pageCountMax = 300;

/** It fails before anything of it is in the file, and makes the writer connect again: what is written after it must be as safe. */
function tooLarge(prefix: string): WorkflowBatch {
  const batch = loadBatch(prefix, callers * batchesEach);
  const metadata = { text: "x".repeat(1_500_000) };
  return { ...batch, puts: batch.puts.map((put) => ({ ...put, workflow: { ...put.workflow, metadata } })) };
}

/** Some flushes have one batch, some have several. */
const callers = 3;
const batchesEach = 5;

const [path = "", acks = ""] = process.argv.slice(2);
const acknowledged = openSync(acks, "a");
for (const prefix of ["first", "second"]) {
  const opened = await openSqliteWorkflowStore({ path, pageCountMax });
  if (!opened.ok) throw new Error(opened.error.message);
  writeSync(acknowledged, "opened\n");
  const failed = prefix === "second" ? await opened.value.apply(tooLarge(prefix)) : undefined;
  if (failed?.ok) throw new Error("there was room for it");
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
