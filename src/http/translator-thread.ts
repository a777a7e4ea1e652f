import { parentPort } from "node:worker_threads";
import { answerText, encodeRequest } from "./translate.ts";
import type { Done, Task } from "./translator.ts";

// The thread of translator: one task after the other.

parentPort?.on("message", ({ id, task }: { readonly id: number; readonly task: Task }) => {
  parentPort?.postMessage(done(id, task));
});

function done(id: number, task: Task): Done {
  try {
    return { id, result: task.type === "request" ? encodeRequest(task.parts) : answerText(task.answer) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}
