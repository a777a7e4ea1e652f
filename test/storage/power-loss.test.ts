import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { createDice } from "../simulation/random.ts";
import { createCrashDisk, type Image, type Luck } from "../support/power-loss/crash-disk.ts";
import { readRecording, type Step } from "../support/power-loss/recording.ts";
import { expectSound } from "../support/storage-sound.ts";

const seed = Number(process.env["SEED"] ?? 1);

const support = (name: string): string => fileURLToPath(new URL(`../support/power-loss/${name}`, import.meta.url));
const work = realpathSync(mkdtempSync(join(tmpdir(), "concord-power-loss-")));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const library = join(work, "record.so");
const compiled = spawnSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, support("record.c"), "-ldl"], { encoding: "utf8" });
const canRecord = process.platform === "linux" && compiled.status === 0;

test.skipIf(canRecord || process.env["CI"] === undefined)(
  "on a machine of CI there is a C compiler, and Linux, to record what is written",
  () => {
    expect(compiled.error ?? compiled.stderr).toBe("");
    expect(process.platform).toBe("linux");
  },
);

/** A store in its whole life, twice over: made, opened, written, moved into its file, closed. */
function record(): { readonly folder: string; readonly acks: string; readonly steps: readonly Step[] } {
  const folder = join(work, "data");
  mkdirSync(folder);
  const [log, acks] = [join(work, "log"), join(folder, "acks")];
  const child = spawnSync(process.execPath, [support("child.ts"), join(folder, "workflow.sqlite"), acks], {
    env: { ...process.env, LD_PRELOAD: library, RECORD_DIR: folder, RECORD_LOG: log },
    encoding: "utf8",
  });
  expect([child.status, child.stderr]).toEqual([0, ""]);
  return { folder, acks, steps: readRecording(log) };
}

/** Just before each sync, and whenever somebody was told something: elsewhere less is uncertain, or nothing more is certain. */
const isCut = (step: Step, next: Step | undefined, acks: string): boolean =>
  next?.type === "sync" || (step.type === "write" && step.path === acks);

/** While the file is made it is synced sixty times, and nobody has been told anything: each so many of those are enough. */
const sampleBeforeOpened = 4;

function put(image: Image, into: string): void {
  for (const [path, content] of image) writeFileSync(join(into, basename(path)), content);
}

const digestOf = (image: Image, acknowledged: number): string => {
  const hash = createHash("sha256").update(String(acknowledged));
  for (const [path, content] of image) hash.update(path).update(content);
  return hash.digest("hex");
};

test.skipIf(!canRecord)(
  `wherever the power goes, all that was acknowledged is there, nothing is there by half, and the store opens; SEED=${seed} [needs cc, on Linux]`,
  { timeout: 600_000 },
  async () => {
    const { folder, acks, steps } = record();
    const disk = createCrashDisk(folder);
    const dice = createDice(seed);
    const acknowledged: string[] = [];
    const seen = new Set<string>();
    let cuts = 0;
    for (const [index, step] of steps.entries()) {
      if (step.type === "write" && step.path === acks) acknowledged.push(...step.bytes.toString().trimEnd().split("\n"));
      disk.take(step);
      if (!isCut(step, steps[index + 1], acks)) continue;
      cuts += 1;
      if (acknowledged.length === 0 && cuts % sampleBeforeOpened > 0) continue;
      for (const luck of ["none", "some", "all"] satisfies readonly Luck[]) {
        const image = new Map([...disk.image(luck, dice)].filter(([path]) => path !== acks));
        const digest = digestOf(image, acknowledged.length);
        if (seen.has(digest)) continue;
        seen.add(digest);
        const place = join(work, `image-${seen.size}`);
        mkdirSync(place);
        put(image, place);
        try {
          const names = acknowledged.filter((name) => name !== "opened");
          await expectSound(join(place, "workflow.sqlite"), names, "after");
        } catch (error) {
          const where = `after step ${index} of ${steps.length}, with ${luck} of what was not synced`;
          throw new Error(`SEED=${seed}: ${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
        }
        rmSync(place, { recursive: true });
      }
    }
    expect(acknowledged.filter((name) => name === "opened")).toHaveLength(2);
    expect(seen.size).toBeGreaterThan(100);
  },
);
