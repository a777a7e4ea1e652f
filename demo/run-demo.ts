import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError } from "../src/cli/failure.ts";
import { print } from "./print.ts";

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
  const interrupt = (): void => interrupted.abort();
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt).once("exit", processes.killNow);
  let worthKeeping = keep;
  try {
    const succeeded = await play(processes, interrupted.signal);
    if (!succeeded) process.exitCode = 1;
    worthKeeping ||= !succeeded;
  } catch (error) {
    if (interrupted.signal.aborted) throw new CommandError("interrupted");
    worthKeeping = true;
    throw error;
  } finally {
    onEnd?.();
    interrupt();
    await processes.close();
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt).off("exit", processes.killNow);
    if (worthKeeping) print(`  Data and logs of each process: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}
