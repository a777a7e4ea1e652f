import { Worker } from "node:worker_threads";
import { assert } from "../../kernel/assert.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { type FileIdentity, shortenedPath } from "./file-identity.ts";
import type { OpenFailure } from "./statement.ts";
import type { FlushReply, FlushRequest, WriterOptions, WriterReply, WriterRequest } from "./writer-messages.ts";

/** The main thread's end of the writer. One request at a time. Never throws: a thread that died answers like a disk that failed. */
export interface Writer {
  readonly alive: boolean;
  /** The database, its write-ahead log and the log's index, as they were opened. */
  readonly files: readonly FileIdentity[];
  /** The write-ahead log, if it is smaller than after what was done last. To be asked while nothing is under way. */
  shortened(): string | undefined;
  flush(request: FlushRequest): Promise<FlushReply>;
  /** As far as readers let it. */
  truncateWal(): Promise<void>;
  close(): Promise<void>;
}

/** Runs from src as TypeScript and from dist as JavaScript. */
const writerUrl = new URL(import.meta.url.endsWith(".ts") ? "./writer.ts" : "./writer.js", import.meta.url);

/** Of a flush nothing is kept. Else each writer would let as much garbage lie as the main thread may, some 100 MB. */
const youngMbMax = 6;

export async function startWriter(options: WriterOptions): Promise<Result<Writer, OpenFailure>> {
  const resourceLimits = { maxYoungGenerationSizeMb: youngMbMax };
  const worker = new Worker(writerUrl, { workerData: options, resourceLimits, name: `write ${options.kind}` });
  let alive = true;
  let cause = "the writer thread ended";
  let walBytes = 0;
  let awaiting: ((reply: WriterReply) => void) | undefined;

  const settle = (reply: WriterReply): void => {
    const settled = awaiting;
    awaiting = undefined;
    if ("walBytes" in reply) walBytes = reply.walBytes;
    settled?.(reply);
  };
  const died = (outcomeUnknown: boolean): FlushReply => ({ type: "failed", cause, outcomeUnknown, final: false });
  const nextReply = (): Promise<WriterReply> => {
    assert(awaiting === undefined, "one request at a time");
    return new Promise((resolve) => {
      awaiting = resolve;
    });
  };

  worker.on("message", settle);
  worker.on("error", (error) => {
    cause = `the writer thread died: ${error instanceof Error ? error.message : String(error)}`;
  });
  worker.on("exit", () => {
    alive = false;
    settle(died(true));
  });

  const opened = await nextReply();
  if (opened.type !== "opened") {
    await worker.terminate();
    return err(opened.type === "open-failed" ? opened.failure : { type: "inaccessible", message: `${options.path}: ${cause}` });
  }
  return ok({
    get alive() {
      return alive;
    },
    files: opened.files,
    shortened: () => (alive ? shortenedPath(opened.files, walBytes) : undefined),
    flush: async (request) => {
      if (!alive) return died(false);
      worker.postMessage(request);
      const reply = await nextReply();
      assert(reply.type === "flushed" || reply.type === "failed", "a flush is answered by its outcome");
      return reply;
    },
    truncateWal: async () => {
      if (!alive) return;
      worker.postMessage({ type: "truncate-wal" } satisfies WriterRequest);
      await nextReply();
    },
    close: async () => {
      if (!alive) return;
      worker.postMessage({ type: "close" } satisfies WriterRequest);
      await nextReply();
      await worker.terminate();
    },
  });
}
