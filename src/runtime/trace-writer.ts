import { closeSync, openSync } from "node:fs";
import { err, ok, type Result } from "../kernel/result.ts";
import { createLineWriter } from "./line-writer.ts";
import type { Logger } from "./logger.ts";

export type TraceWriter = {
  write(event: object): void;
  /** How many events are missing in the file. */
  lostLines(): number;
  close(): void;
};

/**
 * Appends each event to a file as one JSON line, which is in the file when `write` returns: a killed process takes none with it. If the file
 * takes nothing, what is traced goes on all the same. `at` is the machine's monotonic clock in nanoseconds, so that what several processes of
 * one machine have written can be put in order.
 */
export function openTraceWriter(
  path: string,
  logger: Pick<Logger, "warn" | "error">,
): Result<TraceWriter, { readonly message: string }> {
  let fd: number;
  try {
    fd = openSync(path, "a");
  } catch (error) {
    return err({ message: `trace: cannot write ${path}: ${error instanceof Error ? error.message : String(error)}` });
  }
  const lines = createLineWriter({
    fd,
    sync: true,
    onStuck: (cause) => logger.error({ file: path, cause }, "the trace cannot be written; what it would tell goes on"),
    onUnstuck: (lost) => logger.warn({ file: path, lost }, "the trace can be written again; a check of it needs all lines"),
  });
  return ok({
    write: (event) => lines.write(`${JSON.stringify({ at: String(process.hrtime.bigint()), ...event })}\n`),
    lostLines: lines.lost,
    close: () => {
      lines.close();
      closeSync(fd);
    },
  });
}
