import { appendFileSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openGrowingFile } from "../../../src/runtime/growing-file.ts";
import { waitingLengthMax } from "../../../src/runtime/line-writer.ts";
import { temporaryFolder } from "../../support/concord.ts";

const folder = temporaryFolder();
afterAll(folder.remove);

function open(path: string) {
  const told: string[] = [];
  const opened = openGrowingFile(path, { onStuck: () => told.push("stuck"), onUnstuck: (lost) => told.push(`lost ${lost}`) });
  if (!opened.ok) throw new Error(opened.error.message);
  return { ...opened.value, told };
}

const textOf = ({ lines, rest }: ReturnType<typeof open>["tail"]) => [
  ...lines.map((line) => Buffer.from(line).toString()),
  `rest ${Buffer.from(rest).toString()}`,
];

test.each([
  { text: "", tail: ["rest "] },
  { text: "cut", tail: ["rest cut"] },
  { text: "a\n", tail: ["a", "rest "] },
  { text: "a\nb\n", tail: ["a", "b", "rest "] },
  { text: "a\nb\nc\n", tail: ["b", "c", "rest "] },
  { text: "a\nb\nc\ncut", tail: ["b", "c", "rest cut"] },
  { text: "\na\n", tail: ["", "a", "rest "] },
  { text: `${"x".repeat(300_000)}\nb\nc\n`, tail: ["b", "c", "rest "] },
  { text: `${"x\n".repeat(200_000)}b\nc\ncut`, tail: ["b", "c", "rest cut"] },
])("it ends with the lines that it has: %j", ({ text, tail }) => {
  const path = join(folder.path, `tail-${text.length}-${tail.length}`);
  writeFileSync(path, text);
  const file = open(path);
  expect(textOf(file.tail)).toEqual(tail);
  file.close();
});

test("a new one is its owner's, takes lines at once behind whatever is there, and knows when it was moved away", () => {
  const path = join(folder.path, "new");
  const file = open(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(file.write("a\n")).toBe(true);
  appendFileSync(path, "b\n");
  file.write("c\n");
  expect(readFileSync(path, "utf8")).toBe("a\nb\nc\n");
  expect(file.isMoved()).toBe(false);
  renameSync(path, `${path}.1`);
  expect(file.isMoved()).toBe(true);
  writeFileSync(path, "");
  expect(file.isMoved()).toBe(true);
  file.write("d\n");
  expect(readFileSync(`${path}.1`, "utf8")).toBe("a\nb\nc\nd\n");
  file.close();
});

test("where there can be none it says why", () => {
  expect(openGrowingFile(join(folder.path, "none", "x"), { onStuck: () => {}, onUnstuck: () => {} })).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining("ENOENT") },
  });
});

test.skipIf(!existsSync("/dev/full"))(
  "on a disk without space lines wait, and are lost when they are too many; nothing fails",
  () => {
    const file = open("/dev/full");
    const line = `${"x".repeat(99_999)}\n`;
    const taken = Array.from({ length: 20 }, () => file.write(line));
    expect(file.told).toEqual(["stuck"]);
    expect(taken.filter((each) => each).length).toBe(Math.floor(waitingLengthMax / line.length) + 1);
    expect(taken.at(-1)).toBe(false);
    file.close();
  },
);
