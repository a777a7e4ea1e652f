import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const mark = "CONCORD_TEST_RUN";

/** What was told to end just before the end of the last test may take so long. */
const endingMsMax = 5_000;

let openProjects = 0;

/**
 * No process outlives its test. Whatever the run starts inherits its mark, wherever it is in the tree of processes; what has the mark when all
 * tests are over is ended, and the run fails with its name. Needs /proc.
 */
export function setup(): () => Promise<void> {
  process.env[mark] ??= randomUUID();
  openProjects += 1;
  return teardown;
}

/** Of the last project. */
async function teardown(): Promise<void> {
  openProjects -= 1;
  if (openProjects > 0) return;
  if (!existsSync("/proc/self/environ")) {
    process.stderr.write("There is no /proc here: whether processes outlive their tests is not checked.\n");
    return;
  }
  const wanted = `${mark}=${process.env[mark]}`;
  const givesUpAtMs = Date.now() + endingMsMax;
  while (processesOfRun(wanted).length > 0 && Date.now() < givesUpAtMs) await pause(50);
  const left = processesOfRun(wanted);
  if (left.length === 0) return;
  for (const { pid } of left) end(pid);
  const lines = left.map(({ pid, command }) => `  ${pid} ${command}`);
  throw new Error(`${left.length} processes have outlived their tests, and are ended now:\n${lines.join("\n")}`);
}

function processesOfRun(wanted: string): readonly { readonly pid: number; readonly command: string }[] {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const command = read(pid, "cmdline").replaceAll("\0", " ").trim();
    // A zombie has no command. The runner's own processes end after this.
    if (command === "" || command.startsWith("vitest") || command.includes("/vitest/dist/")) return [];
    return read(pid, "environ").split("\0").includes(wanted) ? [{ pid, command }] : [];
  });
}

/** Nothing of a process that has ended meanwhile, or is somebody else's. */
function read(pid: number, file: "cmdline" | "environ"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
