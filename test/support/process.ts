import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll } from "vitest";
import { until } from "./until.ts";

const program = join(import.meta.dirname, "../../bin/concord");

/** One structured line of a log. */
export type LogLine = { readonly msg: string; readonly [field: string]: unknown };

/** Names a line: its message, and the fields that tell it from others of that message. */
export type Line = string | LogLine;

export interface Program {
  readonly pid: number;
  /** What it has logged so far. */
  readonly log: readonly LogLine[];
  /** All its output, also what is no structured line. */
  readonly text: () => string;
  /** Resolves with the first such line, from the start of the log on, or after so many lines. Throws if the process ends without it. */
  logged(line: Line, after?: number): Promise<LogLine>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Lies in wait: SIGKILL in the moment in which it logs such a line. Resolves with the line when it is gone. */
  killOn(line: Line): Promise<LogLine>;
  /** SIGTERM, as an operator stops it. Resolves with the exit code. */
  terminate(): Promise<number | null>;
  /** The exit code; `null` if a signal ended it. */
  readonly exited: Promise<number | null>;
}

const running = new Set<Program>();

afterAll(async () => {
  for (const each of running) await each.kill();
});

/** Starts the real program. It is killed after the tests of the file, if it still runs. */
export const runConcord = (args: readonly string[]): Program => run(program, args);

/** The same with one's own program, a module for node. */
export const runNode = (args: readonly string[]): Program => run(process.execPath, args);

function run(file: string, args: readonly string[]): Program {
  const env = { ...process.env, CONCORD_LOG_FORMAT: "json", CONCORD_LOG_LEVEL: "debug" };
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], env });
  const log: LogLine[] = [];
  let text = "";
  let ended = false;
  let onLine = (_line: LogLine): void => {};
  const read = (line: string): void => {
    text += `${line}\n`;
    if (!line.startsWith("{")) return;
    const parsed = JSON.parse(line) as LogLine;
    log.push(parsed);
    onLine(parsed);
  };
  const outputs = [child.stdout, child.stderr].map((input) => createInterface({ input }).on("line", read));
  const closed = Promise.all(outputs.map((output) => once(output, "close")));
  const exited = Promise.all([once(child, "exit"), closed]).then(([[code]]) => {
    ended = true;
    running.delete(started);
    return code as number | null;
  });
  const started: Program = {
    pid: child.pid ?? Number.NaN,
    log,
    text: () => text,
    exited,
    logged: (line, after = 0) =>
      until(
        () => {
          const found = log.slice(after).find((each) => isLine(each, line));
          if (found === undefined && ended)
            throw new Error(`concord ${args.join(" ")} has ended without ${nameOf(line)}:\n${text}`);
          return found;
        },
        `concord ${args[0]} ${args[1]} logs ${nameOf(line)}`,
      ),
    signal: (name) => void child.kill(name),
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    killOn: async (line) => {
      let last: LogLine | undefined;
      onLine = (logged) => {
        if (!isLine(logged, line)) return;
        last ??= logged;
        child.kill("SIGKILL");
      };
      await until(() => ended, `concord ${args[0]} ${args[1]} logs ${nameOf(line)}, and is killed for it`);
      if (last === undefined) throw new Error(`concord ${args.join(" ")} has ended without ${nameOf(line)}:\n${text}`);
      return last;
    },
    terminate: async () => {
      child.kill("SIGTERM");
      return exited;
    },
  };
  running.add(started);
  return started;
}

function isLine(logged: LogLine, line: Line): boolean {
  const wanted = typeof line === "string" ? { msg: line } : line;
  return Object.entries(wanted).every(([field, value]) => logged[field] === value);
}

const nameOf = (line: Line): string => JSON.stringify(line);

export type Server = Program & { readonly address: string };

/** `concord serve` that listens. Give `listen` to have it come back where it was. */
export async function serve(
  dataDir: string,
  options: { readonly listen?: string; readonly flags?: readonly string[] } = {},
): Promise<Server> {
  const { listen = "127.0.0.1:0", flags = [] } = options;
  const started = runConcord(["serve", "--listen", listen, "--data-dir", dataDir, ...flags]);
  const line = await started.logged("serving");
  return Object.assign(started, { address: String(line["listen"]) });
}

/** `concord participant` that has a session. */
export async function participate(
  id: string,
  options: { readonly address: string; readonly dataDir: string; readonly flags?: readonly string[] },
): Promise<Program> {
  const { address, dataDir, flags = [] } = options;
  const started = runConcord(["participant", id, "--address", address, "--data-dir", dataDir, ...flags]);
  await started.logged("connected");
  return started;
}
