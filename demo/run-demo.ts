import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CommandError } from "../src/cli/failure.ts";
import { onWish } from "../src/cli/serve.ts";
import { print } from "./print.ts";

/** Ctrl-C, a polite kill, and a terminal that is closed. */
const endSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The processes of a demo. */
export type Processes = {
  /** Without waiting; for the last moment of this process. */
  killNow(): void;
  /** Nothing runs any more when it resolves, and nothing will be started. */
  close(): Promise<void>;
};

/**
 * Plays a demo in a folder of its own, or in `dataDir`, and ends its processes, whatever happens. What went wrong leaves its data behind,
 * and exit code 1. `signal` is aborted when the user interrupts.
 */
export async function runDemo<T extends Processes>(options: {
  readonly dataDir?: string | undefined;
  readonly keep?: boolean | undefined;
  readonly create: (folder: string) => T;
  /** Resolves to whether everything is as it must be. */
  readonly play: (processes: T, signal: AbortSignal) => Promise<boolean>;
  readonly onEnd?: () => void;
}): Promise<void> {
  const { dataDir, keep = dataDir !== undefined, create, play, onEnd } = options;
  if (dataDir !== undefined) mkdirSync(dataDir, { recursive: true });
  const folder = dataDir ?? mkdtempSync(join(tmpdir(), "concord-demo-"));
  const processes = create(folder);
  const interrupted = new AbortController();
  let worthKeeping = keep;
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const interrupt = onWish({
    first: () => interrupted.abort(),
    // Without waiting for anything. The processes die with this one, whose end would leave them behind otherwise.
    again: () => {
      processes.killNow();
      if (!worthKeeping) remove();
      process.exit(1);
    },
  });
  // To the end of this process: who is impatient would else end it before it has removed the folder.
  for (const signal of endSignals) process.on(signal, interrupt);
  process.once("exit", processes.killNow);
  try {
    const succeeded = await play(processes, interrupted.signal);
    if (!succeeded) process.exitCode = 1;
    worthKeeping ||= !succeeded;
  } catch (error) {
    // A terminal interrupts all processes at once: what one of them has died of may not have been heard here yet.
    await nextTurn();
    if (interrupted.signal.aborted) throw new CommandError("interrupted");
    worthKeeping = true;
    throw error;
  } finally {
    onEnd?.();
    interrupted.abort();
    await processes.close();
    process.off("exit", processes.killNow);
    if (worthKeeping) print(`  Data and logs of each process: ${folder}`);
    else remove();
  }
}
