import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { CommandError } from "../failure.ts";

/** The participant as something that is started and ended, by commands that its author gives. */
export interface ParticipantProcess {
  start(): Promise<void>;
  /** Why it cannot be waited for: what was started has failed. */
  readonly failure: string | undefined;
  /** As a power failure would end it. */
  kill(): Promise<void>;
  /** As an operator would: it may say Goodbye. Resolves at once. */
  stop(): Promise<void>;
  /** For the end of the check: whatever was started is gone. */
  end(): Promise<void>;
}

type Commands = {
  readonly start: string;
  readonly kill: string | undefined;
  readonly stop: string | undefined;
  /** What the commands find in their environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where what they print is appended. */
  readonly logFile: string | undefined;
  readonly onFailure: () => void;
};

/**
 * What `start` runs may stay, or leave the participant behind and return. Unless there is a command to kill it, the whole group of processes
 * that it has begun is killed.
 */
export function createParticipantProcess({ start, kill, stop, environment, logFile, onFailure }: Commands): ParticipantProcess {
  let group: ChildProcess | undefined;
  let failure: string | undefined;

  function run(command: string): ChildProcess {
    const output = logFile === undefined ? ("ignore" as const) : openSync(logFile, "a");
    const env = { ...process.env, ...environment };
    // A group of its own: a signal reaches what the shell has started, too.
    const child = spawn("sh", ["-c", command], { detached: true, stdio: ["ignore", output, output], env });
    if (typeof output === "number") closeSync(output);
    return child;
  }

  async function runToEnd(command: string): Promise<void> {
    const [code, signal] = await once(run(command), "exit");
    if (code !== 0) throw new CommandError(`${command}: ended with ${signal ?? code}`);
  }

  /** False: nothing of it is left. */
  function signalGroup(name: NodeJS.Signals): boolean {
    try {
      return group?.pid !== undefined && process.kill(-group.pid, name);
    } catch {
      return false;
    }
  }

  async function killGroup(): Promise<void> {
    const ended = group && group.exitCode === null && group.signalCode === null ? once(group, "exit") : undefined;
    signalGroup("SIGKILL");
    await ended;
  }

  return {
    async start() {
      failure = undefined;
      const started = run(start);
      group = started;
      // With 0 it has left the participant behind, and a signal is ours.
      started.once("exit", (code) => {
        if (group !== started || code === null || code === 0) return;
        failure = `what --start runs has ended with ${code}`;
        onFailure();
      });
      await once(started, "spawn");
    },
    get failure() {
      return failure;
    },
    kill: () => (kill === undefined ? killGroup() : runToEnd(kill)),
    async stop() {
      if (stop !== undefined) await runToEnd(stop);
      else signalGroup("SIGTERM");
    },
    async end() {
      if (kill !== undefined) await runToEnd(kill).catch(() => {});
      await killGroup();
    },
  };
}
