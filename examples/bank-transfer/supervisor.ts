import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";

/** As a service manager would: what has ended is started again after a moment. */
const restartMs = 200;

export type Supervised = {
  readonly name: string;
  /** SIGKILL, if it runs. It comes back by itself. */
  kill(): void;
  /** SIGTERM, for good. Resolves to its exit code; null if it does not end by itself. */
  stop(): Promise<number | null>;
  /** For when this process ends: SIGKILL, for good. */
  killNow(): void;
};

export function supervise(options: {
  readonly name: string;
  readonly args: readonly string[];
  readonly logFile: string;
}): Supervised {
  const log = createWriteStream(options.logFile, { flags: "a" });
  let child: ChildProcess;
  let over = false;
  let timer: NodeJS.Timeout | undefined;

  function start(): void {
    const started = spawn(process.execPath, options.args, { stdio: ["ignore", "ignore", "pipe"] });
    started.stderr.pipe(log, { end: false });
    started.once("exit", () => {
      if (!over) timer = setTimeout(start, restartMs);
    });
    child = started;
  }
  start();

  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const end = (): void => {
    over = true;
    clearTimeout(timer);
  };
  return {
    name: options.name,
    kill: () => void child.kill("SIGKILL"),
    async stop() {
      end();
      if (hasEnded()) return child.exitCode;
      const ended = once(child, "exit");
      const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
      child.kill("SIGTERM");
      await ended;
      clearTimeout(late);
      return child.exitCode;
    },
    killNow() {
      end();
      child.kill("SIGKILL");
    },
  };
}
