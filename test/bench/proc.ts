// What Linux tells of processes, in /proc. Of another system nothing is told, and the columns that need it stay empty.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { storeKinds } from "../../src/storage/sqlite/store-kind.ts";
import type { Counts } from "./statistics.ts";

/** Of /proc/PID/stat and /proc/stat. Linux has had no other for users for twenty years. */
const tickMicros = 10_000;

export const hasProc = existsSync("/proc/self/stat");

export type ProcessUse = {
  /** Microseconds of CPU since its start, by the names of its threads; those of one name are one. */
  readonly cpuMicros: Counts;
  /** What it has made dirty in files: what is, or will be, on the disk. */
  readonly writtenBytes: number;
};

export function processUse(pid: number): ProcessUse {
  if (!hasProc) return { cpuMicros: {}, writtenBytes: 0 };
  const cpuMicros: Record<string, number> = {};
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    // A thread may end while it is looked at.
    const stat = readText(`${folder}/stat`);
    if (stat === undefined) continue;
    const { name, micros } = threadOf(stat, readText(`${folder}/schedstat`));
    cpuMicros[name] = (cpuMicros[name] ?? 0) + micros;
  }
  return { cpuMicros, writtenBytes: writtenBytesIn(readText(`/proc/${pid}/io`) ?? "") };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

/** `schedstat` is exact, and kernels may come without it; `stat` counts in ticks. */
export function threadOf(stat: string, schedstat: string | undefined): { readonly name: string; readonly micros: number } {
  const { name, fields } = parseStat(stat);
  const [nanos] = schedstat?.split(" ") ?? [];
  const micros = nanos === undefined ? (fields(userTime) + fields(systemTime)) * tickMicros : Number(nanos) / 1000;
  return { name: threadName(name), micros };
}

/** Places of fields behind the name: proc(5) counts from 1, and the state is its third. */
const [userTime, systemTime, childrenUserTime, childrenSystemTime] = [11, 12, 13, 14];

/** A name may have blanks and brackets in it. */
function parseStat(stat: string): { readonly name: string; readonly fields: (index: number) => number } {
  const end = stat.lastIndexOf(")");
  const fields = stat.slice(end + 2).split(" ");
  return { name: stat.slice(stat.indexOf("(") + 1, end), fields: (index) => Number(fields[index]) };
}

const nodeThreads: Readonly<Record<string, string>> = {
  "node-MainThread": "main",
  MainThread: "main",
  node: "main",
  "node-V8Worker": "V8",
  "libuv-worker": "libuv",
};

/** Linux keeps 15 bytes of a name. */
function threadName(name: string): string {
  const writer = Object.keys(storeKinds)
    .map((kind) => `write ${kind}`)
    .find((whole) => whole.slice(0, 15) === name);
  return writer ?? nodeThreads[name] ?? (name === "judge" || name === "translator" ? name : "others");
}

export function writtenBytesIn(io: string): number {
  return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1] ?? 0);
}

/** Of all processes that this one has started and that have ended, with theirs. */
export const endedChildrenMicros = (): number => childrenMicrosIn(readText("/proc/self/stat") ?? "");

export function childrenMicrosIn(stat: string): number {
  const { fields } = parseStat(stat);
  return (fields(childrenUserTime) + fields(childrenSystemTime)) * tickMicros || 0;
}

/** Of all cores, by whomever; what the machine's host has taken is among it. */
export const machineBusyMicros = (): number => busyMicrosIn(readText("/proc/stat") ?? "");

export function busyMicrosIn(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? "")
    .split(" ")
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * tickMicros;
}
