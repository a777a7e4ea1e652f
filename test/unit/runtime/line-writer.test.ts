import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createLineWriter, waitingLengthMax } from "../../../src/runtime/line-writer.ts";
import { temporaryFolder } from "../../support/concord.ts";
import { mountTmpfs } from "../../support/storage-tmpfs.ts";
import { until } from "../../support/until.ts";

const data = temporaryFolder();
const [forSync, forAsync] = [mountTmpfs(64), mountTmpfs(64)];
afterAll(() => {
  for (const each of [forSync, forAsync]) each?.unmount();
  data.remove();
});

/** Numbered, and longer than a pipe takes at once. */
const line = (number: number): string => `${number} ${"x".repeat(9_990)}\n`;

const numbersIn = (text: string): readonly number[] => {
  const lines = text.split("\n");
  expect(lines.at(-1), "the last line is whole").toBe("");
  return lines.slice(0, -1).map((each) => {
    expect(each).toMatch(/^\d+ x{9990}$/);
    return Number.parseInt(each, 10);
  });
};

/** A pipe that is written by nobody but us, and read when we like. */
function openPipe(name: string): number {
  const path = join(data.path, name);
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

function readOf(pipe: number): string {
  const buffer = Buffer.alloc(2 ** 20);
  try {
    return buffer.subarray(0, readSync(pipe, buffer)).toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return "";
    throw error;
  }
}

describe.each([
  { sync: true, small: forSync },
  { sync: false, small: forAsync },
])("lines whose file takes nothing (sync: $sync)", ({ sync, small }) => {
  test("wait for a slow reader whole and in order; what does not fit is lost and counted, and told once", async () => {
    const pipe = openPipe(`pipe-${sync}`);
    const told: { readonly lost: number; readonly cause: string }[] = [];
    const writer = createLineWriter({ fd: pipe, sync, onUnstuck: (lost, cause) => told.push({ lost, cause }) });
    let count = 0;
    for (; writer.lost() < 3; count += 1) writer.write(line(count));
    expect(count * 10_000).toBeGreaterThan(waitingLengthMax);

    let text = "";
    await until(() => {
      text += readOf(pipe);
      return told.length > 0;
    }, "all is read");
    text += readOf(pipe);
    const first = count - 3;
    expect(numbersIn(text)).toEqual(Array.from({ length: first }, (_, number) => number));
    expect(told).toEqual([{ lost: 3, cause: "its reader is slow" }]);
    writer.close();
    closeSync(pipe);
  });

  test.skipIf(small === undefined)(
    "wait for space, of which they are told; a line that was cut off is ended [needs root, to mount a tmpfs]",
    async () => {
      const [path, ballast] = ["lines", "ballast"].map((name) => join(small?.dir ?? "", name)) as [string, string];
      writeFileSync(ballast, Buffer.alloc(32 * 1_024));
      const file = openSync(path, "a");
      const stuck: string[] = [];
      const told: { readonly lost: number; readonly cause: string }[] = [];
      const onUnstuck = (lost: number, cause: string) => told.push({ lost, cause });
      const writer = createLineWriter({ fd: file, sync, onStuck: (cause) => stuck.push(cause), onUnstuck });
      for (let number = 0; number < 5; number += 1) writer.write(line(number));
      await until(() => stuck.length > 0, "it is stuck");
      expect(readFileSync(path, "utf8").at(-1), "a line is cut off").not.toBe("\n");

      rmSync(ballast);
      await until(() => told.length > 0, "it is told");
      expect(numbersIn(readFileSync(path, "utf8"))).toEqual([0, 1, 2, 3, 4]);
      expect([stuck, told]).toEqual([[expect.stringMatching("ENOSPC")], [{ lost: 0, cause: expect.stringMatching("ENOSPC") }]]);
      writer.close();
      closeSync(file);
    },
  );
});
