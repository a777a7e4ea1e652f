import { takeGrpcLog } from "../rpc/grpc-log.ts";
import { createLog, type Log, type LogLevel } from "../runtime/logger.ts";
import { isForMachines } from "./log-format.ts";

/** The log of this process, with all that Node and grpc-js would write to standard error between its lines. */
export function openLog(options: { readonly logLevel: LogLevel; readonly logFormat: unknown; readonly sync?: boolean }): Log {
  const { logLevel: level, logFormat, sync = false } = options;
  const log = createLog({ level, format: isForMachines(logFormat) ? "json" : "pretty", sync });
  const { logger } = log;
  takeGrpcLog((text) => logger.warn({ text }, "grpc complains"));
  process.removeAllListeners("warning").on("warning", (warning) => logger.warn({ err: warning }, "node warns"));
  // Silence is about the work, not about its sudden end.
  if (logger.isLevelEnabled("fatal")) {
    process.on("uncaughtException", (error) => {
      logger.fatal({ err: error }, "a defect: this process ends");
      process.exit(1);
    });
  }
  return log;
}
