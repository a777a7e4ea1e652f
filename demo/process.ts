import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { CommandError } from "../src/cli/failure.ts";
import type { DurationMs } from "../src/kernel/time.ts";

/** A process that is not ready by then will not be. Generous: the machine may be busy. */
const readyMsDefault: DurationMs = 30_000;

/** A process that has not ended by then after SIGTERM is killed. */
const endMs: DurationMs = 15_000;

const program = join(import.meta.dirname, `../src/main${extname(import.meta.filename)}`);

export type ProcessOptions = {
  readonly name: string;
  /** The arguments of `concord`, for each start anew. */
  readonly args: () => readonly string[];
  /** It is ready once it logs a line with this message. */
  readonly readyMessage: string;
  readonly logFile: string;
  /** One that is not ready by then is killed. */
  readonly readyMs?: DurationMs;
  /** Hears each line of the log. */
  readonly onLine?: (line: LogLine) => void;
};

export type LogLine = Readonly<Record<string, unknown>>;

/** A `concord` process that can be started again and again. */
export type DemoProcess = {
  readonly name: string;
  readonly pid: number | undefined;
  /** Resolves when it is ready, to the line that said so. */
  start(extraArgs?: readonly string[]): Promise<LogLine>;
  /** Resolves when it is gone, to its exit code; null if a signal ended it. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null>;
  /** Without waiting, and for good: it cannot be started again. */
  killNow(): void;
};

export function createProcess(options: ProcessOptions): DemoProcess {
  const { name, args, readyMessage, logFile, readyMs = readyMsDefault, onLine } = options;
  const log = createWriteStream(logFile, { flags: "a" });
  let child: ChildProcess | undefined;
  let over = false;

  function spawnChild(extraArgs: readonly string[]): ChildProcess {
    const nodeArgs = [...process.execArgv, program, ...args(), ...extraArgs, "--log-format", "json"];
    const started = spawn(process.execPath, nodeArgs, { env: withoutSettings(process.env), stdio: ["ignore", "ignore", "pipe"] });
    started.stderr?.pipe(log, { end: false });
    return started;
  }

  return {
    name,
    get pid() {
      return child?.pid;
    },
    async start(extraArgs = []) {
      if (over) throw new CommandError(`${name} is not started any more`);
      const started = spawnChild(extraArgs);
      child = started;
      const late = setTimeout(() => started.kill("SIGKILL"), readyMs);
      try {
        const ready = await lineWith(started, readyMessage, onLine);
        if (ready === undefined) throw new CommandError(`${name} did not start; its log is ${logFile}`);
        return ready;
      } finally {
        clearTimeout(late);
      }
    },
    async end(signal) {
      if (child === undefined || hasEnded(child)) return child?.exitCode ?? null;
      const late = setTimeout(() => child?.kill("SIGKILL"), endMs);
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
      clearTimeout(late);
      return child.exitCode;
    },
    killNow() {
      over = true;
      child?.kill("SIGKILL");
    },
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** The first log line with this message; nothing if the process ends without one. All lines go to `onLine`, also later ones. */
function lineWith({ stderr }: ChildProcess, message: string, onLine?: (line: LogLine) => void): Promise<LogLine | undefined> {
  return new Promise((resolve) => {
    if (stderr === null) return resolve(undefined);
    createInterface({ input: stderr })
      .on("line", (text) => {
        const line = readLine(text);
        onLine?.(line);
        if (line["msg"] === message) resolve(line);
      })
      .once("close", () => resolve(undefined));
  });
}

function readLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    // Not a log line, such as a warning of the runtime.
    return {};
  }
}

/** What the caller has set for a server of his own does not reach these. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("CONCORD_")));
}
