import { type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";
import { printable, printableLines } from "../kernel/text.ts";
import { createLineWriter } from "./line-writer.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

export type { Logger };

export type LoggerOptions = {
  readonly level: LogLevel;
  readonly format: "json" | "pretty";
  /** Each line is out before the program goes on. Else a program that is killed may take its last lines with it. */
  readonly sync?: boolean;
};

export type Log = {
  readonly logger: Logger;
  /** How many lines were lost, because nothing could be written for long. */
  readonly lostLines: () => number;
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
export function createLog(options: LoggerOptions): Log {
  const settings = { level: options.level, base: null, timestamp: createTimestamp() };
  const isForPeople = options.format === "pretty";
  const lines = createLineWriter({
    fd: 2,
    sync: isForPeople || (options.sync ?? false),
    onUnstuck: (lost, cause) => {
      if (lost > 0) logger.warn({ lost, cause }, "the log could not be written for a while; lines are missing before this one");
    },
  });
  const logger = isForPeople
    ? pino(settings, forPeople(lines.write))
    : pino({ ...settings, formatters: { level: levelName } }, lines);
  return { logger, lostLines: lines.lost };
}

export const createLogger = (options: LoggerOptions): Logger => createLog(options).logger;

const levelName = (label: string) => ({ level: label });

/** As pino's `isoTime`; the lines of a millisecond share one text. */
function createTimestamp(): () => string {
  let [atMs, text] = [Number.NaN, ""];
  return () => {
    const nowMs = Date.now();
    if (nowMs !== atMs) [atMs, text] = [nowMs, `,"time":"${new Date(nowMs).toISOString()}"`];
    return text;
  };
}

function forPeople(write: (text: string) => void): { write(line: string): void } {
  const shown = prettyFactory({ translateTime: "SYS:HH:MM:ss.l", singleLine: true });
  return { write: (line) => write(shown(printableLine(line))) };
}
