import { type Logger, pino } from "pino";
import pretty from "pino-pretty";
import { printable, printableLines } from "../kernel/text.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

export type { Logger };

export type LoggerOptions = {
  readonly level: LogLevel;
  readonly format: "json" | "pretty";
  /** Each line is out before the program goes on. Else a program that is killed may take its last lines with it. */
  readonly sync?: boolean;
};

/** A log line, as JSON, whose texts do nothing to a terminal. A stack keeps its lines. */
function printableLine(line: string): string {
  const shown: unknown = JSON.parse(line, (key, value: unknown) => {
    if (typeof value !== "string") return value;
    return key === "stack" ? printableLines(value) : printable(value);
  });
  return `${JSON.stringify(shown)}\n`;
}

/** One JSON object a line; for people, if asked, one coloured line. Written to standard error: standard output is for answers. */
export function createLogger(options: LoggerOptions): Logger {
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (options.format === "pretty") {
    const stream = pretty({ destination: 2, translateTime: "SYS:HH:MM:ss.l", singleLine: true, sync: true });
    return pino(settings, { write: (line) => void stream.write(printableLine(line)) });
  }
  const destination = pino.destination({ dest: 2, sync: options.sync ?? false });
  return pino({ ...settings, formatters: { level: (label) => ({ level: label }) } }, destination);
}
