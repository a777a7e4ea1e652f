import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { readAccessFile } from "../access-file.ts";

/** What the file says, and the same as text, by which one sees whether that has changed. */
export type ReadAccess = { readonly read: ReturnType<typeof readAccessFile>; readonly text: string };

/** A thread runs the file beside this one: TypeScript here, JavaScript where it is built. */
const threadUrl = new URL(import.meta.url.endsWith(".ts") ? "access-thread.ts" : "access-thread.js", import.meta.url);

/** Reads it beside the event loop: ten thousand tokens take half a second. Rejects if the thread dies. */
export async function readAccessBeside(path: string): Promise<ReadAccess> {
  const worker = new Worker(threadUrl, { workerData: path, name: "access" });
  worker.unref();
  const [answer] = (await once(worker, "message")) as [ReadAccess];
  return answer;
}
