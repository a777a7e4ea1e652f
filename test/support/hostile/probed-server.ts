import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface ProbedServer {
  readonly address: string;
  /** Of the HTTP interface. */
  readonly url: string;
  /** The longest stretch that its event loop was held since it was last asked, in CPU time; and the most memory that it ever had. */
  look(): Promise<{ readonly longestMs: number; readonly peakMiB: number }>;
  /** SIGTERM. Resolves with the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL: it may be in a stretch that does not end. */
  kill(): Promise<void>;
}

const ownProgram = join(import.meta.dirname, "../../../src/main.ts");

/** `concord serve` with the probe in it. `program`: the main module of another version. */
export async function startProbedServer(dataDir: string, program = ownProgram): Promise<ProbedServer> {
  const probe = join(import.meta.dirname, "loop-probe.ts");
  const args = [
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--http-listen",
    "127.0.0.1:0",
    "--data-dir",
    dataDir,
    "--log-format",
    "json",
    "--log-level",
    "info",
  ];
  const child = spawn(process.execPath, ["--import", probe, program, ...args], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const exited = once(child, "exit");
  type Serving = { readonly msg: string; readonly listen: string; readonly http: string };
  const { promise: serving, resolve, reject } = Promise.withResolvers<Serving>();
  const lines: string[] = [];
  createInterface({ input: child.stderr as NonNullable<typeof child.stderr> })
    .on("line", (line) => {
      const told = JSON.parse(line) as Serving;
      if (told.msg === "serving") resolve(told);
      lines.push(line);
    })
    .on("close", () => reject(new Error(`the server has ended:\n${lines.join("\n")}`)));
  const { listen, http } = await serving;
  return {
    address: listen,
    url: `http://${http}`,
    async look() {
      const answer = once(child, "message");
      child.send("?");
      const [looked] = (await answer) as [{ readonly longestMs: number; readonly peakMiB: number }];
      return looked;
    },
    async stop() {
      child.kill("SIGTERM");
      const [code] = (await exited) as [number | null];
      return code;
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
