import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { until } from "../support/until.ts";

const concord = join(import.meta.dirname, "../../bin/concord");

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function startDemo(...args: readonly string[]) {
  const env = { ...process.env, TMPDIR: folder.path };
  return spawn(concord, ["demo", "commit", ...args], { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
}

async function run(...args: readonly string[]): Promise<string> {
  const demo = startDemo(...args);
  const exited = once(demo, "exit");
  const said = (await Promise.all([text(demo.stdout), text(demo.stderr)])).join("");
  expect(await exited, said).toEqual([0, null]);
  return said;
}

const scenes = (...names: readonly string[]): readonly string[] => names.flatMap((name) => ["--scene", name]);

describe("concord demo commit", () => {
  test("plays scenes, finds that all agree, and leaves nothing behind", async () => {
    const chosen = scenes(
      "mixed-votes",
      "read-only",
      "participant-dies-after-vote",
      "partition",
      "coordinator-dies-decided",
      "fight",
    );
    const said = await run("--participants", "2", ...chosen);
    // One line for each scene: an outcome, and that all agree.
    expect(said.match(/^ {2}ok {4}(COMMITTED|ABORTED): /gm), said).toHaveLength(6);
    for (const word of [
      "Execute",
      "Prepare",
      "COMMIT is durable",
      "kill -9",
      "cut off",
      "again, same request_id",
      "SESSION_SUPERSEDED",
    ]) {
      expect(said).toContain(word);
    }
    expect(said).not.toContain("FAIL");
    expect(said).toContain("All is as it must be. Scenes: 6, failed: 0");
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("keeps what it has done where it is told to", async () => {
    const dataDir = join(folder.path, "kept");
    await run("--participants", "2", "--data-dir", dataDir, ...scenes("all-abort"));
    expect(readdirSync(dataDir).toSorted()).toEqual(["coordinator", "logs", "p1", "p2"]);
  });

  test.each([
    ["once", 1],
    ["again and again, without patience", Number.POSITIVE_INFINITY],
  ])("ends its processes when it is interrupted %s", async (_, wishes) => {
    const demo = startDemo();
    const exited = once(demo, "exit");
    const errors = text(demo.stderr);
    const pids: number[] = [];
    let asked = 0;
    const lines = createInterface({ input: demo.stdout });
    lines.on("line", (line) => {
      for (const [, pid] of line.matchAll(/\(pid (\d+)\)/g)) pids.push(Number(pid));
      if (asked === 0 && line.includes("Prepare")) asked = Number(demo.kill("SIGINT"));
    });
    const impatient = setInterval(() => {
      if (asked > 0 && asked < wishes) asked += Number(demo.kill("SIGINT"));
    }, 20);
    const ended = await exited;
    clearInterval(impatient);
    expect(ended, await errors).toEqual([1, null]);
    // Who is forced has no last word.
    expect(await errors).toBe(wishes === 1 || (await errors) !== "" ? "error: interrupted\n" : "");
    expect(pids).toHaveLength(4);
    const isGone = (pid: number): boolean => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    };
    await until(() => pids.every(isGone), "its processes are gone");
    expect(readdirSync(folder.path)).toEqual([]);
  });

  // A terminal interrupts all that runs in it.
  test("leaves nothing behind when all of it is interrupted while its participants start", async () => {
    const demo = startDemo();
    const exited = once(demo, "exit");
    const errors = text(demo.stderr);
    const coordinatorServes = (): boolean =>
      readdirSync(folder.path).some((name) => {
        const log = join(folder.path, name, "logs", "coordinator.log");
        return existsSync(log) && readFileSync(log, "utf8").includes('"msg":"serving"');
      });
    await until(coordinatorServes, "the coordinator serves");
    process.kill(-(demo.pid ?? 0), "SIGINT");
    expect(await exited, await errors).toEqual([1, null]);
    expect(await errors).toBe("error: interrupted\n");
    expect(readdirSync(folder.path)).toEqual([]);
  });
});
