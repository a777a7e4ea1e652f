import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

export type { Logger };

export type LoggerOptions = {
  readonly level: LogLevel;
  readonly format: "json" | "pretty";
  /** Each line is out before the program goes on. Else a program that is killed may take its last lines with it. */
  readonly sync?: boolean;
};

/** One JSON object a line; for people, if asked, one coloured line. Written to standard error: standard output is for answers. */
export function createLogger(options: LoggerOptions): Logger {
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (options.format === "pretty") {
    return pino(settings, pretty({ destination: 2, translateTime: "SYS:HH:MM:ss.l", singleLine: true, sync: true }));
  }
  const destination = pino.destination({ dest: 2, sync: options.sync ?? false });
  return pino({ ...settings, formatters: { level: (label) => ({ level: label }) } }, destination);
}
