import { closeSync, openSync, writeSync } from "node:fs";
import { err, ok, type Result } from "../kernel/result.ts";

export type TraceWriter = {
  write(event: object): void;
  close(): void;
};

/**
 * Appends each event to a file as one JSON line, which is in the file when `write` returns: a killed process takes none with it. `at`
 * is the machine's monotonic clock in nanoseconds, so that what several processes of one machine have written can be put in order.
 */
export function openTraceWriter(path: string): Result<TraceWriter, { readonly message: string }> {
  let file: number;
  try {
    file = openSync(path, "a");
  } catch (error) {
    return err({ message: `trace: cannot write ${path}: ${error instanceof Error ? error.message : String(error)}` });
  }
  return ok({
    write: (event) => void writeSync(file, `${JSON.stringify({ at: String(process.hrtime.bigint()), ...event })}\n`),
    close: () => closeSync(file),
  });
}
