import { spawn } from "node:child_process";
import { until } from "../../support/until.ts";

/** Enough to see why a server has ended. */
const outputKept = 4_000;

export type ServerProcess = { readonly pid: number; readonly stop: () => Promise<void> };

/** A server in a process of its own, which does not outlive this one. Resolves when it is ready; throws with its last words if it ends before. */
export async function startProcess(
  command: string,
  args: readonly string[],
  isReady: () => Promise<boolean>,
): Promise<ServerProcess> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let ended: string | undefined;
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-outputKept);
    });
  const exited = new Promise<void>((resolve) => {
    const onEnd = (how: string) => {
      ended = how;
      resolve();
    };
    child.once("error", (error) => onEnd(String(error)));
    child.once("exit", (code, signal) => onEnd(`exited with ${code ?? signal}`));
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.prependOnceListener("exit", kill);
  await until(async () => {
    if (ended !== undefined) throw new Error(`${command} ${ended}:\n${output}`);
    return isReady().catch(() => false);
  }, `${command} is ready`);
  return {
    pid: child.pid ?? Number.NaN,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
      process.off("exit", kill);
    },
  };
}
