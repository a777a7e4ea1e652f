import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";

const script = fileURLToPath(new URL("./storage-child.ts", import.meta.url));
const children: ChildProcess[] = [];

/** A child process that owns a store: see storage-child.ts. */
export interface StorageProcess {
  readonly pid: number | undefined;
  /** Resolves when that many lines like this were printed, or the output ended. */
  printed(count: number, like?: RegExp): Promise<readonly string[]>;
  /** SIGKILL. Resolves with all that it printed before it died. */
  kill(): Promise<readonly string[]>;
}

export function startStorageProcess(
  mode: "hold" | "load" | "purge" | "rules" | "refuse",
  path: string,
  prefix = "",
): StorageProcess {
  const child = spawn(process.execPath, [script, mode, path, prefix], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  // The output ends before the locks of a killed process are gone; its exit comes after.
  const ended = Promise.all([once(output, "close"), once(child, "exit")]);
  output.on("line", (line) => lines.push(line));
  return {
    pid: child.pid,
    printed: async (count, like = /./) => {
      let over = false;
      void ended.then(() => {
        over = true;
      });
      while (lines.filter((line) => like.test(line)).length < count && !over) await Promise.race([once(output, "line"), ended]);
      return lines;
    },
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
      return lines;
    },
  };
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
