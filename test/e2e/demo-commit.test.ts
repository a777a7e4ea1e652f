import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";

const concord = join(import.meta.dirname, "../../bin/concord");

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function startDemo(...args: readonly string[]) {
  const env = { ...process.env, TMPDIR: folder.path };
  return spawn(concord, ["demo", "commit", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
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

  test("ends its processes when it is interrupted", async () => {
    const demo = startDemo();
    const exited = once(demo, "exit");
    const errors = text(demo.stderr);
    const pids: number[] = [];
    let isAsked = false;
    for await (const line of createInterface({ input: demo.stdout })) {
      for (const [, pid] of line.matchAll(/\(pid (\d+)\)/g)) pids.push(Number(pid));
      // Once: a second one would not wait for the processes.
      if (!isAsked && line.includes("Prepare")) isAsked = demo.kill("SIGINT");
    }
    expect(await exited, await errors).toEqual([1, null]);
    expect(await errors).toBe("error: interrupted\n");
    expect(pids).toHaveLength(4);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(readdirSync(folder.path)).toEqual([]);
  });
});
