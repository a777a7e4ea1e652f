import { expect, test } from "vitest";
import { busyMicrosIn, childrenMicrosIn, processUse, threadOf, writtenBytesIn } from "../../bench/proc.ts";

const stat = (name: string): string =>
  `14098 (${name}) S 13998 13998 6763 0 -1 4194624 1550 0 0 0 12 3 40 5 20 0 13 0 100 0 0 18446744073709551615 0\n`;

test("a thread's name may have blanks and brackets in it", () => {
  expect(threadOf(stat("write rules"), undefined)).toEqual({ name: "write rules", micros: 150_000 });
  expect(threadOf(stat("a) (b"), undefined)).toEqual({ name: "others", micros: 150_000 });
});

test("Node's main thread, V8's and libuv's have short names, and a writer whose name Linux has cut off has its own", () => {
  const nameOf = (name: string): string => threadOf(stat(name), undefined).name;
  expect(["node-MainThread", "node-V8Worker", "libuv-worker", "write decision-", "judge"].map(nameOf)).toEqual([
    "main",
    "V8",
    "libuv",
    "write decision-log",
    "judge",
  ]);
});

test("nanoseconds on a CPU are taken before ticks where the kernel tells them", () => {
  expect(threadOf(stat("judge"), "9427096 11493508 17\n").micros).toBe(9427.096);
});

test("bytes written are those that go to the disk, not those that are taken back", () => {
  expect(writtenBytesIn("rchar: 1\nwchar: 2\nwrite_bytes: 4096\ncancelled_write_bytes: 512\n")).toBe(4096);
  expect(writtenBytesIn("")).toBe(0);
});

test("the CPU of children that have ended is told beside one's own", () => {
  expect(childrenMicrosIn(stat("node-MainThread"))).toBe(450_000);
  expect(childrenMicrosIn("")).toBe(0);
});

test("a machine is busy with everything but idling and waiting for disks; guests are counted as users already", () => {
  expect(busyMicrosIn("cpu  10 1 20 1000 500 2 3 4 7 0\ncpu0 1 1 1 1\n")).toBe(400_000);
});

test.skipIf(process.platform !== "linux")("this process has a main thread that has worked", () => {
  const main = processUse(process.pid).cpuMicros;
  expect(Object.values(main).some((micros) => micros > 0)).toBe(true);
});
