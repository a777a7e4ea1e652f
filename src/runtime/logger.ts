import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

export type { Logger };

/** One JSON object a line; for people, if asked, one coloured line. Written to standard error: standard output is for answers. */
export function createLogger(options: { readonly level: LogLevel; readonly format: "json" | "pretty" }): Logger {
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (options.format === "pretty") {
    return pino(settings, pretty({ destination: 2, translateTime: "SYS:HH:MM:ss.l", singleLine: true, sync: true }));
  }
  return pino({ ...settings, formatters: { level: (label) => ({ level: label }) } }, pino.destination({ dest: 2, sync: false }));
}
